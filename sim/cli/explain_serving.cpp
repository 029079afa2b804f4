// A serving scenario's layer: a step of one pool.
#include <fmt/format.h>

#include <algorithm>

#include "cli/explain_scenario.h"
#include "serving/deployment/pool_choices.h"
#include "serving/deployment/pool_memory.h"
#include "spec/catalogue.h"

namespace moesim {
namespace {
Config pool_of(const ExplainOptions& o, const Config& serving) {
  std::vector<std::string> names;
  for (const Config& pool : serving.at("pools").items()) {
    const PoolSection section = read<PoolSection>(pool);
    names.push_back(section.name.empty() ? std::string(name_of(section.role)) : section.name);
    if (o.pool.empty() || names.back() == o.pool) return pool;
  }
  const std::vector<std::string_view> views(names.begin(), names.end());
  throw ConfigError::placed(
      fmt::format("--pool: no pool is called \"{}\"{}", o.pool, suggestion(o.pool, views, "there are")));
}

// Requests come and go, so a step has no one size: the options', or 64 sequences of half a window of 8,192.
void set_step(const ExplainOptions& o, const Scenario& scenario, Role role, ExplainRequest& r) {
  const std::string words[] = {"prefill", "decode"};
  if (!o.phase.empty() && std::ranges::find(words, o.phase) == std::end(words))
    throw ConfigError::placed(fmt::format("--phase: expected prefill or decode, got \"{}\"", o.phase));
  if ((role == Role::prefill && o.phase == "decode") || (role == Role::decode && o.phase == "prefill"))
    throw ConfigError::placed(fmt::format("--phase: this pool's role is {}", name_of(role)));
  const bool decode = role == Role::decode || (role == Role::both && o.phase != "prefill");
  r.phase = decode ? StepPhase::decode : StepPhase::prefill;
  if (decode) r.options.layout = GroupLayout::masked;  // the faster for few rows, where a pool may take either
  const ServingSection section = read<ServingSection>(scenario.config.at("serving"));
  const std::int64_t positions = section.context > 0 ? section.context : r.model.max_positions;
  const std::int64_t tokens = std::max<std::int64_t>(1, std::min<std::int64_t>(4096, positions / 2));
  r.sequences = decode ? 64 : 1;
  r.tokens = decode ? 1 : tokens;
  r.context = decode ? tokens : 0;
  set_sequences(o, r);
}

}  // namespace

void explain_serving(const ExplainOptions& o, const Scenario& scenario, ExplainSubject& s) {
  only_step_options(o, "serving",
                    {"--phase", "--pool", "--stage", "--sequences", "--tokens", "--context", "--lengths"});
  const Config config = pool_of(o, scenario.config.at("serving"));
  PoolSection pool = read<PoolSection>(config);
  if (pool.fixed) config.fail("its steps have a fixed cost: there is no layer to explain");
  ExplainRequest& r = s.request;
  r.model = read_model(scenario.config.at("model"));
  s.gpu = (config.has("node") ? read_node(config.at("node")) : read_cluster(scenario.config.at("cluster")).node).gpu;
  const Parallel& p = pool.parallel;
  if (p.tensor < 1 || p.data < 1 || p.pipeline < 1)
    config.at("parallel").fail("tensor, data and pipeline must be at least 1");
  take_setup(setup_of(config, pool, r.model, s.gpu), s);
  r.expert_parallel = r.model.moe && !p.experts_tensor ? p.stage_gpus() : 1;
  r.slots = slots_of(config.has("placement") ? config : scenario.config, r.model, r.expert_parallel);
  set_step(o, scenario, pool.role, r);
  if (o.stage >= p.pipeline)
    throw ConfigError::placed(fmt::format("--stage: expected 0 to {}, got {}", p.pipeline - 1, o.stage));
  const int stage = std::max(0, o.stage);
  r.held = held(r.model, p, stage, r.slots, false);
  if (p.pipeline > 1) s.memory = fmt::format("pipeline stage {}", stage);
  s.kernels = make_kernel_model(scenario.config, s.gpu);
}
}  // namespace moesim
