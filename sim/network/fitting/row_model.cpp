// What the closed forms say of measured rows.
#include <map>
#include <span>

#include "network/collectives/engine_all_reduce.h"
#include "network/exchanges/exchange.h"
#include "network/fitting/row_reader.h"
#include "spec/catalogue.h"

namespace moesim::network {

/// Made when first asked for, by number of nodes.
struct RowModel::Clusters {
  spec::Gpu gpu;
  spec::Fabric fabric;
  struct Made {
    explicit Made(const spec::Cluster& cluster) : topology(cluster), group(topology, GpuId{0}, cluster.gpus()) {}
    Topology topology;
    ExchangeGroup group;
  };
  std::map<int, std::unique_ptr<Made>> made;

  const Made& of(int nodes) {
    std::unique_ptr<Made>& slot = made[nodes];
    if (!slot) {
      spec::Cluster c;
      c.node.gpu = gpu;
      c.node.gpus = c.node.nics = kGpusPerNode;
      c.node.nic = 400_Gbps;
      c.node.pcie = 64_GBps;  // of a slot with 16 lanes of PCIe 5.0: what GPUs without NVLink have in its place
      c.nodes = nodes;
      c.fabric = fabric;
      slot = std::make_unique<Made>(c);
    }
    return *slot;
  }
};

RowModel::RowModel(const spec::Gpu& gpu) : clusters_(std::make_unique<Clusters>()) {
  clusters_->gpu = gpu;
  clusters_->fabric = spec::load_fabric("ib-rail");
}
RowModel::~RowModel() = default;

namespace {
double collective(const Topology& topology, const CollectiveRow& call, const NetworkCalibration& calibration) {
  std::vector<GpuId> members;
  for (int g = 0; g < call.gpus; ++g) members.push_back(GpuId{std::uint32_t(g)});
  if (call.mode != CallMode::library)
    return seconds(engine_all_reduce(topology, calibration, call.engine, members, call.bytes).time);
  const auto algorithm =
      call.what == Collective::all_reduce && !call.in_switch ? CollectiveAlgorithm::ring : CollectiveAlgorithm::best;
  return seconds(collective_time(topology, calibration, call.what, algorithm, members, call.bytes));
}

double exchange_of(const ExchangeGroup& group, const ExchangeRow& e, const NetworkCalibration& calibration) {
  if (e.notify) {
    const bool dispatch = e.spec.direction == ExchangeDirection::dispatch;
    return seconds((dispatch ? calibration.normal_dispatch : calibration.normal_combine).notify);
  }
  const auto n = std::size_t(group.gpus()), nodes = std::size_t(group.nodes());
  exchange::ExchangeSums sums;
  sums.tokens = double(e.tokens) * double(n);
  sums.slot_rows.assign(std::size_t(e.experts), sums.tokens * e.top_k / e.experts);
  sums.gpu_rows.assign(n, double(e.tokens) * e.top_k);
  sums.fan_out.gpu_reach.assign(n, reach(e.experts, double(e.experts) / double(n), e.top_k));
  sums.fan_out.node_reach.assign(nodes, reach(e.experts, double(e.experts) / double(nodes), e.top_k));
  std::vector<Time> arrival(n);
  NetworkCalibration apart = calibration;  // the kernel before it has rows of its own
  apart.normal_dispatch.notify = apart.normal_combine.notify = {};
  ExchangeTimes(group, apart, e.spec)(sums, arrival);
  return seconds(arrival[0]);
}
}  // namespace

double RowModel::operator()(const NetworkRow& row, const NetworkCalibration& calibration) const {
  if (const auto* c = std::get_if<CollectiveRow>(&row.call))
    return collective(clusters_->of(1).topology, *c, calibration);
  const ExchangeRow& e = std::get<ExchangeRow>(row.call);
  return exchange_of(clusters_->of(e.nodes).group, e, calibration);
}

std::vector<double> predicted_in_force(const std::vector<NetworkRow>& rows) {
  std::map<std::string, std::pair<std::unique_ptr<RowModel>, NetworkCalibration>> in_force;
  std::vector<double> out;
  for (const NetworkRow& row : rows) {
    auto& [model, calibration] = in_force[row.gpu];
    if (!model) {
      const spec::Gpu gpu = spec::load_gpu(row.gpu);
      model = std::make_unique<RowModel>(gpu);
      calibration = network_calibration_for("auto", gpu);
    }
    out.push_back((*model)(row, calibration));
  }
  return out;
}
}  // namespace moesim::network
