#include "placing/place_times.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "exchange/copy_shares.h"
#include "exchange/exchanger.h"
#include "forward/precision.h"
#include "network/exchanges/exchange.h"

namespace moesim::placing {

forward::StepSetup place_setup(const spec::Model& model, const spec::Gpu& gpu, compute::StepPhase phase) {
  return forward::set_up(
      {.model = model, .gpu = gpu, .phase = phase, .precision = forward::choose_precision({}, model, gpu, phase)});
}

struct PlaceTimes::State {
  State(const PlaceOptions& o, const Workload& w, const routing::GateShape& r, compute::StepPhase p,
        compute::KernelCosts* shared)
      : workload(w),
        gate(r),
        model(*o.model),
        replica_choice(o.replica_choice),
        tokens(p == compute::StepPhase::prefill ? o.prefill_tokens : o.decode_tokens),
        shape{o.problem.gpus, o.problem.gpus_per_node()},
        kernels(shared ? nullptr : place_kernels(o)),
        own(shared ? nullptr : std::make_unique<compute::KernelCosts>(*kernels)),
        costs(shared ? *shared : *own),
        topology(*o.cluster),
        group(topology, GpuId(0), o.problem.gpus),
        calibration(network::network_calibration_for("auto", o.cluster->node.gpu)),
        setup(place_setup(model, o.cluster->node.gpu, p)),
        dispatch(group, calibration, setup.dispatch),
        combine(group, calibration, setup.combine) {
    if (p == compute::StepPhase::prefill) {
      const std::int64_t sequence = std::min(o.context, tokens);
      batch.outputs = tokens / sequence;
      compute::add_prefill(batch, model, sequence, 0, batch.outputs);
    } else {
      batch.outputs = tokens;
      compute::add_decode(batch, model, o.context, 1, tokens);
    }
  }

  Time part_time(int layer, compute::LayerPart part, std::span<const std::int64_t> held = {}) {
    operations.clear();
    compute::append_operations(operations, model, layer, part, compute::Pass::forward, batch, held, setup.options);
    return compute::total_time(operations, costs);
  }

  /// A step's tokens of one layer, from the trace.
  void draw(std::size_t row) {
    const std::int64_t all = workload.range.end - workload.range.first, wanted = tokens * shape.gpus;
    traffic.sources = shape.gpus;
    traffic.tokens.assign(std::size_t(shape.gpus), std::int32_t(tokens));
    workload.trace->read_experts(workload.trace->ordinal(workload.loads.layers[row]), workload.range.first,
                                 std::min(all, wanted), block);
    traffic.choices.clear();
    const std::size_t need = std::size_t(wanted) * std::size_t(gate.top_k);
    while (traffic.choices.size() < need)
      traffic.choices.insert(traffic.choices.end(), block.begin(),
                             block.begin() + std::ptrdiff_t(std::min(block.size(), need - traffic.choices.size())));
    routing::count_rows(gate, traffic);
  }

  Time layer(std::size_t row, const exchange::ExpertMap& map);

