// The plan that a page of placements names.
#include <algorithm>

#include "pages/studies/common.h"
#include "pages/studies/plan.h"

namespace moesim::pages {

Plan plan_of(const std::string& scope) {
  Plan out;
  out.scope = scope;
  std::vector<std::string> parts;
  std::size_t from = scope.find(':') + 1;
  while (parts.size() < 3) {
    const std::size_t colon = scope.find(':', from);
    if (colon == std::string::npos) break;
    parts.push_back(scope.substr(from, colon - from));
    from = colon + 1;
  }
  parts.push_back(scope.substr(from));
  parts.resize(4);
  out.strategy = parts[0], out.slots = parts[1], out.planned = parts[2], out.scored = parts[3];
  return out;
}

std::optional<Best> best_of(const std::vector<Plan>& plans) {
  std::map<std::string, Best> means;  // by all of the scope but what it was scored on
  std::vector<std::string> order;
  for (const Plan& p : plans) {
    const double balance = p.value("balancedness");
    if (!std::isfinite(balance)) continue;
    const std::string of =
        p.planned.empty() ? p.scope : p.scope.substr(0, p.scope.size() - std::min(p.scope.size(), p.scored.size()));
    const auto [at, added] = means.try_emplace(of);
    if (added) order.push_back(of);
    Best& b = at->second;
    if (added || p.planned == p.scored) b.plan = &p;
    b.of = of, b.balance += balance, ++b.loads;
  }
  std::optional<Best> out;
  for (const std::string& of : order) {
    Best b = means.at(of);
    b.balance /= double(b.loads);
    if (!out || b.balance > out->balance) out = b;
  }
  return out;
}

namespace {
/// A figure of the plan; of several loads the mean over them.
void add_mean(Page& page, const Facts& f, const Best& best, const std::vector<Plan>& plans, std::string label,
              const std::string& metric, const std::string& beside) {
  if (best.loads == 1) return add_key(page, f, std::move(label), metric, beside, best.plan->scope);
  double sum = 0;
  for (const Plan& p : plans)
    if (p.scope.starts_with(best.of)) sum += p.value(metric);
  if (!std::isfinite(sum)) return;
  const double mean = sum / double(best.loads);
  std::string of;
  for (const char c : best.of) of += c == '\'' ? "''" : std::string(1, c);
  page.keys.push_back(
      {std::move(label), metric == "gap_to_bound" ? fmt::format("{:.1f} %", 100 * mean) : fmt::format("{:.3g}", mean),
       fmt::format("{}{}mean over {} loads", beside, beside.empty() ? "" : ", ", best.loads), metric, "", mean,
       fmt::format("SELECT avg(value) FROM metric WHERE name = '{}' AND substr(scope, 1, length('{}')) "
                   "= '{}'",
                   metric, of, of)});
}
}  // namespace

void add_best(Page& page, const Facts& f, const std::optional<Best>& best, const std::vector<const Plan*>& own,
              const std::vector<Plan>& plans) {
  if (!best) {
    page.headline = html("No plan could be scored");
    return;
  }
  const auto even = [](double v) { return fmt::format("{:.3f}", v); };
  const Plan &plan = *best->plan, &first = own.empty() ? plan : *own.front();
  const std::string from = plan.planned.empty() || best->loads == 1 ? "" : ", planned on " + plan.planned + ",";
  const double other = first.value("balancedness");
  if (best->loads > 1)
    page.headline = html("{}{} is the most even over {} loads, {} of a perfect 1 in the mean, {} on {}",
                         plan.plan_name(), from, best->loads, strong(even(best->balance)),
                         even(plan.value("balancedness")), plan.scored == plan.planned ? "its own" : plan.scored);
  else
    page.headline = html("{} evens the load to {} of a perfect 1{}", plan.plan_name(), strong(even(best->balance)),
                         own.size() < 2 ? html("")
                                        : apart(even(best->balance), even(other),
                                                html("; {} reaches {}", first.plan_name(), even(other)), html("")));
  add_mean(page, f, *best, plans, "Balance of the best plan", "balancedness", "mean/max");
  add_mean(page, f, *best, plans, "Gap to the bound", "gap_to_bound", "that the slowest GPU has above it");
  add_mean(page, f, *best, plans, "Nodes a token visits", "nodes_per_token", "");
  if (!(f.value("cost_per_hour") > 0))
    add_key(page, f, "Hottest expert", "expert_load_max_over_mean", "x its layer's mean");
}
}  // namespace moesim::pages
