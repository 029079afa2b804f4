#include "sizing/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/paths.h"
#include "core/yaml_line.h"
#include "runs/other_verb.h"
#include "serving/deployment/section.h"
#include "sizing/design.h"
#include "sizing/plan_checks.h"
#include "sizing/shared_sections.h"
#include "sizing/variants.h"
#include "spec/catalogue.h"

namespace moesim::sizing {
namespace {
void check_search(const Config& at, const SearchSection& s) {
  if (!(s.margin >= 0)) at.fail_below("margin", fmt::format("must not be negative, got {}", s.margin));
  if (s.keep < 1) at.fail_below("keep", fmt::format("must be at least 1, got {}", s.keep));
  if (s.seeds < 1) at.fail_below("seeds", fmt::format("must be at least 1, got {}", s.seeds));
  if (s.longest().v <= 0 || s.least > s.longest())
    at.fail_below("most", fmt::format("must be above 0 s and not below least ({}), got {}", to_text(s.least),
                                      to_text(s.longest())));
}

void check_targets(const Config& at, const Targets& t) {
  const bool any = std::ranges::any_of(t.latency, [](const auto& x) { return x.has_value(); });
  if (!any && t.share == 0)
    at.fail("expected a latency, such as ttft_p90 or tpot_p90, or a share of requests within ttft and tpot");
  if (!(t.share >= 0 && t.share <= 1)) at.fail_below("share", fmt::format("expected 0 to 1, got {}", t.share));
  if (t.share > 0 && t.ttft.v == 0 && t.tpot.v == 0 && t.e2e.v == 0)
    at.fail_below("share", "needs a latency that requests must be within: ttft, tpot or e2e");
  for (const auto& [key, time] : {std::pair("ttft", t.ttft), {"tpot", t.tpot}, {"e2e", t.e2e}})
    if (t.share == 0 && time.v != 0)
      at.fail_below(key, fmt::format("has no effect without share; {}_p90 would be a target of its own", key));
  for (std::size_t i = 0; i < kLatencies.size(); ++i)
    if (t.latency[i] && t.latency[i]->v <= 0) at.fail_below(kLatencies[i], "must be above 0 s");
  if (t.budget && !(t.budget->v > 0)) at.fail_below("budget", "must be above 0 USD/h");
  if (t.power && !(t.power->v > 0)) at.fail_below("power", "must be above 0 W");
  if (!(t.tokens_per_day >= 0))
    at.fail_below("tokens_per_day", fmt::format("must not be negative, got {}", t.tokens_per_day));
  if (t.gpus && *t.gpus < 1) at.fail_below("gpus", fmt::format("must be at least 1, got {}", *t.gpus));
}

/// Checks that this plan's answer cannot be given.
void check_required(const Config& at, const Plan& plan) {
  const std::vector<CheckKind>& required = plan.section.confirm.required;
  for (std::size_t i = 0; i < required.size(); ++i) {
    const bool experts = required[i] == CheckKind::uneven_experts || required[i] == CheckKind::drift;
    const std::string key = fmt::format("required[{}]", i);
    if (experts && !plan.model.moe)
      at.fail_below(key, fmt::format("has no effect: {} has no experts", plan.model.name));
    if (required[i] == CheckKind::bursts && !has_gaps(plan))
      at.fail_below(key, "has no effect: arrivals are not drawn from a rate");
    if (required[i] == CheckKind::seeds && plan.section.search.seeds < 2)
      at.fail_below(key, "has no effect with search.seeds 1");
    for (std::size_t k = 0; k < i; ++k)
      if (required[k] == required[i]) at.fail_below(key, fmt::format("is the same as required[{}]", k));
  }
}

/// A load of fewer tokens a day than must be served grows to as many.  Clients ask as fast as they are answered: of
/// them it is a figure of the simulation.
void raise_load(const Config& size, Plan& plan) {
  double& target = plan.section.targets.tokens_per_day;
  Load& load = plan.load;
  if (target == 0 || load.clients > 0) return;
  const double has = load.rate * (load.input + load.output) * 86400;
  load.raised = std::max(1.0, target / has);
  if (load.raised > 1e6)
    size.fail_below("targets.tokens_per_day", fmt::format("is {:.3g} times the {:.3g} of the workload: give it a rate "
                                                          "of that order",
                                                          load.raised, has));
  load.tokens_per_day = target;
  target = 0;  // the load has them
  plan.section.growth *= load.raised;
  load.rate *= load.raised;
  load.span /= load.raised;
}

TextMap lines_of(const Config& map) {
  TextMap out;
  for (const std::string& key : map.keys()) out.emplace_back(key, yaml_line(map.at(key)));
  return out;
}

std::string line_of(const Config& map, std::string_view key) { return map.has(key) ? yaml_line(map.at(key)) : ""; }

void read_texts(Plan& plan) {
  const Config &top = plan.config, size = top.at("size"), candidates = size.at("candidates");
  plan.model_named = top.at("model").is_scalar();
  plan.kv_text = line_of(candidates, "kv");
  plan.variants = read_variants(plan);
  const Config workload = size.at("workload");
  plan.workload = workload.is_map() ? lines_of(workload) : TextMap{{"kind", yaml_line(workload)}};
  for (const auto& [key, lengths] : {std::pair("input", &plan.input), {"output", &plan.output}})
    if (workload.is_map() && workload.has(key) && workload.at(key).is_map()) *lengths = lines_of(workload.at(key));
}
/// What a plan's file says.
struct PlanKeys {
  std::string title;
  Config model, routing, size, kernels, network;
  std::vector<runs::Expectation> expect;
  std::uint64_t seed = 1;
  static void fields(auto& f, auto& p) {
    f("title", p.title, "what is asked, in a line");
    f.required("model", p.model, "a name (moesim list models), a config.json, or a model written out");
    f("routing", p.routing, "which experts tokens choose: a kind (moesim list traffic); default balanced");
    f("seed", p.seed, "of all random streams");
    f.required("size", p.size, "what must hold, and what may be bought");
    f("kernels", p.kernels, "how long kernels take (moesim list kernels); default calibrated");
    f("network", p.network, "how links are shared (moesim list network); default bottleneck");
    f("expect", p.expect, "bounds on figures of the answer: gpus, cost_per_hour, run_days, ...");
  }
};
}  // namespace

PlanHead read_plan_head(const std::string& name, const std::vector<Config::Override>& overrides,
                        std::optional<std::uint64_t> seed) {
  PlanHead out;
  out.file = catalogue_file("scenarios", name, "plan");
  out.config = Config::load(out.file, overrides);
  const Config& top = out.config;
  runs::refuse_other_verb(top, "size");
  const std::vector<KeyHelp> known = plan_keys();
  top.only(names_of(known));
  if (top.has("title")) top.at("title").parse(out.title);
  if (top.has("seed")) top.at("seed").parse(out.seed);
  if (seed) out.seed = *seed;
  out.model = spec::read_model(top.at("model"));
  if (!out.model.can_run())
    top.at("model").fail(fmt::format("{} cannot be simulated: {}", out.model.name, out.model.obstacle()));
  out.model_text = line_of(top, "model");
  out.routing_text = line_of(top, "routing");
  out.kernels_text = line_of(top, "kernels");
  out.network_text = line_of(top, "network");
  out.expectations = runs::read_expectations(top);
  return out;
}

bool asks_for_training(const PlanHead& plan) {
  const Config size = plan.config.at("size");
  return size.is_map() && size.has("training");
}

Plan read_plan(const std::string& name, const std::vector<Config::Override>& overrides,
               std::optional<std::uint64_t> seed) {
  return read_plan(read_plan_head(name, overrides, seed));
}

Plan read_plan(PlanHead head) {
  Plan plan;
  static_cast<PlanHead&>(plan) = std::move(head);
  const Config& top = plan.config;
  const Config size = top.at("size");
  runs::check_expected_of("serving", top);
  size.parse(plan.section);
  if (!(plan.section.growth > 0))
    size.fail_below("growth", fmt::format("must be above 0, got {}", plan.section.growth));
  check_targets(size.at("targets"), plan.section.targets);
  check_search(size.at_or_empty("search"), plan.section.search);
  const Config candidates = size.at("candidates");
  check_candidates(candidates, plan);
  if (candidates.has("kv"))
    if (const double share = read<serving::KvSection>(candidates.at("kv")).memory_share.value_or(1);
        !(share > 0 && share <= 1))
      candidates.at("kv").fail_below("memory_share", fmt::format("expected above 0 and at most 1, got {}", share));
  for (const Config& item : plan.section.candidates.nodes) plan.nodes.push_back(read_priced_node(item));
  check_built(size, plan);
  check_shared_sections(plan, plan.nodes);
  check_different_nodes(candidates, plan.nodes);
  read_texts(plan);
  check_required(size.at_or_empty("confirm"), plan);
  plan.load = read_load(size, plan);
  raise_load(size, plan);
  return plan;
}

std::vector<KeyHelp> plan_keys() { return keys_of<PlanKeys>(); }
std::vector<KeyHelp> size_keys() { return keys_of<SizeSection>(); }
}  // namespace moesim::sizing
