// Placements compared.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "pages/studies/common.h"
#include "pages/studies/loads.h"
#include "pages/studies/plan.h"
#include "pages/studies/studies.h"
#include "results/summary.h"

namespace moesim::pages {

namespace {
constexpr std::size_t kMostMaps = 3, kMostBars = 40, kMostPlans = 2000, kMostLoads = 26;

std::vector<Plan> plans_of(const Queries& q) {
  const Rows rows = q.rows("plans");
  std::vector<Plan> out;
  std::map<std::string, std::size_t> at;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (out.size() == kMostPlans && !at.contains(rows.text(i, 0))) continue;
    const auto [place, added] = at.emplace(rows.text(i, 0), out.size());
    if (added) out.push_back(plan_of(rows.text(i, 0)));
    out[place->second].figures[rows.text(i, 1)] = rows.number(i, 2);
    out[place->second].units[rows.text(i, 1)] = rows.text(i, 3);
  }
  return out;
}

/// Those scored on what they were planned from; all where there is one load.
std::vector<const Plan*> own_of(const std::vector<Plan>& plans) {
  std::vector<const Plan*> out;
  for (const Plan& p : plans)
    if (p.planned == p.scored) out.push_back(&p);
  if (out.empty())
    for (const Plan& p : plans) out.push_back(&p);
  return out;
}

/// all: the best first; stored: it is the placement of the tables, whose bound is known; maps: the queries behind them.
void add_balance(Page& page, std::vector<LayerLine> all, bool stored, const Queries& q,
                 const std::vector<std::string>& maps) {
  Section b;
  b.id = "balance";
  b.question = "How even is each layer, and how even could it be?";
  const LayerLine last = all.front();
  const Rows bounds = stored ? q.rows("bounds") : Rows{};
  if (!bounds.empty()) {
    LayerLine line{"bound", {}, {}};
    for (std::size_t i = 0; i < bounds.size(); ++i)
      line.layers.push_back(bounds.number(i, 0)), line.values.push_back(bounds.number(i, 1));
    all.insert(all.begin() + 1, std::move(line));
  }
  const std::size_t worst = std::size_t(std::ranges::min_element(last.values) - last.values.begin());
  b.answer = html("With {} the worst layer is {}, at {} where 1 is even", last.name, last.layers[worst],
                  strong(fmt::format("{:.3f}", last.values[worst])));
  b.panels.push_back({"", "", layer_lines(all, "mean over max", "Balance by layer of the plans")});
  b.note =
      "Mean load over the fullest GPU's: 1 is even, and no placement is above it; 0.5 means that the layer takes twice "
      "as long as it needs.";
  if (!bounds.empty())
    b.note += fmt::format(" Bound: with the slots of {}, no placement of these loads is above it.", last.name);
  b.sql = maps;
  if (!bounds.empty()) b.sql.push_back(q.sql("bounds"));
  page.sections.push_back(std::move(b));
}

void add_maps(Page& page, const std::vector<Plan>& plans, const std::string& best_scope, const Queries& q) {
  Section s;
  s.id = "maps";
  s.question = "Which GPUs make the others wait?";
  const Rows scopes = q.db().has_table("gpu_load") ? q.rows("maps") : Rows{};
  if (scopes.empty()) {
    s.answer = html("This database holds no loads by GPU");
    s.note = "It was written before they were kept: place again.";
    page.sections.push_back(std::move(s));
    return;
  }
  // What was listed first is shown before the others, and the best behind them.
  std::vector<std::string> order, kept;
  for (std::size_t i = 0; i < scopes.size(); ++i) kept.push_back(scopes.text(i, 0));
  const std::size_t best_place =
      std::size_t(std::ranges::find(kept, best_scope) - kept.begin()) % kept.size();  // else the first row
  const std::string listed = plans.empty() ? "" : plans.front().scope;
  for (std::size_t i = 0; i < kept.size(); ++i)
    if (i != best_place) order.push_back(kept[i]);
  if (const auto at = std::ranges::find(order, listed); at != order.end()) std::rotate(order.begin(), at, at + 1);
  if (order.size() + 1 > kMostMaps) order.resize(kMostMaps - 1);
  order.push_back(kept[best_place]);
  std::vector<LayerLine> all;
  double first = 0, best = 0;
  for (const std::string& scope : order) {
    const std::string name = plan_of(scope).name();
    std::optional<LoadMap> map =
        load_map(q.rows("map", {scope}), name + ": load of each GPU in each layer, over the layer's mean");
    if (!map) continue;
    if (first == 0) first = map->most;
    best = map->most;
    all.insert(all.begin(), {name, map->layers, map->balance});
    s.panels.push_back({name, fmt::format("fullest GPU {:.2f} x its layer's mean", map->most), std::move(map->figure)});
    s.sql.push_back(q.sql("map", {scope}));
  }
  if (s.panels.empty()) return;
  s.columns = s.panels.size() > 2 ? 3 : int(s.panels.size());
  const std::string before = fmt::format("{:.2f} x", first), after = fmt::format("{:.2f} x", best);
  s.answer = apart(before, after,
                   html("The fullest GPU has {} its layer's mean load with {}, and {} with {}", bad(before),
                        plan_of(order.front()).name(), strong(after), plan_of(order.back()).name()),
                   html("The fullest GPU has {} its layer's mean load with every plan drawn", strong(after)));
  s.below = about_one_key("Load of a GPU over its layer's mean: blue idles, orange makes the others wait.");
  s.note = "Rows are the model's MoE layers, columns the GPUs of the group. All maps have one scale.";
  const std::vector<std::string> sql = s.sql;
  page.sections.push_back(std::move(s));
  add_balance(page, std::move(all), kept[best_place] == kept.front(), q, sql);
}

/// A map of planned on x scored on for each strategy and number of slots, where there are several loads.
void add_cross(Page& page, const std::vector<Plan>& plans, const Queries& q) {
  std::vector<std::string> names, planned, scored;
  const auto once = [](std::vector<std::string>& list, const std::string& word) {
    if (std::ranges::find(list, word) == list.end()) list.push_back(word);
  };
  for (const Plan& p : plans) once(names, p.plan_name()), once(planned, p.planned), once(scored, p.scored);
  if ((scored.size() < 2 && planned.size() < 2) || scored.size() > kMostLoads) return;
  Section s;
  s.id = "cross";
  s.question = "What is a plan worth when the load has changed?";
  double own = 0, other = INFINITY;
  for (const Plan& p : plans)
    if (p.planned == p.scored) own = std::max(own, p.value("balancedness"));
  std::string best;
  for (const Plan& p : plans)
    if (p.planned == p.scored && p.value("balancedness") == own) best = p.plan_name();
  for (const Plan& p : plans)
    if (p.plan_name() == best && p.planned != p.scored) other = std::min(other, p.value("balancedness"));
  Grid g;
  g.aria = "Balance of each plan, scored on each load";
  g.label_name = planned.size() > 1 ? "plan, planned on" : "plan";
  g.columns = scored;
  g.low = 0.3;
  for (const std::string& name : names)
    for (const std::string& from : planned) {
      Grid::Row row{planned.size() > 1 ? name + ", " + from : name, std::vector<double>(scored.size(), NAN)};
      for (const Plan& p : plans)
        if (p.plan_name() == name && p.planned == from)
          row.values[std::size_t(std::ranges::find(scored, p.scored) - scored.begin())] = p.value("balancedness");
      if (g.rows.size() < kMostBars) g.rows.push_back(std::move(row));
    }
  s.panels.push_back({"", "", grid(g)});
  if (std::isfinite(other))
    s.answer = apart(fmt::format("{:.2f}", own), fmt::format("{:.2f}", other),
                     html("{} is worth {} on the load it was planned from, and {} on another", best,
                          strong(fmt::format("{:.2f}", own)), bad(fmt::format("{:.2f}", other))),
                     html("{} is worth {} on every load", best, strong(fmt::format("{:.2f}", own))));
  else
    s.answer = html("No plan is scored on a load that it was not planned from");
  s.note = "Balance: mean over max of the GPUs' loads. The stronger the blue, the more even.";
  s.sql = {q.sql("plans")};
  page.sections.push_back(std::move(s));
}

struct Measure {
  std::string_view name, label, unit;
  bool less;  // is better
};
constexpr Measure kMeasures[] = {{"balancedness", "balance, mean over max", "", false},
                                 {"decode_step_time", "decode step", "s", true},
                                 {"prefill_step_time", "prefill step", "s", true},
                                 {"nodes_per_token", "nodes a token visits", "", true},
                                 {"busiest_adapter_bytes", "busiest adapter, a prefill layer", "B", true},
                                 {"expert_memory", "experts on a GPU", "B", true}};

void add_price(Page& page, const std::vector<const Plan*>& own, const std::optional<Best>& best, const Queries& q) {
  Section s;
  s.id = "price";
  s.question = "What does balance buy, and what does it cost?";
  s.columns = 2;
  std::set<std::string> names;
  for (const Plan* p : own) names.insert(p->plan_name());
  const bool one_load = names.size() == own.size();  // then its name says nothing
  for (const Measure& m : kMeasures) {
    Bars b;
    b.aria = std::string(m.label) + " of each plan";
    b.label_name = "plan", b.value_name = std::string(m.label), b.unit = std::string(m.unit);
    double lead = NAN;
    for (const Plan* p : own) {
      const double v = p->value(std::string(m.name));
      if (std::isfinite(v) && (!std::isfinite(lead) || (m.less ? v < lead : v > lead))) lead = v;
    }
    for (const Plan* p : own) {
      const double v = p->value(std::string(m.name));
      if (!std::isfinite(v) || b.bars.size() == kMostBars) continue;
      b.bars.push_back({one_load ? p->plan_name() : p->name(), 0, v,
                        m.unit.empty() ? fmt::format("{:.3f}", v) : results::pretty(v, m.unit), "",
                        v == lead ? Tone::answer : Tone::rest});
    }
    if (std::ranges::all_of(b.bars, [&](const Bar& bar) { return bar.shown == b.bars.front().shown; }))
      for (Bar& bar : b.bars) bar.tone = Tone::rest;  // none is better
    if (!b.bars.empty()) s.panels.push_back({std::string(m.label), "", bars(b)});
  }
  if (s.panels.empty()) return;
  const double before = own.front()->value("decode_step_time");
  const double after = best ? best->plan->value("decode_step_time") : NAN;
  if (std::isfinite(before) && std::isfinite(after))
    s.answer = apart(
        results::pretty(before, "s"), results::pretty(after, "s"),
        html("A decode step takes {} instead of {}: {} {}", strong(results::pretty(after, "s")),
             results::pretty(before, "s"), share_text(std::fabs(1 - after / before)), after > before ? "more" : "less"),
        html("A decode step takes {}, as before", strong(results::pretty(after, "s"))));
  else
    s.answer = html("The most even plan{} is {} even; step times were not asked for",
                    best && best->loads > 1 ? " over all loads" : "", strong(share_text(best ? best->balance : NAN)));
  s.note = "Each plan on the load it was planned from; the best of each chart in blue.";
  s.sql = {q.sql("plans")};
  page.sections.push_back(std::move(s));
}

void add_all(Page& page, const std::vector<Plan>& plans, const Queries& q) {
  DataTable t{"", {"plan"}, {}};
  std::vector<std::string> names;
  for (const Plan& p : plans)
    for (const auto& [name, value] : p.figures)
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  for (const std::string& n : names) t.columns.push_back(words_of(n));
  for (const Plan& p : plans) {
    std::vector<Cell> row = {cell(p.name())};
    for (const std::string& n : names) row.push_back(p.figures.contains(n) ? cell(p.value(n), p.units.at(n)) : Cell{});
    t.rows.push_back(std::move(row));
  }
  Section s;
  s.id = "plans";
  s.question = "What else was tried?";
  s.answer = html("{} plans scored", plans.size());
  // Its loads by GPU are kept first.
  if (const Rows kept = q.db().has_table("gpu_load") ? q.rows("maps") : Rows{}; !kept.empty()) {
    const Plan stored = plan_of(kept.text(0, 0));
    s.note = fmt::format("The tables placement and expert_load hold {}{}.", stored.plan_name(),
                         stored.planned.empty() ? "" : ", planned on " + stored.planned);
  }
  s.below = html(
      "<p class=\"ctl\"><label>Only rows with <input type=\"search\" data-filter=\"all-plans\"></label> <output "
      "id=\"all-plans-n\"></output></p>{}",
      table_html(t, "all-plans"));
  s.sql = {q.sql("plans")};
  page.sections.push_back(std::move(s));
}
}  // namespace

