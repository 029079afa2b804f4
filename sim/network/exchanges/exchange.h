// One dispatch or combine of an expert-parallel group: who sends how much to whom, and when each GPU has all it needs.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/ids.h"
#include "core/units.h"
#include "exchange/exchange_load.h"
#include "exchange/fan_out.h"
#include "exchange/relay.h"
#include "network/calibration.h"
#include "network/topology/topology.h"

namespace moesim::network {

class Network;

enum class ExchangeKernel {
  normal,      ///< SMs copy; between nodes one copy a node, by way of the relay there (exchange/relay.h)
  low_latency  ///< adapters send each row straight to its GPU; takes no SMs
};
constexpr auto enum_names(ExchangeKernel) {
  return std::to_array<std::pair<std::string_view, ExchangeKernel>>(
      {{"normal", ExchangeKernel::normal}, {"low_latency", ExchangeKernel::low_latency}});
}
enum class ExchangeDirection { dispatch, combine };

/// How the bytes travel.
struct ExchangeSpec {
  ExchangeKernel kernel = ExchangeKernel::normal;
  ExchangeDirection direction = ExchangeDirection::dispatch;
  Bytes row{};         // payload of one token's row
  int sms = 20;        // SMs that copy (normal kernel)
  bool nvlink = true;  // low latency: NVLink inside the node; false: the adapters everywhere
  Bytes payload{};     // of a row that only takes as long as `row` bytes do; 0: the row itself
  /// What a row counts on links.
  Bytes carried() const { return payload.v > 0 ? payload : row; }
  bool operator==(const ExchangeSpec&) const = default;
};

/// One token's row of `hidden` values: FP8 with one 4-byte scale per 128 values and 16 bytes of metadata, or BF16
/// alone. Source: DeepEP README, bytes of the low-latency kernels.
Bytes fp8_row(int hidden);
Bytes bf16_row(int hidden);

/// The GPUs of an expert-parallel group in the order of ExchangeLoad's rows, and what their ports can do.
/// Built once per group; every exchange of the group shares it.  Must not outlive its topology.
class ExchangeGroup {
 public:
  /// members: cluster GPUs, those of one node together, equally many a node: the load's node n holds members
  /// n * per_node onwards.  Throws ConfigError if a member is not in the cluster, std::logic_error if nodes are mixed
  /// or uneven.
  ExchangeGroup(const Topology& topology, std::vector<GpuId> members);
  /// `count` consecutive GPUs from `first`.
  ExchangeGroup(const Topology& topology, GpuId first, int count);

  int gpus() const { return int(members_.size()); }
  const spec::GroupShape& shape() const { return shape_; }
  int nodes() const { return gpus() / per_node(); }
  int per_node() const { return shape_.gpus_per_node; }
  int node_of(int member) const { return shape_.node_of(member); }
  GpuId gpu(int member) const { return members_[std::size_t(member)]; }
  const std::vector<GpuId>& members() const { return members_; }
  const Topology& topology() const { return *topology_; }

  /// The adapter of a member, numbered within the group (several members may share one), and how many there are.
  int port(int member) const { return port_[std::size_t(member)]; }
  int ports() const { return ports_; }
  /// Line rates of the slowest adapter link (with PCIe) and the slowest NVLink, either direction, by port and member.
  Bandwidth nic_rate(int port) const { return nic_rate_[std::size_t(port)]; }
  Bandwidth nvlink_rate(int member) const { return nvlink_rate_[std::size_t(member)]; }
  /// Latency over NVLink, and the longest over adapters: between any two members, and between those of one position.
  Time nvlink_latency() const { return nvlink_latency_; }
  Time any_latency() const { return any_latency_; }
  Time rail_latency() const { return rail_latency_; }
  /// How long the slowest of the counts takes that every member sends to all others; 0 for one member.
  Time count_latency(const ExchangeSpec& spec) const;

