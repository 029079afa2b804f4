#include "serving/report/assumed.h"

#include <fmt/format.h>

#include <climits>

#include "routing/default_law.h"
#include "routing/request_routing.h"

namespace moesim::serving {
namespace {
/// The kind that a section names, and of a map its parameters: "log_normal, sigma 0.75".
std::string named(const Config& section) {
  if (section.is_scalar()) return section.text();
  if (section.is_list()) return "as listed";
  std::string out;
  for (const std::string& key : section.keys()) {
    const Config value = section.at(key);
    const bool kind = key == "kind" || key == "strategy";
    const std::string text = value.is_scalar() ? value.text() : value.is_map() ? named(value) : "...";
    if (kind)
      out = text + (out.empty() ? "" : ", " + out);
    else
      out += fmt::format("{}{} {}", out.empty() ? "" : ", ", key, text);
  }
  return out;
}

struct Assumed {
  std::string value, reason;
};
Assumed assumed(const Config& parent, std::string_view key, std::string_view fallback) {
  if (!parent.has(key)) return {std::string(fallback), "none is given"};
  return {named(parent.at(key)), "as asked"};
}
Assumed routing_taken(const Config& scenario, const spec::Model& model) {
  if (scenario.has("routing")) return assumed(scenario, "routing", "");
  const routing::DefaultLaw& law = routing::default_law(model);
  return {named(routing::routing_or_default(scenario, model)),
          fmt::format("none is given: the default of gates {}; {}", law.gate, law.source)};
}
std::string by_id(int layers) {
  return layers == INT_MAX ? "experts of its token ids"
                           : fmt::format("experts of its token ids in layers below {}, else as recorded", layers);
}
}  // namespace

void write_assumed(results::StudyRun& run, const Deployment& d) {
  const auto add = [&](const std::string& scope, std::string_view name, const Assumed& a) {
    run.results.add(results::Table::assumption, {scope, name, a.value, a.reason});
  };
  const Config pools = run.scenario.at("serving").at("pools");
  for (std::size_t p = 0; p < d.pools.size(); ++p) {
    const BuiltPool& pool = *d.pools[p];
    if (!d.has_model || !d.model.moe || pool.section.fixed) continue;
    const std::string scope = "pool:" + pool.section.name;
    if (const auto own = d.workload->own_routing())
      add(scope, "routing",
          {own->looked_up() == 0 ? "each request's own, as recorded" : "each request's own: " + by_id(own->looked_up()),
           own->file()});
    else if (d.section.domains.empty())
      add(scope, "routing", routing_taken(run.scenario, d.model));
    else
      add(scope, "routing", {fmt::format("of {} domains", d.section.domains.size()), "as asked"});
    const Config own = pools.items()[p];
    add(scope, "placement", assumed(own.has("placement") ? own : run.scenario, "placement", "contiguous"));
  }
  if (!d.section.slo.any()) add("run", "targets", {"none", "no slo is given"});
  if (!d.has_prompts()) add("run", "prompts", {"come computed from elsewhere", "no pool computes them"});
  if (std::ranges::all_of(d.pools, [](const auto& p) { return p->section.role == Role::prefill; }))
    add("run", "decoding", {"happens elsewhere, requests end with their first token", "no pool decodes"});
}

void write_borrowed(results::Results& results, const Deployment& d) {
  for (const auto& pool : d.pools) {
    if (pool->section.fixed) continue;
    const double share = pool->kernels->summary().borrowed;
    if (share < 0.005) continue;  // prints as 0 %
    results.add(results::Table::assumption,
                {"pool:" + pool->section.name, "kernels", fmt::format("{:.0f} % of their time borrowed", 100 * share),
                 "measured on another GPU"});
  }
}
}  // namespace moesim::serving