  const Workload& workload;
  routing::GateShape gate;
  const spec::Model& model;
  exchange::ReplicaSpec replica_choice;
  std::int64_t tokens;  // a GPU
  spec::GroupShape shape;
  std::unique_ptr<compute::KernelModel> kernels;
  std::unique_ptr<compute::KernelCosts> own;
  compute::KernelCosts& costs;
  network::Topology topology;
  network::ExchangeGroup group;
  network::NetworkCalibration calibration;
  forward::StepSetup setup;
  network::ExchangeTimes dispatch, combine;
  compute::Batch batch;
  std::vector<compute::Operation> operations;
  std::vector<std::int16_t> block;
  routing::Traffic traffic;
  std::size_t drawn = SIZE_MAX;  // row that `traffic` holds
  exchange::ExchangeLoad load;
  exchange::ExchangeSums sums;
  std::vector<Time> ready, arrival;
  std::vector<std::int64_t> rows;  // of the experts on one GPU
  std::vector<double> expected;    // rows of each expert
};

Time PlaceTimes::State::layer(std::size_t row, const exchange::ExpertMap& map) {
  const auto gpus = std::size_t(shape.gpus);
  ready.assign(gpus, Time{});
  arrival.assign(gpus, Time{});
  const double all = double(tokens) * shape.gpus;
  if (workload.trace) {
    if (drawn != row) draw(row);
    drawn = row;
    exchange::Exchanger(map, shape, replica_choice.make(map, shape))(traffic, load);
    dispatch(load, ready, arrival);
  } else {
    expected.assign(workload.loads.row(row).begin(), workload.loads.row(row).end());
    const double total = std::accumulate(expected.begin(), expected.end(), 0.0);
    for (double& r : expected) r *= all * gate.top_k / total;
    if (replica_choice.balanced())
      exchange::balanced_exchange_sums(expected, all, gate, map, shape, sums);
    else
      exchange::exchange_sums(expected, all, gate, map, exchange::copy_table(map), shape, sums);
    dispatch(sums, arrival);
  }
  for (Time& t : arrival) t += replica_choice.solve_time(exchange::has_copies(map));
  const auto width = std::size_t(map.slots_per_gpu);
  for (std::size_t g = 0; g < gpus; ++g) {
    rows.clear();
    for (std::size_t s = g * width; s < (g + 1) * width; ++s)
      if (map.slot_to_expert[s] >= 0)
        rows.push_back(workload.trace ? load.slot_rows[s] : std::llround(sums.slot_rows[s]));
    const bool idle = std::ranges::all_of(rows, [](std::int64_t r) { return r == 0; });
    ready[g] = arrival[g] + (idle ? Time{} : part_time(workload.loads.layers[row], compute::LayerPart::experts, rows));
  }
  if (workload.trace) {
    combine(load, ready, arrival);
    return std::ranges::max(arrival);
  }
  combine(sums, arrival);
  return std::ranges::max(ready) + std::ranges::max(arrival);
}

std::unique_ptr<compute::KernelModel> place_kernels(const PlaceOptions& o) {
  return compute::make_kernel_model(Config::from_text("{}", "place"), o.cluster->node.gpu);
}

PlaceTimes::PlaceTimes(const PlaceOptions& o, const Workload& w, const routing::GateShape& gate,
                       compute::StepPhase phase, compute::KernelCosts* costs) {
  if (o.cluster->node.gpus != o.problem.gpus_per_node() && o.problem.nodes > 1)
    throw ConfigError(fmt::format("the cluster's nodes have {} GPUs, but {} GPUs on {} nodes were asked for",
                                  o.cluster->node.gpus, o.problem.gpus, o.problem.nodes));
  if (o.cluster->gpus() < o.problem.gpus)
    throw ConfigError(fmt::format("the cluster has {} GPUs, fewer than {}", o.cluster->gpus(), o.problem.gpus));
  s_ = std::make_unique<State>(o, w, gate, phase, costs);
}
PlaceTimes::~PlaceTimes() = default;

Time PlaceTimes::layer(std::size_t row, const exchange::ExpertMap& map) { return s_->layer(row, map); }

PhaseTime PlaceTimes::operator()(std::span<const exchange::ExpertMap> maps) {
  PhaseTime out;
  for (std::size_t row = 0; row < maps.size(); ++row) out.layer += layer(row, maps[row]);
  out.step = out.layer + s_->part_time(0, compute::LayerPart::embedding) + s_->part_time(0, compute::LayerPart::head);
  for (int l = 0; l < s_->model.layers; ++l)
    for (const compute::LayerPart part : compute::parts_of(s_->model, l))
      if (part != compute::LayerPart::experts) out.step += s_->part_time(l, part);
  out.layer = out.layer / std::int64_t(maps.size());
  return out;
}
}  // namespace moesim::placing
