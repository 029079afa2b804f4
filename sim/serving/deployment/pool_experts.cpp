#include "serving/deployment/pool_experts.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "formats/json.h"
#include "placement/from_trace.h"
#include "placement/section.h"
#include "placement/sharing_note.h"
#include "routing/default_law.h"
#include "routing/request_routing.h"
#include "routing/token_tables.h"
#include "serving/traces/workloads.h"

namespace moesim::serving {
namespace {
/// The phase that the pool's experts are placed for: its own; where it does both, that of most of its tokens.
routing::TracePhase main_phase(const results::StudyRun& run, const BuiltPool& pool) {
  using enum routing::TracePhase;
  if (pool.section.role != Role::both) return pool.section.role == Role::prefill ? prefill : decode;
  constexpr int kLook = 1000;  // requests that stand for all
  const auto workload = workloads().make(run.scenario.at("serving").at("workload"), {.seed = run.seed});
  std::int64_t prompts = 0, decoded = 0;
  for (int i = 0; i < kLook; ++i) {
    const std::optional<Request> request = workload->next();
    if (!request) break;
    prompts += request->input;
    decoded += request->output - 1;  // the prompt's pass makes the first token
  }
  return decoded > prompts ? decode : prefill;
}
/// The routing of that phase, of the first domain.
const routing::TrafficSource& main_source(const results::StudyRun& run, const BuiltPool& pool) {
  return *pool.sources[main_phase(run, pool) == routing::TracePhase::prefill ? 0 : 1];
}

bool same_file(const std::string& file, const routing::RequestRouting& own) {
  std::error_code unknown;
  return !file.empty() && std::filesystem::equivalent(file, own.file(), unknown);
}
/// The section replays the requests' own trace.
bool replays(const Config& routing, const routing::RequestRouting& own) {
  std::string file = routing::trace_file(routing);
  if (routing.is_map() && routing.has("kind") && routing.at("kind").text() == "trace" && routing.has("file"))
    file = read<DataFile>(routing.at("file")).path;
  return same_file(file, own);
}

/// The section that says how requests of a domain route; where their own routing is all that is given, their trace.
Config routing_of(const Config& scenario, const Deployment& d, std::size_t domain) {
  if (!d.section.domains.empty()) return d.section.domains[domain];
  const auto own = d.workload->own_routing();
  if (!own) return routing::routing_or_default(scenario, d.model);
  if (!scenario.has("routing")) return Config::from_option("routing", "trace: " + formats::json_text(own->file(), -1));
  const Config given = scenario.at("routing");
  if (const auto tables = routing::token_tables(given, {})) {
    if (!same_file(tables->tokens, *own) || (tables->rest && !replays(*tables->rest, *own)))
      given.fail(
          "the workload's requests have their own token ids and routing: name their trace as tokens and in others: "
          "{trace: FILE}, or set serving.workload.own_routing: false");
  } else if (!replays(given, *own)) {
    given.fail(
        "the workload's requests have their own routing: name the same trace here or leave this out, or set "
        "serving.workload.own_routing: false");
  }
  return given;
}

/// Sources of routing, prefill and decode of each domain, and the experts' places, planned on the pool's own.
/// How copies share rows goes into `setup`.
void place_experts(results::StudyRun& run, const Config& config, const Deployment& d, BuiltPool& pool, int gpus,
                   ExpertBank::Setup& setup) {
  const spec::GroupShape shape{gpus, std::min(gpus, pool.node.gpus)};
  const spec::MoeShape& moe = *d.model.moe;
  const routing::GateShape gate = routing::gate_shape(moe);
  const std::size_t domains = std::max<std::size_t>(1, d.section.domains.size());
  const auto own = d.workload->own_routing();
  for (std::size_t i = 0; i < domains; ++i)
    for (const routing::TracePhase phase : {routing::TracePhase::prefill, routing::TracePhase::decode}) {
      const bool there = !own || own->has(phase);  // a phase that none of the requests has is never computed
      pool.sources.push_back(routing::make_traffic(
          routing_of(run.scenario, d, i), {gate, shape, run.seed, there ? std::optional(phase) : std::nullopt}));
    }
  if (own && d.section.domains.empty() && run.scenario.has("routing"))
    if (const auto tables = routing::token_tables(run.scenario.at("routing"), {gate, shape, run.seed, std::nullopt}))
      run.scenario.at("routing").placed([&] { own->look_up(tables->layers, tables->ids, tables->table); });
  const Config& placed = config.has("placement") ? config : run.scenario;
  const Config routing = routing_of(run.scenario, d, 0);
  const placement::ServedRouting served{
      &main_source(run, pool), routing, {gate, shape, run.seed, main_phase(run, pool)}};
  pool.maps = placement::read_placement(placed, d.model, shape, served).maps;
  placement::write_planned_on(run.results, "pool:" + pool.section.name, placed, served);
  // Rebalancing may fill spare slots with copies.
  const bool rebalances = d.section.rebalance.spec.interval.v > 0 && pool.maps.front().slots() > moe.experts;
  const exchange::ReplicaSpec choice = placement::read_replica_choice(placed);
  const bool copies = rebalances || std::ranges::any_of(pool.maps, exchange::has_copies);
  setup.level_copies = choice.levels_sums("serving", copies);
  setup.solve_time = choice.solve_time(setup.level_copies);
  placement::write_sharing(run.results, "pool:" + pool.section.name, choice, copies);
  const placement::PlannedShares shares =
      placement::read_planned_shares(placed, d.model, shape, served, pool.maps, rebalances);
  placement::write_sharing(run.results, "pool:" + pool.section.name, shares);
  setup.copy_shares = shares.slots;
  pool.slots_per_gpu = pool.maps.front().slots_per_gpu;
}
}  // namespace

ExpertBank::Setup set_up_experts(results::StudyRun& run, const Config& config, const Deployment& d, BuiltPool& pool,
                                 const forward::StepSetup& setup) {
  const PoolSection& s = pool.section;
  const int gpus = s.parallel.experts_tensor ? 1 : s.parallel.stage_gpus();
  ExpertBank::Setup out;
  place_experts(run, config, d, pool, gpus, out);
  out.model = &d.model;
  out.kernels = pool.kernels.get();
  out.options = setup.options;
  out.options.local_rows = gpus == 1 || setup.options.local_rows;
  out.any_layout = setup.any_layout;
  out.gpus = gpus;
  out.gpus_per_node = pool.node.gpus;
  out.calibration = d.calibration;
  out.dispatch = setup.dispatch;
  out.combine = setup.combine;
  out.layers = d.model.moe_layers();
  out.maps = pool.maps;
  for (const auto& source : pool.sources) out.sources.push_back(source.get());
  out.own_routing = d.workload->own_routing();
  if (out.own_routing && s.bank.every > 1)
    config.at("bank").fail_below("every", "requests have their own routing in every layer: leave it at 1");
  out.settings = s.bank;
  out.seed = run.seed;
  out.draws = d.shared.draws;
  if (const auto at = d.shared.products.find(s.name); at != d.shared.products.end()) out.products = at->second;
  if (gpus > 1) {
    const network::Topology& topology = pool.topology ? *pool.topology : d.network->topology();
    if (const int node = topology.gpus_per_node(); gpus > node && gpus % node != 0)
      config.fail_below("parallel", fmt::format("the {} GPUs that exchange rows do not fill nodes of {}", gpus, node));
    pool.group = std::make_unique<network::ExchangeGroup>(topology, GpuId{0}, gpus);
    out.group = pool.group.get();
  }
  out.share = setup.beside;
  return out;
}

namespace {
/// What decides at an interval: the key `trigger`, or `below` for short.
std::function<std::unique_ptr<placement::RebalanceTrigger>()> trigger_of(const Config& rebalance, double below) {
  if (rebalance.has("trigger") && rebalance.has("below"))
    rebalance.at("below").fail("is a threshold trigger for short: give one of the two");
  if (below >= 1) return [rebalance] { return placement::read_trigger(rebalance); };
  if (below <= 0) return [] { return placement::rebalance_triggers().of_kind("never"); };
  return [kind = Config::from_option("below", fmt::format("{{kind: threshold, below: {}}}", below))] {
    return placement::rebalance_triggers().make(kind);
  };
}
}  // namespace

void set_up_rebalancing(const results::StudyRun& run, const Deployment& d, const BuiltPool& pool,
                        LayeredCost::Setup& cost) {
  const RebalanceSection& section = d.section.rebalance;
  if (section.spec.interval.v <= 0) return;
  const Config rebalance = run.scenario.at("serving").at("rebalance");
  if (pool.section.bank.every > 1) rebalance.fail("every layer has a plan of its own: leave bank.every at 1");
  if (section.spec.window < 1) rebalance.fail_below("window", "must be at least 1");
  const Config policy = rebalance.at_or_empty("policy");
  const spec::MoeShape& moe = *d.model.moe;
  Rebalancing::Setup out;
  out.spec = section.spec;
  out.trigger = trigger_of(rebalance, section.spec.below);
  out.policy = [policy, kind = section.policy] {
    return policy.placed([&] { return placement::placements().of_kind(kind); });
  };
  out.problem.gpus = cost.experts->gpus;
  out.problem.nodes = std::max(1, cost.experts->gpus / pool.node.gpus);
  out.problem.slots = pool.maps.front().slots();
  out.problem.groups = moe.groups;
  const std::vector<int> layers = d.model.moe_layers();
  if (auto sample = placement::sample_of_source(main_source(run, pool), layers, moe.rows_a_token()))
    out.sample = std::make_shared<const placement::RoutingSample>(std::move(*sample));
  // What is wrong is found now.
  out.trigger();
  policy.placed([&] { placement::try_out(*out.policy(), out.problem, layers, moe.experts, out.sample.get()); });
  cost.rebalancing = std::move(out);
}
}  // namespace moesim::serving
