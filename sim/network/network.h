// Moves bytes between GPUs.  A network model decides only when they arrive.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/engine.h"
#include "core/family.h"
#include "core/ids.h"
#include "network/calibration.h"
#include "network/exchanges/exchange.h"
#include "network/topology/topology.h"

namespace moesim::network {

/// One flow of bytes.
struct Transfer {
  GpuId from{}, to{};
  Bytes bytes{};              // payload, >= 0; 0 arrives after the latency alone
  Bytes work{};               // what it costs the links: payload over the kernel's share of line rate; at least `bytes`
  std::uint32_t tag = 0;      // given back on arrival
  bool avoid_nvlink = false;  // cross the adapters even inside a node
  /// So many of them, as one.
  Transfer times(double n) const;
};

/// Who is told when a flow has arrived.  Must live until all its flows have.
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual void arrived(std::uint32_t tag) = 0;
};

/// What went over a link so far.
struct LinkUse {
  std::int64_t bytes = 0;  // payload of the flows that have left
  double busy = 0;         // seconds at full capacity that their work amounts to
  double saturated = 0;    // seconds in which flows used all of it: a hot spot
  int most_flows = 0;      // at once; a hot spot's queue
};

/// Mean use of one link during one interval.
struct UtilisationSample {
  Time until{};
  LinkId link{};
  double share = 0;  // of capacity
};

/// What every network has besides its model.
struct NetworkOptions {
  std::string calibration = "auto";
  std::vector<LinkFault> faults;
  bool count_pairs = false;
  Time sample_interval{};
};

class LinkMeter;
class MovedRows;

class Network {
 public:
  /// Builds the cluster's links and loads the calibration.  Throws ConfigError, see Topology and
  /// load_network_calibration.
  Network(Engine& engine, const spec::Cluster& cluster, const NetworkOptions& options);
  virtual ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  Engine& engine() const { return engine_; }
  const Topology& topology() const { return topology_; }
  const NetworkCalibration& calibration() const { return calibration_; }

  /// Starts sending `bytes` (>= 0) now; runs `done` when the last byte has arrived.  From a GPU to itself: now.
  /// slowed: how many times their bytes the links work, for what crosses them that is not among the flows.
  void send(GpuId from, GpuId to, Bytes bytes, Action done, double slowed = 1);
  /// What send() puts on the links.
  Transfer bulk(GpuId from, GpuId to, Bytes bytes, double slowed = 1) const;
  /// Starts many flows now.  Throws std::logic_error for a GPU outside the cluster or negative bytes.
  virtual void start(std::span<const Transfer> transfers, Receiver& receiver) = 0;
  /// True if exchanges and collectives are to use their closed forms instead of flows.
  virtual bool closed_form() const = 0;
  /// From now on the link works at this share of its rate, above 0; flows on their way slow down or speed up.
  virtual void set_share(LinkId link, double share) = 0;

  /// What a closed form moves without flows, evenly between `from` and `until`: on the links that flows would take,
  /// byte for byte what they would carry.  Sums of many exchanges count as if every source sent alike.
  void count(const ExchangeGroup& group, const ExchangeSpec& spec, const exchange::ExchangeLoad& load, Time from,
             Time until);
  void count(const ExchangeGroup& group, const ExchangeSpec& spec, const exchange::ExchangeSums& sums, Time from,
             Time until);
  void count(std::span<const Transfer> transfers, Time from, Time until);
  /// Bytes to or from somewhere outside what is simulated: on the GPU's adapter alone.
  void count_outside(GpuId gpu, bool out, Bytes bytes, Time from, Time until);

  /// Per-link totals up to now.
  std::vector<LinkUse> link_use();
  /// Payload per pair of GPUs, (gpus, gpus) row-major; empty unless options.count_pairs.
  const std::vector<std::int64_t>& pair_bytes();
  /// Every link's use per interval so far, links in order within an interval, idle ones left out; empty unless
  /// options.sample_interval is above 0.
  std::vector<UtilisationSample> utilisation();
  bool sampling() const { return sampling_; }

 protected:
  virtual LinkMeter& meter() = 0;
  /// Checks a transfer and counts it with its pair of GPUs; returns its work in bytes.
  double admit(const Transfer& transfer);
  Route route_of(const Transfer& transfer) const;
  /// Takes effect for all routes from now on.
  void apply(LinkId link, double share) { topology_.set_share(link, share); }

 private:
  class Callbacks;
  MovedRows& moved(const ExchangeGroup& group, const ExchangeSpec& spec);
  void lay(MovedRows& rows, Time from, Time until);
  LinkMeter& settled();
  Engine& engine_;
  Topology topology_;
  NetworkCalibration calibration_;
  std::vector<std::int64_t> pair_bytes_;
  std::vector<MovedRows> moved_;  // in the order of their first exchange
  bool sampling_ = false;
  std::unique_ptr<Callbacks> callbacks_;
};

/// The family `network`: bottleneck (closed forms, for sweeps) and fluid (max-min fair sharing).
/// Both take `calibration:` (a name, "auto" or "none"), `faults:`, `count_pairs:` and `sample_interval:`; fluid also
/// `tolerance:`.
const Family<Network, Engine&, const spec::Cluster&>& networks();
/// The network that a scenario's `network` describes, else bottleneck, of the cluster read from its `cluster`.
/// Throws ConfigError at the section that is wrong.
std::unique_ptr<Network> make_network(const Config& scenario, Engine& engine, const spec::Cluster& cluster);
}  // namespace moesim::network