 private:
  void find_ports();
  void find_latencies();
  const Topology* topology_;
  std::vector<GpuId> members_;
  std::vector<int> port_;
  std::vector<Bandwidth> nic_rate_, nvlink_rate_;
  spec::GroupShape shape_;  // nodes of one size
  int ports_ = 0;
  Time nvlink_latency_{}, any_latency_{}, rail_latency_{};
};

/// Throws ConfigError, prefixed with `where`, for a load that no exchange can carry: negative counts, sizes that do not
/// fit the group, more than 2^62 bytes.
void check_load(const exchange::ExchangeLoad& load, const ExchangeGroup& group, const ExchangeSpec& spec,
                std::string_view where);

/// What the SMs of all members handle in one exchange.
struct ExchangeMix {
  double tokens = 0;    // each on every node it reaches
  double copies = 0;    // one of a token for each GPU it reaches, its own among them
  double crossing = 0;  // of them, those that cross NVLink
};
ExchangeMix mix_of(const exchange::ExchangeLoad& load, const ExchangeGroup& group);

/// The rates one kernel reaches on one group: line rates, calibration and SMs put together.
struct ExchangeRates {
  /// Until carry(): as if rows were all that SMs handle.
  ExchangeRates(const ExchangeGroup& group, const NetworkCalibration& calibration, const ExchangeSpec& spec);
  /// Puts into `fixed` and the NVLink rates what SMs spend on this mix; low-latency kernels use none.
  void carry(const ExchangeMix& mix);
  bool uses_sms() const { return sms > 0 && kernel.sm_rate.v > 0; }

  NetworkCalibration::Kernel kernel;
  Time fixed{};                               // before the first byte moves
  double row = 0;                             // bytes of payload
  std::vector<double> nic, nvlink;            // bytes per second of payload, by port and by member
  std::vector<double> nic_work, nvlink_work;  // work (line-rate bytes) per byte of payload

 private:
  double reached(double line, double copied) const;
  Time called{};                    // fixed time of a call, whatever it moves
  int sms = 0;                      // that copy; 0: none
  std::vector<double> nvlink_line;  // bytes per second, by member
};

/// The bottleneck model's closed form: every port carries its bytes after the GPUs that use it are ready, and a GPU has
/// all it needs when the slowest port on any of its inputs is done.  On symmetric traffic never later than `fluid` by
/// more than rounding.  Keeps its buffers: calls allocate nothing.  64 GPUs cost under 50 us.  One per thread.
class ExchangeTimes {
 public:
  /// Throws ConfigError if a port the group needs has failed: only `fluid` goes around.
  ExchangeTimes(const ExchangeGroup& group, const NetworkCalibration& calibration, const ExchangeSpec& spec);

  /// ready: (gpus) when each GPU starts to send.  arrival: (gpus) when each GPU has all it needs (dispatch: the rows of
  /// its slots; combine: its tokens' results); at least the last ready time plus the kernel's fixed time and a latency,
  /// since every GPU waits for the counts of all.  Throws std::logic_error if the load has another size.
  void operator()(const exchange::ExchangeLoad& load, std::span<const Time> ready, std::span<Time> arrival);
  /// The same from sums alone, all GPUs ready at 0: O(gpus).
  void operator()(const exchange::ExchangeSums& sums, std::span<Time> arrival);

  const ExchangeSpec& spec() const { return spec_; }

 private:
  double nic(int member) const { return per_nic_byte_[std::size_t(group_->port(member))]; }
  void carry(const ExchangeMix& mix);
  void low_latency(const exchange::ExchangeLoad& load);
  void normal_dispatch(const exchange::ExchangeLoad& load);
  void normal_combine(const exchange::ExchangeLoad& load);
  void finish(std::span<Time> arrival, Time origin) const;

  const ExchangeGroup* group_;
  ExchangeSpec spec_;
  ExchangeRates rates_;
  double any_latency_ = 0, rail_latency_ = 0, nvlink_latency_ = 0;  // seconds, like all below
  std::vector<double> per_nic_byte_, per_nvlink_byte_;              // by port, by member
  std::vector<int> order_;                                          // members by ready time
  std::vector<double> ready_, arrival_, nic_out_, nic_in_, nvlink_out_, nvlink_in_, gathered_, start_, handed_on_;
};

/// Something every member of a group joins, and that tells each member when its part is done.
class Rendezvous {
 public:
  virtual ~Rendezvous() = default;
  /// The member is ready now.  Each member once, else std::logic_error.
  virtual void join(int member) = 0;
  /// Every member has been told.
  virtual bool finished() const = 0;
};

/// Opens one exchange: GPUs join() when ready, and `arrived(member)` runs when all that the member needs is there.
/// With a closed-form network the times are ExchangeTimes'; with fluid, flows start as members join.  Dispatch: a
/// source's rows leave at once; what a relay takes in crosses NVLink from when it and all its senders have joined,
/// and `forward_tail` of it after the last byte came in.  Combine is the mirror image.
/// The load is read during the call only; the group must live as long.  Destroy the object after finished(), not inside
/// `arrived`.
std::unique_ptr<Rendezvous> open_exchange(Network& network, const ExchangeGroup& group, const ExchangeSpec& spec,
                                          const exchange::ExchangeLoad& load, std::function<void(int member)> arrived);
}  // namespace moesim::network
