#include "sizing/variants.h"

#include <fmt/format.h>

#include "core/yaml_line.h"
#include "forward/asked_precision.h"
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
    (void)read<forward::AskedPrecision>(item);
    const std::string line = yaml_line(item);
    precisions.push_back({line, "", 1,
                          asked.size() < 2 ? ""
                          : line == "{}"   ? "precision of the release"
                                           : "precision " + without_braces(line)});
  }
  if (precisions.empty()) precisions.emplace_back();
  for (const Variant& p : precisions) {
    if (drafts.empty()) out.push_back(p);
    for (const Config& item : drafts) {
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
