// Moves bytes between GPUs.  A network model decides only when they arrive.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/engine.h"
#include "core/family.h"
#include "core/ids.h"
#include "network/calibration.h"
#include "network/topology.h"

namespace moesim {

/// One flow of bytes.
struct Transfer {
  GpuId from{}, to{};
  Bytes bytes{};              // payload, >= 0; 0 arrives after the latency alone
  Bytes work{};               // what it costs the links: payload over the kernel's share of line rate; >= bytes
  std::uint32_t tag = 0;      // given back on arrival
  bool avoid_nvlink = false;  // cross the adapters even inside a node
};

/// Who is told when a flow has arrived.  Must live until all its flows have.
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual void arrived(std::uint32_t tag) = 0;
};

/// What went over each link, in bytes of payload, and how long it was busy.
struct LinkUse {
  std::int64_t bytes = 0;
  double busy = 0;     // seconds at full capacity that the work amounts to
  Time saturated{};    // time spent with no capacity to spare: a hot spot's queue (fluid only)
  int most_flows = 0;  // at once
};

class Network {
 public:
  /// Builds the cluster's links (throws ConfigError, see Topology) with the calibration applied by senders.
  Network(Engine& engine, const Cluster& cluster, NetworkCalibration calibration, std::span<const LinkFault> faults);
  virtual ~Network() = default;

  Engine& engine() const { return engine_; }
  const Topology& topology() const { return topology_; }
  const NetworkCalibration& calibration() const { return calibration_; }

  /// Starts sending `bytes` (>= 0) now; runs `done` when the last byte has arrived.  From a GPU to itself: now.
  void send(GpuId from, GpuId to, Bytes bytes, Action done);
  /// Starts many flows now.  Throws std::logic_error for a GPU outside the cluster or negative bytes.
  virtual void start(std::span<const Transfer> transfers, Receiver& receiver) = 0;
  /// True if exchanges and collectives are to use their closed forms instead of flows.
  virtual bool closed_form() const = 0;

  /// Per-link totals up to now.
  virtual std::vector<LinkUse> link_use() = 0;
  /// Per-pair payload so far, (gpus, gpus) row-major; empty unless asked for before the first flow.
  void count_pairs();
  const std::vector<std::int64_t>& pair_bytes() const { return pair_bytes_; }
  /// Samples every link's utilisation once per `interval` from the next flow on; see utilisation().
  virtual void sample_utilisation(Time interval) = 0;
  struct UtilisationSample {
    Time until{};
    LinkId link{};
    double share = 0;  // of capacity, mean over the interval; links without traffic in an interval have no sample
  };
  virtual const std::vector<UtilisationSample>& utilisation() = 0;

 protected:
  void count(const Transfer& transfer);

 private:
  class Callbacks;
  Engine& engine_;
  Topology topology_;
  NetworkCalibration calibration_;
  std::vector<std::int64_t> pair_bytes_;
  std::shared_ptr<Callbacks> callbacks_;
};

/// The family `network`: bottleneck (closed forms, for sweeps) and fluid (max-min fair sharing).
/// Both take `calibration:` (a name, "auto" or "none") and `faults:`; fluid also `tolerance:`.
const Family<Network, Engine&, const Cluster&>& networks();
}  // namespace moesim