namespace {
/// Of a command without a scenario: what its options leave as they are.
void add_defaults(Page& page, const Facts& f) {
  if (!page.assumed.empty() || !f.scenario_file.empty()) return;
  const auto open = [&](std::string_view key) { return f.setting(key).empty() || f.setting(key) == "not given"; };
  page.assumed.push_back(html("<b>loads</b>: as the files count them <span class=\"dim\">(of the command)</span>"));
  page.assumed.push_back(html("<b>rows of an expert in several slots</b>: {} <span class=\"dim\">(--sharing)</span>",
                              open("sharing") ? "shared evenly" : f.setting("sharing")));
  if (!f.setting("prefill-tokens").empty())
    page.assumed.push_back(
        html("<b>steps</b>: {} tokens a GPU in prefill, {} in decode with a context of {} <span "
             "class=\"dim\">(--prefill-tokens, "
             "--decode-tokens, --context)</span>",
             f.setting("prefill-tokens"), f.setting("decode-tokens"), f.setting("context")));
}
}  // namespace

Page place_page(const Facts& f, const results::Database& db) {
  const Queries q = Queries::of(db, "place");
  Page page = begun_page(f, q, {"run"});
  add_defaults(page, f);
  const std::vector<Plan> plans = plans_of(q);
  const std::vector<const Plan*> own = own_of(plans);
  const std::optional<Best> best = best_of(plans);
  add_best(page, f, best, own, plans);
  if (f.value("cost_per_hour") > 0) add_key(page, f, "Price of the GPUs", "cost_per_hour", "an hour");
  add_published(page, f, q);
  add_maps(page, plans, best ? best->plan->scope : "", q);
  add_cross(page, plans, q);
  if (!own.empty()) add_price(page, own, best, q);
  add_traffic(page, q);
  add_drift(page, plans, q);
  add_migration(page, own, q);
  add_lorenz(page, {q.sql("experts")}, {{"", q.rows("experts")}});
  add_all(page, plans, q);
  return page;
}
}  // namespace moesim::pages
