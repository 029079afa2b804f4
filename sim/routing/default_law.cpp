#include "routing/default_law.h"

#include <array>
#include <string>

#include "core/check.h"

namespace moesim::routing {
namespace {
using spec::Architecture, spec::Selection;

bool biased(const spec::Model& m) { return m.moe->selection == Selection::noaux_tc || m.moe->selection_bias; }
bool limited(const spec::Model& m) { return m.moe->groups_used < m.moe->groups; }

/// What is measured of each: reports/routing.md.
constexpr std::array<DefaultLaw, 5> kLaws{{
    {"balanced by a bias and limited to groups", "DeepSeek-V3, R1, V3.2", "{kind: grouped}",
     "four recordings of DeepSeek-V3 under SGLang", [](const spec::Model& m) { return biased(m) && limited(m); }},
    // assumed: experts differ as all of DeepSeek-V3's do, within and between groups: the bias is the same.
    {"balanced by a bias, without groups", "Kimi K2, GLM-4.5 and 5, MiniMax-M2", "{kind: grouped, spread: 0.66}",
     "assumed: the spread of all of DeepSeek-V3's experts, as recorded", biased},
    // assumed: the loss asks balance of whole batches only (arXiv:2501.11873), so that texts may differ more than under
    // a loss on each sequence and less than under a bias.
    {"balanced by a loss over whole batches", "Qwen3, Qwen3-Next, Qwen3.5", "{kind: grouped, spread: 0.45}",
     "assumed: between gates balanced by a loss (0.30) and by a bias (0.66), arXiv:2501.11873",
     [](const spec::Model& m) {
       return m.architecture == Architecture::qwen3_moe || m.architecture == Architecture::qwen3_next ||
              m.architecture == Architecture::qwen3_5_moe;
     }},
    {"balanced by a loss and limited to groups", "DeepSeek-V2",
     "{kind: grouped, spread: 0.3, texts_alike: 0, slope: 0, slope_varies: 0, tilt: 0, taper: 0}",
     "arXiv:2412.19437, figure 10", [](const spec::Model& m) { return limited(m); }},
    // 0.40, 0.27 and 0.24 by kind of text, which share no hot experts; 64 experts.
    {"balanced by a loss", "Mixtral, gpt-oss, OLMoE, DeepSeekMoE, Llama 4",
     "{kind: grouped, spread: 0.3, texts_alike: 0}", "arXiv:2412.19437, figure 10",
     [](const spec::Model&) { return true; }},
}};
}  // namespace

std::span<const DefaultLaw> default_laws() { return kLaws; }

const DefaultLaw& default_law(const spec::Model& model) {
  check(model.moe.has_value(), "{} has no gate", model.name);
  for (const DefaultLaw& law : kLaws)
    if (law.covers(model)) return law;
  check(false, "no law covers {}", model.name);
  return kLaws.back();
}

Config routing_or_default(const Config& scenario, const spec::Model& model) {
  if (scenario.has("routing") || !model.moe) return scenario.at_or_empty("routing");
  return Config::from_text(std::string(default_law(model).section), "the default routing");
}
}  // namespace moesim::routing
