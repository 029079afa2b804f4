// Sections of a page of placements: who sends to whom, drift, migration.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "pages/studies/common.h"
#include "pages/studies/loads.h"
#include "pages/studies/plan.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
struct Sent {
  Matrix matrix;
  double most = 0, mean = 0, crossing = 0, all = 0;  // between different ones
};

/// Bytes where the model is known, else copies of tokens.
Sent sent_of(const Rows& rows, bool bytes) {
  Rows picked;
  for (std::size_t i = 0; i < rows.size(); ++i)
    picked.rows.push_back({rows.rows[i][0], rows.rows[i][1], rows.rows[i][bytes ? 3 : 2]});
  Sent out;
  out.matrix = matrix_of(picked);
  double count = 0;
  for (std::size_t i = 0; i < picked.size(); ++i) {
    const double v = picked.number(i, 2);
    if (!std::isfinite(v)) continue;
    out.all += v;
    if (picked.whole(i, 0) == picked.whole(i, 1)) continue;
    out.crossing += v, out.most = std::max(out.most, v), ++count;
  }
  out.mean = count > 0 ? out.crossing / count : 0;
  return out;
}

Figure traffic_map(const Sent& sent, const std::string& what, std::string aria, double high, double factor) {
  Heat h;
  h.unit = factor >= 1e9 ? "GB" : factor >= 1e6 ? "MB" : "copies a token";
  h.aria = std::move(aria);
  h.row_name = "from " + what, h.column_name = "to " + what;
  h.steps = Heat::Steps::share;
  h.high = high / factor;
  h.numbers = sent.matrix.columns.size() <= 8;
  h.cell_height = h.numbers ? 24 : sent.matrix.rows.size() > 64 ? 3 : 6;
  h.rows = names_of(sent.matrix.rows), h.columns = names_of(sent.matrix.columns);
  h.values = sent.matrix.values;
  for (double& v : h.values) v /= factor;
  return heat(h);
}

/// Bytes a pair, or copies: the unit that numbers are short in.
std::string shown(double value, bool bytes) {
  return bytes ? results::pretty(value, "B") : fmt::format("{:.3g}", value);
}
}  // namespace

void add_traffic(Page& page, const Queries& q) {
  if (!q.db().has_table("gpu_traffic")) return;
  const Rows kept = q.rows("traffic_of");
  if (kept.empty()) return;
  Section s;
  s.id = "traffic";
  s.question = "Who sends to whom?";
  s.columns = 2;
  bool bytes = false;
  std::map<std::string, std::vector<std::pair<std::string, Sent>>> levels;  // node and gpu: each plan's
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const Rows rows = q.rows("traffic", {kept.text(i, 0), kept.text(i, 1)});
    s.sql.push_back(q.sql("traffic", {kept.text(i, 0), kept.text(i, 1)}));
    bytes = !rows.empty() && std::isfinite(rows.number(0, 3));
    auto& plans = levels[kept.text(i, 1)];
    plans.insert(plans.begin(), {plan_of(kept.text(i, 0)).name(), sent_of(rows, bytes)});  // the best is the last
  }
  for (const char* level : {"node", "gpu"}) {
    double high = 0;
    for (const auto& [name, sent] : levels[level]) high = std::max(high, sent.most);
    if (!(high > 0)) continue;
    const double factor = bytes ? (high >= 1e9 ? 1e9 : 1e6) : 1;
    const std::string what = *level == 'n' ? "node" : "GPU";
    for (const auto& [name, sent] : levels[level])
      if (sent.matrix.rows.size() > 1)
        s.panels.push_back(
            {fmt::format("{} to {}: {}", what, what, name),
             fmt::format("{}at most {} between two, {} on average",
                         !bytes        ? "copies of a token; "
                         : high >= 1e9 ? "GB; "
                                       : "MB; ",
                         shown(sent.most, bytes), shown(sent.mean, bytes)),
             traffic_map(sent, what, fmt::format("{}: bytes from {} to {}", name, what, what), high, factor)});
  }
  if (s.panels.empty()) return;
  const auto& nodes =
      levels["node"].empty() || levels["node"].front().second.matrix.rows.size() < 2 ? levels["gpu"] : levels["node"];
  const Sent &before = nodes.front().second, &after = nodes.back().second;
  const char* between = &nodes == &levels["gpu"] ? "GPUs" : "nodes";
  const std::string unit = bytes ? "" : " copies a token";
  const std::string most_before = shown(before.most, bytes), most_after = shown(after.most, bytes);
  if (nodes.size() > 1)
    s.answer = apart(most_before, most_after,
                     html("The busiest pair of {} carries {}{} with {}, and {} with {}", between, bad(most_before),
                          unit, nodes.front().first, strong(most_after), nodes.back().first),
                     html("The busiest pair of {} carries {}{} with either plan", between, strong(most_after), unit));
  else
    s.answer = html("The busiest pair of {} carries {}{}; {} of all goes between {}", between,
                    strong(shown(after.most, bytes)), unit, share_text(after.crossing / after.all), between);
  s.note = fmt::format(
      "{}; of a token once to each GPU that has experts it chose. The stronger the blue, the more; within one GPU or "
      "node it may be more than the scale shows. Maps of one kind have one scale.{}",
      bytes ? "A prefill layer, dispatch and combine" : "For each token of the group, in a layer",
      levels["gpu"].empty() ? " Between more than 160 GPUs nothing is kept but nodes." : "");
  page.sections.push_back(std::move(s));
}

