// A scenario's layer: what one GPU of it computes in one step, and holds.
#include <fmt/format.h>

#include <algorithm>

#include "cli/explaining/explain_scenario.h"
#include "cli/options.h"
#include "core/ceil_div.h"
#include "passes/passes.h"
#include "placement/section.h"
#include "runs/scenario.h"
#include "spec/catalogue.h"

namespace moesim::cli {
namespace {
void read_passes(const ExplainOptions& o, const runs::Scenario& scenario, ExplainSubject& s) {
  only_step_options(o, "passes", {"--phase"});
  passes::check_passes(scenario.config);
  const passes::PassesShape shape = read<passes::PassesShape>(scenario.config.at("passes"));
  const spec::Cluster cluster = spec::read_cluster(scenario.config.at("cluster"));
  compute::ExplainRequest& r = s.request;
  r.model = spec::read_model(scenario.config.at("model"));
  if (!o.phase.empty() && o.phase != "prefill" && o.phase != "decode")
    throw ConfigError::placed(fmt::format("--phase: expected prefill or decode, got \"{}\"", o.phase));
  const bool decode = o.phase.empty() ? shape.prefill.steps == 0 : o.phase == "decode";
  r.phase = decode ? compute::StepPhase::decode : compute::StepPhase::prefill;
  const passes::PhaseShape& phase = shape.of(r.phase);
  r.sequences = phase.sequences, r.tokens = phase.new_tokens, r.context = phase.context;
  const int gpus = shape.expert_parallel > 0 ? shape.expert_parallel : cluster.gpus();
  r.expert_parallel = r.model.moe ? gpus : 1;
  r.slots = slots_of(scenario.config, r.model, gpus);
  s.gpu = cluster.node.gpu;
  const forward::StepSetup setup = passes::setup_of(shape, r.phase, r.model, s.gpu);
  take_setup(setup, s);
  size_buffers(setup, cluster.node.gpus, r);
  s.kernels = compute::make_kernel_model(scenario.config, s.gpu);
}

}  // namespace

void only_step_options(const ExplainOptions& o, std::string_view section, std::initializer_list<std::string_view> may) {
  const std::pair<std::string_view, bool> given[] = {
      {"--phase", !o.phase.empty()},      {"--pool", !o.pool.empty()},  {"--stage", o.stage >= 0},
      {"--sequences", bool(o.sequences)}, {"--tokens", bool(o.tokens)}, {"--context", bool(o.context)},
      {"--lengths", !o.lengths.empty()}};
  for (const auto& [name, is] : given)
    if (is && std::ranges::find(may, name) == may.end())
      throw ConfigError(fmt::format("{}: the scenario's section {} says it; change that with --set", name, section));
}

void take_setup(const forward::StepSetup& setup, ExplainSubject& s) {
  s.request.options = setup.options;
  s.exchange_sms = setup.beside.sms > 0 ? s.gpu.sms - setup.beside.sms : 0;
}

int slots_of(const Config& placed, const spec::Model& model, int gpus) {
  if (!model.moe) return 0;
  int slots = 0;
  if (placed.has("placement") && placed.at("placement").is_map())
    slots = read<placement::PlacementSection>(placed.at("placement")).slots;
  return ceil_div(std::max(slots, model.moe->experts), gpus);
}

ExplainSubject subject_of_scenario(const ExplainOptions& o) {
  runs::Scenario scenario = runs::load_scenario(o.scenario, parse_overrides(o.sets));
  scenario.config = Config::load(scenario.file, parse_overrides(o.sets));  // notes only what is read from here on
  ExplainSubject s{o.request, {}, nullptr, "", ""};
  if (scenario.study->section == "training")
    explain_training(o, scenario, s);
  else if (scenario.study->section == "serving")
    explain_serving(o, scenario, s);
  else if (scenario.study->section == "passes")
    read_passes(o, scenario, s);
  else
    throw ConfigError(
        fmt::format("{}: expected a section training, serving or passes: there is no layer to explain", scenario.file));
  s.resolved = scenario.config.resolved();
  return s;
}
}  // namespace moesim::cli
