#include "passes/pass_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "compute/kernels/provenance.h"
#include "network/network_report.h"
#include "routing/load_shape.h"

namespace moesim::passes {
namespace {
double mean_over_gpus(const GroupRun& run, Time GpuTime::*part) {
  Time sum{};
  for (const GpuTime& g : run.gpus()) sum += g.*part;
  return seconds(sum) / double(run.gpus().size());
}
}  // namespace

void PassReport::placement(const std::vector<exchange::ExpertMap>& maps) {
  const std::vector<int> layers = model_.moe_layers();
  for (std::size_t i = 0; i < maps.size(); ++i)
    for (int slot = 0; slot < maps[i].slots(); ++slot)
      results_.add(results::Table::placement,
                   {layers[i], slot, maps[i].gpu_of(slot), maps[i].slot_to_expert[std::size_t(slot)]});
}

void PassReport::memory(const std::string& phase, const compute::MemoryUse& use) {
  for (const compute::MemoryItem& item : use.items)
    results_.add(results::Table::memory, {"phase:" + phase, item.name, item.bytes});
  peak_ = std::max(peak_, use.total());
}

void PassReport::phase(const GroupRun::Phase& phase, const GroupRun& run) {
  const Balance b = balance(phase, run);
  metrics(phase, run, b);
  layer_metrics(phase, run);
  for (const GroupRun::Step& s : run.steps())
    results_.add(results::Table::step,
                 {step_++, 0, phase.name, s.start, s.end, phase.batch.prefill.sequences + phase.batch.decode.sequences,
                  phase.batch.tokens * group_.gpus(), s.balancedness});
  const std::vector<int> layers = model_.moe_layers();
  const std::size_t experts = model_.moe ? std::size_t(model_.moe->experts) : 0;
  for (std::size_t i = 0; i < run.expert_tokens().size(); ++i)
    results_.add(results::Table::expert_load,
                 {layers[i / experts], phase.name, i % experts, double(run.expert_tokens()[i])});
  for (std::size_t g = 0; g < gpus_.size(); ++g) {
    gpus_[g].busy += run.gpus()[g].busy;
    gpus_[g].exposed += run.gpus()[g].exposed;
    gpus_[g].straggling += run.gpus()[g].straggling;
    gpus_[g].exchanging += run.gpus()[g].exchanging;
    gpus_[g].expert_rows += run.gpus()[g].expert_rows;
  }
  balances_.emplace_back(phase.name, b);
  nodes_per_token_.push_back(run.nodes_per_token());
}

PassReport::Balance PassReport::balance(const GroupRun::Phase& phase, const GroupRun& run) {
  Balance out{1, 0, 1, 0};
  if (!model_.moe) return out;
  out = {};
  const std::vector<int> layers = model_.moe_layers();
  const double n = double(layers.size());
  const std::size_t experts = std::size_t(model_.moe->experts);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerTime& t = run.layers()[std::size_t(layers[i])];
    out.balancedness += t.balancedness / double(phase.steps) / n;
    out.imbalance += t.imbalance / double(phase.steps) / n;
    const auto first = run.expert_tokens().begin() + std::ptrdiff_t(i * experts);
    const std::vector<double> load(first, first + std::ptrdiff_t(experts));
    out.max_over_mean += routing::max_over_mean(load) / n;
    out.gini += routing::gini(load) / n;
  }
  return out;
}

