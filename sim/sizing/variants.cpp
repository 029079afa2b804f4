#include "sizing/variants.h"

#include <fmt/format.h>

#include "core/yaml_line.h"
#include "forward/asked_precision.h"
#include "forward/precision.h"
#include "routing/trace.h"
#include "routing/traffic.h"
#include "serving/step/speculation.h"

namespace moesim::sizing {
namespace {
/// The entries of a list, or the one that stands there; none where the key is left out.
std::vector<Config> one_or_more(const Config& at, std::string_view key) {
  if (!at.has(key)) return {};
  const Config value = at.at(key);
  if (!value.is_list()) return {value};
  if (value.items().empty()) value.fail("expected at least one");
  return value.items();
}

/// Throws ConfigError at the format that none of the nodes' GPUs has arithmetic for.
void check_formats(const Config& item, const Plan& plan) {
  const auto asked = read<forward::AskedPrecision>(item);
  // As a pool has it: its place is in a scenario that nobody wrote.
  const Config pool = Config::from_text("precision: " + yaml_line(item), plan.file);
  constexpr std::string_view kBefore = "precision.";
  std::string key, problem;
  for (const PricedNode& node : plan.nodes) try {
      const spec::Gpu& gpu = node.node.gpu;
      return forward::check_precision(
          pool, forward::choose_precision(asked, plan.model, gpu, compute::StepPhase::decode).formats, gpu);
    } catch (const ConfigError& e) {
      const std::string& all = e.problem();  // "...: precision.linear: h100 has no fp4 arithmetic"
      const std::size_t from = all.find(kBefore), colon = all.find(": ", from);
      if (!problem.empty() || colon == std::string::npos) continue;
      key = all.substr(from + kBefore.size(), colon - from - kBefore.size());
      problem = all.substr(colon + 2);
    }
  if (problem.empty()) return;
  item.is_map() && item.has(key) ? item.at(key).fail(problem) : item.fail(problem);
}

std::string without_braces(const std::string& line) {
  return line.starts_with("{") && line.ends_with("}") ? line.substr(1, line.size() - 2) : line;
}

/// Drafts as every candidate has them: what is wrong with them is no candidate's layout.
serving::SpeculationSpec read_drafts(const Config& at, const Plan& plan) {
  if (at.is_scalar() && at.text() == "none") return {};
  auto out = read<serving::SpeculationSpec>(at);
  const Config routing = plan.config.at_or_empty("routing");
  if (out.kind == serving::DraftKind::mtp && out.acceptance.empty())
    if (const std::string file = routing::trace_file(routing); !file.empty())
      out.acceptance = serving::measured_acceptance(routing::Trace(file).header());
  at.placed([&] { serving::check_speculation(out); });
  if (out.kind == serving::DraftKind::mtp && plan.model.mtp_layers == 0)
    at.fail_below("kind", fmt::format("{} has no multi-token prediction layer", plan.model.name));
  if (out.kind == serving::DraftKind::eagle) at.placed([&] { serving::eagle_model(plan.model, out.eagle); });
  return out;
}
}  // namespace

std::vector<Variant> read_variants(const Plan& plan) {
  const Config candidates = plan.config.at("size").at("candidates");
  std::vector<Variant> precisions, out;
  const std::vector<Config> asked = one_or_more(candidates, "precision"),
                            drafts = one_or_more(candidates, "speculation");
  for (const Config& item : asked) {
    check_formats(item, plan);
    const std::string line = yaml_line(item);
    for (std::size_t k = 0; k < precisions.size(); ++k)
      if (precisions[k].precision == line) item.fail(fmt::format("is the same as precision[{}]", k));
    precisions.push_back({line, "", 1,
                          asked.size() < 2 ? ""
                          : line == "{}"   ? "precision of the release"
                                           : "precision " + without_braces(line)});
  }
  if (precisions.empty()) precisions.emplace_back();
  for (const Variant& p : precisions) {
    if (drafts.empty()) out.push_back(p);
    for (const Config& item : drafts) {
      for (std::size_t k = 0; &p == precisions.data() && &drafts[k] != &item; ++k)
        if (yaml_line(drafts[k]) == yaml_line(item)) item.fail(fmt::format("is the same as speculation[{}]", k));
      const serving::SpeculationSpec spec = read_drafts(item, plan);
      Variant& v = out.emplace_back(p);
      if (spec.kind != serving::DraftKind::none) v.drafts = yaml_line(item), v.tokens_per_step = spec.tokens_per_step();
      if (drafts.size() > 1)
        v.label += std::string(v.label.empty() ? "" : ", ") +
                   (v.drafts.empty() ? "no drafts" : "drafts " + without_braces(v.drafts));
    }
  }
  return out;
}
}  // namespace moesim::sizing