namespace {
/// The number in "step 40"; NaN for other names.
double step_number(const std::string& name) {
  return name.starts_with("step ") ? std::strtod(name.c_str() + 5, nullptr) : NAN;
}

/// Curves of the table drift, by minutes; else of steps of the routing that plans were scored on.
std::map<std::string, std::map<double, double>> curves_of(const std::vector<Plan>& plans, const Rows& drift) {
  std::map<std::string, std::map<double, double>> out;
  for (std::size_t i = 0; i < drift.size(); ++i)
    if (std::isfinite(drift.number(i, 2)) && std::isfinite(drift.number(i, 3)))
      out[fmt::format("{}, {} slots", drift.text(i, 0), drift.text(i, 1))][drift.number(i, 2)] = drift.number(i, 3);
  if (!out.empty()) return out;
  std::map<std::pair<std::string, double>, int> counts;
  for (const Plan& p : plans) {
    const double age = step_number(p.scored) - step_number(p.planned);
    if (!(age >= 0)) continue;
    double& mean = out[p.plan_name()][age];
    const int n = ++counts[{p.plan_name(), age}];
    mean += (p.value("balancedness") - mean) / n;
  }
  return out;
}
}  // namespace

void add_drift(Page& page, const std::vector<Plan>& plans, const Queries& q) {
  const Rows rows = q.db().has_table("drift") ? q.rows("drift") : Rows{};
  const auto curves = curves_of(plans, rows);
  std::set<double> ages;
  for (const auto& [name, curve] : curves)
    for (const auto& [age, balance] : curve) ages.insert(age);
  if (ages.size() < 2) return;
  Lines l;
  l.aria = "Balance by the age of a plan";
  l.x_name = rows.empty() ? "steps since the plan" : "minutes since the plan", l.y_name = "balance, mean over max";
  l.top = 1, l.x.assign(ages.begin(), ages.end());
  std::vector<std::string> order;  // the most even at the end first
  for (const auto& [name, curve] : curves) order.push_back(name);
  std::ranges::stable_sort(order, std::greater{}, [&](const std::string& n) { return curves.at(n).rbegin()->second; });
  const std::string& best = order.front();
  const double kept = curves.at(best).rbegin()->second, fell = curves.at(best).begin()->second - kept;
  for (const std::string& name : order) {
    if (l.series.size() == 5) break;
    Lines::Series& s = l.series.emplace_back();
    s.name = name;
    for (const double age : l.x) s.y.push_back(curves.at(name).contains(age) ? curves.at(name).at(age) : NAN);
  }
  Section s;
  s.id = "drift";
  s.question = "How long does a plan last?";
  s.answer =
      html("After {} {} {} is still {} even, {} less than when it was made", brief(*ages.rbegin()),
           rows.empty() ? "steps" : "minutes", best, strong(fmt::format("{:.3f}", kept)), fmt::format("{:.3f}", fell));
  s.panels.push_back({"", "", lines(l)});
  s.note = "Mean over all plans of that age; 1 is even.";
  if (curves.size() > 5) s.note += fmt::format(" The 5 that end most even of {} are drawn.", curves.size());
  s.sql = {q.sql(rows.empty() ? "plans" : "drift")};
  page.sections.push_back(std::move(s));
}

void add_migration(Page& page, const std::vector<const Plan*>& own, const Queries& q) {
  Scatter s;
  bool bytes = false;
  for (const Plan* p : own) bytes = bytes || p->value("migration_bytes") > 0;
  const std::string moved = bytes ? "migration_bytes" : "moves";
  s.aria = "What moves against balance";
  s.x_name = bytes ? "weights that move" : "experts that move", s.x_unit = bytes ? "B" : "",
  s.y_name = "balance, mean over max";
  const Plan *best = nullptr, *cheapest = nullptr;
  for (const Plan* p : own) {
    const double x = p->value(moved), y = p->value("balancedness");
    if (!std::isfinite(x) || !std::isfinite(y)) continue;
    if (best == nullptr || y > best->value("balancedness")) best = p;
    if (cheapest == nullptr || x < cheapest->value(moved)) cheapest = p;
  }
  if (best == nullptr) return;
  for (const Plan* p : own) {
    const double x = p->value(moved), y = p->value("balancedness");
    const bool front = std::ranges::none_of(own, [&](const Plan* o) {
      return o->value(moved) <= x && o->value("balancedness") >= y &&
             (o->value(moved) < x || o->value("balancedness") > y);
    });
    const double time = p->value("migration_time");
    s.dots.push_back(
        {x, y, p->name(),
         std::isfinite(time) ? "takes " + results::pretty(time, "s") : fmt::format("{:.0f} experts", p->value("moves")),
         p->plan_name(),
         p == best ? Scatter::Look::chosen
         : front   ? Scatter::Look::front
                   : Scatter::Look::other});
  }
  Section section;
  section.id = "migration";
  section.question = "What has to move for it?";
  const auto text = [&](const Plan* p) {
    return bytes ? results::pretty(p->value(moved), "B") : fmt::format("{:.0f} experts", p->value(moved));
  };
  const std::string balance = fmt::format("{:.3f}", best->value("balancedness"));
  section.answer = apart(
      text(best), text(cheapest),
      html("{} moves {} for a balance of {}; {} moves least, {}, for {}", best->plan_name(), strong(text(best)),
           balance, cheapest->plan_name(), text(cheapest), fmt::format("{:.3f}", cheapest->value("balancedness"))),
      html("{} moves {} for a balance of {}, and none moves less", best->plan_name(), strong(text(best)), balance));
  section.above =
      key_html({{"the most even", "fa"}, {"nothing is as even and moves less", "ring"}, {"other plans", "fr"}});
  section.panels.push_back({"", "", scatter(s)});
  section.note = "From the placement in force that was given; both axes start at 0.";
  section.sql = {q.sql("plans")};
  page.sections.push_back(std::move(section));
}
}  // namespace moesim::pages