void PassReport::metrics(const GroupRun::Phase& phase, const GroupRun& run, const Balance& b) {
  const std::string scope = "phase:" + phase.name;
  const Time whole = run.steps().back().end - run.steps().front().start;
  const double step = seconds(whole) / double(phase.steps);
  const double gpus = double(group_.gpus());
  const auto metric = [&](std::string_view name, double value, std::string_view unit) {
    results_.metric(name, value, unit, scope);
  };
  metric("step_time", step, "s");
  metric("layer_time", step / double(model_.layers), "s");
  metric("tokens_per_gpu_second", double(phase.batch.tokens) / step, "tokens/s");
  metric("compute_time", mean_over_gpus(run, &GpuTime::busy) / double(phase.steps), "s");
  metric("exchange_time", mean_over_gpus(run, &GpuTime::exchanging) / double(phase.steps), "s");
  metric("exposed_communication_time", mean_over_gpus(run, &GpuTime::exposed) / double(phase.steps), "s");
  metric("straggler_time", mean_over_gpus(run, &GpuTime::straggling) / double(phase.steps), "s");
  metric("exposed_communication_share", mean_over_gpus(run, &GpuTime::exposed) / seconds(whole), "");
  metric("straggler_share", mean_over_gpus(run, &GpuTime::straggling) / seconds(whole), "");
  if (model_.moe) {
    metric("balancedness", b.balancedness, "");
    metric("imbalance", b.imbalance, "");
    metric("expert_load_max_over_mean", b.max_over_mean, "");
    metric("expert_load_gini", b.gini, "");
    metric("nodes_per_token", run.nodes_per_token(), "");
  }
  const double nodes = gpus / double(cluster_.node.gpus);
  if (phase.name == "decode") {
    results_.metric("step_time_mean", step, "s");
    results_.metric("output_tokens_per_gpu_second", double(phase.batch.decode.sequences) / step, "tokens/s");
    results_.metric("output_tokens_per_node_second", double(phase.batch.decode.sequences) * gpus / nodes / step,
                    "tokens/s");
  } else {
    results_.metric("input_tokens_per_gpu_second", double(phase.batch.tokens) / step, "tokens/s");
    results_.metric("input_tokens_per_node_second", double(phase.batch.tokens) * gpus / nodes / step, "tokens/s");
  }
}

void PassReport::layer_metrics(const GroupRun::Phase& phase, const GroupRun& run) {
  const double steps = double(phase.steps);
  for (int layer = 0; layer < model_.layers; ++layer) {
    const LayerTime& t = run.layers()[std::size_t(layer)];
    const std::string scope = fmt::format("layer:{}", layer);
    const auto metric = [&](std::string_view name, double value, std::string_view unit) {
      results_.metric(fmt::format("{}_{}", phase.name, name), value, unit, scope);
    };
    metric("attention_time", seconds(t.attention) / steps, "s");
    metric("shared_time", seconds(t.shared) / steps, "s");
    if (!model_.is_moe_layer(layer)) continue;
    metric("experts_time", seconds(t.experts) / steps, "s");
    metric("slowest_experts_time", seconds(t.slowest_experts) / steps, "s");
    metric("exchange_time", seconds(t.exchange) / steps, "s");
    metric("balancedness", t.balancedness / steps, "");
  }
}

void PassReport::whole(network::Network& network, const compute::KernelCosts& costs) {
  if (model_.moe) {
    Balance mean;
    double nodes = 0;
    const double n = double(balances_.size());
    for (std::size_t i = 0; i < balances_.size(); ++i) {
      const Balance& b = balances_[i].second;
      mean.balancedness += b.balancedness / n;
      mean.imbalance += b.imbalance / n;
      mean.max_over_mean += b.max_over_mean / n;
      mean.gini += b.gini / n;
      nodes += nodes_per_token_[i] / n;
    }
    results_.metric("balancedness", mean.balancedness, "");
    results_.metric("imbalance", mean.imbalance, "");
    results_.metric("expert_load_max_over_mean", mean.max_over_mean, "");
    results_.metric("expert_load_gini", mean.gini, "");
    results_.metric("nodes_per_token", nodes, "");
  }
  results_.metric("peak_memory", double(peak_.v), "B");
  compute::write_provenance(results_, costs.summary());

  for (std::size_t g = 0; g < gpus_.size(); ++g) {
    const GpuTime& t = gpus_[g];
    const GpuId gpu = group_.gpu(int(g));
    results_.add(results::Table::gpu,
                 {index(gpu), index(network.topology().node_of(gpu)), results::Results::null(), t.busy, t.exchanging,
                  t.exposed, t.straggling, t.straggling, t.expert_rows, peak_});
  }
  network::write_network(results_, network);
}
}  // namespace moesim::passes
