#include "passes/passes.h"

#include <fmt/format.h>

#include <algorithm>

#include "compute/layers/memory.h"
#include "core/check.h"
#include "forward/precision.h"
#include "network/exchanges/exchange_buffers.h"
#include "network/network.h"
#include "passes/group_run.h"
#include "passes/pass_report.h"
#include "placement/routing_section.h"
#include "placement/section.h"
#include "placement/sharing_note.h"
#include "spec/catalogue.h"

namespace moesim::passes {
namespace {

void check_shape(const Config& config, const PassesShape& shape, const spec::Model& model, const spec::Cluster& cluster,
                 bool placed) {
  const Config group = config.at_or_empty("expert_parallel");
  const int gpus = shape.expert_parallel;
  if (gpus < 1 || gpus > cluster.gpus())
    group.fail(fmt::format("expected 1 to the cluster's {} GPUs, got {}", cluster.gpus(), gpus));
  if (gpus > cluster.node.gpus && gpus % cluster.node.gpus != 0)
    group.fail(fmt::format("a group over several nodes takes whole nodes of {} GPUs, got {}", cluster.node.gpus, gpus));
  if (model.moe && model.moe->experts % gpus != 0 && !placed)
    group.fail(fmt::format("must divide the {} experts of {}, got {}; or give a placement with more slots",
                           model.moe->experts, model.name, gpus));
  forward::check_precision(config,
                           setup_of(shape, compute::StepPhase::prefill, model, cluster.node.gpu).options.precision,
                           cluster.node.gpu);
  forward::check_indexer(config, model, cluster.node.gpu);
  for (const auto& [name, phase] : {std::pair("prefill", shape.prefill), std::pair("decode", shape.decode)}) {
    const Config here = config.at_or_empty(name);
    if (phase.steps < 0 || phase.steps > 100'000)
      here.fail_below("steps", fmt::format("expected 0 to 100,000, got {}", phase.steps));
    if (phase.sequences < 1) here.fail_below("sequences", fmt::format("must be at least 1, got {}", phase.sequences));
    if (phase.new_tokens < 1)
      here.fail_below("new_tokens", fmt::format("must be at least 1, got {}", phase.new_tokens));
    if (phase.context < 0) here.fail_below("context", fmt::format("must be at least 0, got {}", phase.context));
    if (std::int64_t{phase.context} + phase.new_tokens > model.max_positions)
      here.fail(fmt::format("context + new_tokens = {} exceeds the {} positions of {}",
                            std::int64_t{phase.context} + phase.new_tokens, model.max_positions, model.name));
    if (std::int64_t{phase.sequences} * phase.new_tokens > 4'000'000)
      here.fail("more than 4,000,000 tokens a GPU and pass");
    if (phase.exchange_sms < 0 || phase.exchange_sms >= cluster.node.gpu.sms)
      here.fail_below("exchange_sms",
                      fmt::format("expected 0 to {}, got {}", cluster.node.gpu.sms - 1, phase.exchange_sms));
  }
  if (shape.prefill.steps + shape.decode.steps == 0)
    config.fail("both prefill and decode have 0 steps: there is nothing to run");
}

GroupRun::Phase make_phase(compute::StepPhase kind, const PassesShape& passes, const spec::Model& model,
                           const spec::Gpu& gpu) {
  const PhaseShape& shape = passes.of(kind);
  GroupRun::Phase phase;
  phase.name = name_of(kind);
  phase.steps = shape.steps;
  if (kind == compute::StepPhase::decode)
    compute::add_decode(phase.batch, model, shape.context, shape.new_tokens, shape.sequences);
  else
    compute::add_prefill(phase.batch, model, shape.new_tokens, shape.context, shape.sequences);
  phase.setup = setup_of(passes, kind, model, gpu);
  return phase;
}

/// What one GPU holds, checked against its memory.
compute::MemoryUse memory_use(const Config& config, const spec::Model& model, const GroupRun::Phase& phase,
                              const PhaseShape& phase_shape, const spec::Cluster& cluster, int gpus, int slots) {
  compute::HeldLayers held;
  for (int layer = 0; layer < model.layers; ++layer) held.layers.push_back(layer);
  held.embedding = held.head = true;
  held.experts = slots;
  const compute::CachedTokens cached =
      compute::cached_tokens(model, phase_shape.sequences, std::int64_t{phase_shape.context} + phase_shape.new_tokens);
  const std::int64_t rows = model.moe ? phase.batch.tokens * model.moe->rows_a_token() : 0;
  const Bytes buffers = network::exchange_buffers(phase.setup.dispatch, phase.setup.combine,
                                                  {.gpus = gpus,
                                                   .per_node = std::min(gpus, cluster.node.gpus),
                                                   .hidden = model.row_width(),
                                                   .experts = slots * gpus,
                                                   .tokens = phase.batch.tokens,
                                                   .sent = rows,
                                                   .arrived = rows});
  const compute::MemoryUse use =
      compute::serving_memory(model, held, cached, phase.batch, rows, phase.setup.options, buffers);
  if (use.total() > cluster.node.gpu.usable())
    config.fail(fmt::format(
        "{}: a GPU needs {:.1f} GB ({}), but {} has {:.1f} GB; use more GPUs (expert_parallel), fewer sequences or a "
        "shorter context",
        phase.name, double(use.total().v) * 1e-9, compute::largest_items(use.items, 2), cluster.node.gpu.name,
        double(cluster.node.gpu.usable().v) * 1e-9));
  return use;
}
}  // namespace

PassesInput read_input(const Config& scenario) {
  const Config config = scenario.at("passes");
  PassesInput in{spec::read_model(scenario.at("model")), {}, {}};
  if (!in.model.can_run())
    scenario.at("model").fail(fmt::format("{} cannot be simulated: {}", in.model.name, in.model.obstacle()));
  in.cluster = spec::read_cluster(scenario.at("cluster"));
  in.shape = read<PassesShape>(config);
  for (const auto& [name, phase] : {std::pair("prefill", &in.shape.prefill), std::pair("decode", &in.shape.decode)})
    phase->chosen = network::read_exchange(config.at_or_empty(name), "exchange_sms", in.cluster.node.gpu.sms);
  if (in.shape.expert_parallel == 0) in.shape.expert_parallel = in.cluster.gpus();
  check_shape(config, in.shape, in.model, in.cluster, scenario.has("placement"));
  return in;
}

forward::StepSetup setup_of(const PassesShape& shape, compute::StepPhase phase, const spec::Model& model,
                            const spec::Gpu& gpu) {
  const PhaseShape& of = shape.of(phase);
  return forward::set_up({.model = model,
                          .gpu = gpu,
                          .phase = phase,
                          .precision = forward::choose_precision(shape.precision, model, gpu, phase),
                          .exchange = of.chosen,
                          .exchange_sms = of.exchange_sms,
                          .exchanges = shape.expert_parallel > 1,
                          .overlapped = model.moe.has_value()});
}

void check_passes(const Config& scenario) { (void)read_input(scenario); }

results::StudyEnd run_passes(results::StudyRun& run) {
  const Config config = run.scenario.at("passes");
  const auto [model, cluster, shape] = read_input(run.scenario);

  Engine engine;
  const auto network = network::make_network(run.scenario, engine, cluster);
  const network::ExchangeGroup group = run.scenario.at_or_empty("network").placed(
      [&, gpus = shape.expert_parallel] { return network::ExchangeGroup(network->topology(), GpuId{0}, gpus); });
  const spec::GroupShape group_shape = group.shape();
  const auto kernels = compute::make_kernel_model(run.scenario, cluster.node.gpu);
  compute::KernelCosts costs(*kernels);
  const placement::RoutingSection routing = placement::read_routing(run, model);
  std::optional<routing::TracePhase> only;  // the phase that is computed, if it is one
  if (shape.prefill.steps == 0) only = routing::TracePhase::decode;
  if (shape.decode.steps == 0) only = routing::TracePhase::prefill;
  const std::vector<exchange::ExpertMap> placement = routing.placement(run.scenario, model, group_shape, only).maps;
  placement::PlannedShares shares;
  placement::write_default_routing(run.results, "run", run.scenario, model);
  if (model.moe) {
    const auto source = routing.traffic(group_shape, only);
    const placement::ServedRouting served{source.get(), routing.config, {routing.gate, group_shape, run.seed, only}};
    placement::write_planned_on(run.results, "run", run.scenario, served);
    shares = placement::read_planned_shares(run.scenario, model, group_shape, served, placement);
    placement::write_sharing(run.results, "run", shares);
  }
  const exchange::ReplicaSpec replica_choice = placement::read_replica_choice(run.scenario);

  const std::vector<double> speeds =
      spec::gpu_speeds(config.at_or_empty("slow_gpus"), shape.slow_gpus, shape.expert_parallel);

  run.results.metric("cost_per_hour", shape.expert_parallel * cluster.node.gpu.price.v, "USD");
  PassReport report(run.results, model, cluster, group);
  report.placement(placement);
  results::StudyEnd end;
  for (const compute::StepPhase kind : {compute::StepPhase::prefill, compute::StepPhase::decode}) {
    if (shape.of(kind).steps == 0) continue;
    GroupRun::Phase phase = make_phase(kind, shape, model, cluster.node.gpu);
    forward::write_assumptions(run.results, "phase:" + phase.name, setup_of(shape, kind, model, cluster.node.gpu));
    placement::write_sharing(run.results, "phase:" + phase.name, replica_choice,
                             std::ranges::any_of(placement, exchange::has_copies));
    const int slots = placement.empty() ? 0 : placement.front().slots_per_gpu;
    report.memory(phase.name, memory_use(config, model, phase, shape.of(kind), cluster, shape.expert_parallel, slots));
    const auto traffic = routing.traffic(
        group_shape, kind == compute::StepPhase::decode ? routing::TracePhase::decode : routing::TracePhase::prefill);
    phase.traffic = traffic.get();
    GroupRun group_run({model, group, costs, *network, run.spans, placement, speeds, replica_choice, shares.slots},
                       phase);
    end.interrupted = !group_run.run();
    if (end.interrupted) break;
    report.phase(phase, group_run);
  }
  if (!end.interrupted) report.whole(*network, costs);
  end.fingerprint = engine.fingerprint();
  end.events = engine.executed();
  end.simulated_time = engine.now();
  return end;
}
}  // namespace moesim::passes
