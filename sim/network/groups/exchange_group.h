// Who exchanges rows with whom, by which kernel: an expert-parallel group, its ports, and the way that bytes take.
#pragma once
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/ids.h"
#include "core/units.h"
#include "network/topology/topology.h"
#include "spec/group_shape.h"

namespace moesim::network {

enum class ExchangeKernel {
  deepep_normal,       ///< SMs copy; between nodes one copy a node, by way of the relay there (exchange/relay.h)
  deepep_low_latency,  ///< adapters send each row straight to its GPU; takes no SMs
  all_to_all,          ///< the library's: each row straight to its GPU, once the counts are known
  all_gather,          ///< every GPU gets every token; results are added up by a reduce-scatter
  hybrid               ///< as deepep_normal, copied by tensor memory accelerators: few SMs
};
constexpr auto enum_names(ExchangeKernel) {
  return std::to_array<std::pair<std::string_view, ExchangeKernel>>(
      {{"deepep_normal", ExchangeKernel::deepep_normal},
       {"deepep_low_latency", ExchangeKernel::deepep_low_latency},
       {"all_to_all", ExchangeKernel::all_to_all},
       {"all_gather", ExchangeKernel::all_gather},
       {"hybrid", ExchangeKernel::hybrid}});
}
enum class ExchangeDirection { dispatch, combine };

/// The way that rows take to their GPU (and results back).
enum class RowWay {
  relayed,   ///< one copy of a token a node, and a GPU, by way of the relay there
  straight,  ///< every row by itself
  gathered   ///< every token to every GPU, round a ring
};
RowWay way_of(ExchangeKernel kernel);

/// How the bytes travel.
struct ExchangeSpec {
  ExchangeKernel kernel = ExchangeKernel::deepep_normal;
  ExchangeDirection direction = ExchangeDirection::dispatch;
  Bytes row{};         // payload of one token's row
  int sms = 20;        // SMs that copy (deepep_normal)
  bool nvlink = true;  // deepep_low_latency: NVLink inside the node; false: the adapters everywhere
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
}  // namespace moesim::network
