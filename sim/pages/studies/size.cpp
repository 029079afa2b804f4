// The cheapest deployment that serves a plan, and what fell.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>

#include "pages/studies/common.h"
#include "pages/studies/serving_sections.h"
#include "pages/studies/size_rows.h"
#include "pages/studies/studies.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
constexpr std::size_t kMostNamed = 24;  // bars

/// By number of the deployment: limiter and error band; none where the database does not keep them.
std::map<std::string, std::pair<std::string, std::string>> limiters(const Queries& q) {
  std::map<std::string, std::pair<std::string, std::string>> out;
  if (!q.db().value("SELECT 1 FROM pragma_table_info('candidate') WHERE name = 'limiter'")) return out;
  const Rows rows = q.rows("limiters");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double p90 = std::max(rows.number(i, 3), rows.number(i, 4));
    out[rows.text(i, 0)] = {rows.text(i, 1), p90 > 0 ? share_text(p90) : ""};
  }
  return out;
}

void add_cost(Page& page, const Rows& all, const Queries& q) {
  Bars cost;
  cost.aria = "Cost an hour of the deployments that meet the targets";
  cost.label_name = "deployment", cost.value_name = "USD an hour";
  double least = INFINITY, most = 0;
  const auto known = limiters(q);
  DataTable limits{"What binds them", {"deployment", "on", "TTFT p90", "TPOT p90"}, {}};
  if (!known.empty())
    limits.columns.insert(limits.columns.end(), {"largest part of its time", "nine of ten kernels within"});
  limits.columns.push_back("what binds it");  // the longest text stands last
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!meets_targets(all, i) || cost.bars.size() == kMostNamed) continue;
    const double c = all.number(i, kCost);
    cost.bars.push_back({all.text(i, kDeployment), 0, c, usd_an_hour(c),
                         fmt::format("{:.{}f} USD a million tokens", all.number(i, kCostTokens),
                                     all.number(i, kCostTokens) < 1 ? 3 : 2),
                         all.text(i, kFate) == "chosen" ? Tone::answer : Tone::rest});
    limits.rows.push_back({cell(all.text(i, kDeployment)), cell(all.text(i, kNode) + ", " + all.text(i, kEngine)),
                           cell(all.number(i, kTtft), "s"), cell(all.number(i, kTpot), "s")});
    if (!known.empty()) {
      const auto at = known.find(all.text(i, kNumber));
      const auto& [limiter, band] = at == known.end() ? std::pair<std::string, std::string>() : at->second;
      limits.rows.back().push_back(cell(limiter));
      limits.rows.back().push_back(cell(band));
    }
    limits.rows.back().push_back(cell(spaced(all.text(i, kReason))));
    least = std::min(least, c), most = std::max(most, c);
  }
  if (cost.bars.empty()) return;
  Section s;
  s.id = "cost";
  s.question = "What does it cost, and what limits it?";
  const std::string from = fmt::format("{:.2f}", least), to = fmt::format("{:.2f}", most);
  s.answer = apart(from, to, html("From {} to {} USD an hour for what meets the targets", strong(from), to),
                   html("All that meets the targets costs {} USD an hour", strong(from)));
  s.panels.push_back({"", "", bars(cost)});
  s.below = table_html(limits);
  s.sql = {q.sql("candidates")};
  if (!known.empty()) s.sql.push_back(q.sql("limiters"));
  page.sections.push_back(std::move(s));
}

/// What the words of the bars mean, of those that are there.
std::string meanings(const Rows& fates, const Rows& refused) {
  constexpr std::pair<std::string_view, std::string_view> kFates[] = {
      {"pruned", "not simulated, since by its bound it cannot be better than what was"},
      {"misses", "simulated, and misses a target"},
      {"illegal", "cannot be run"}};
  constexpr std::pair<std::string_view, std::string_view> kPools[] = {
      {"dominated", "usable, but another pool is no dearer and no slower, and carries as much"},
      {"dearer", "usable, but cheaper ones come before it"},
      {"behind", "usable and no dearer, but slower than the few of that price that were tried"},
      {"memory", "does not fit"}};
  std::string out;
  const auto say = [&](const Rows& rows, const auto& words) {
    for (std::size_t i = 0; i < rows.size(); ++i)
      for (const auto& [word, meaning] : words)
        if (rows.text(i, 0) == word) out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", word, meaning);
  };
  say(fates, kFates), say(refused, kPools);
  if (out.empty()) return out;
  out[0] = char(std::toupper(static_cast<unsigned char>(out[0])));
  return out + ".";
}

void add_fates(Page& page, const Queries& q) {
  auto [s, a, b, fates, refused] =
      why_fell(q, "deployments", "refused", "pools", "Pools in no deployment that was tried, by why",
               "pools in no deployment that was tried", kMostNamed);
  if (s.panels.empty()) return;
  double pools = 0, fell = 0;
  for (const Bar& bar : b.bars) pools += bar.to;
  for (const Bar& bar : a.bars) fell += bar.to;
  s.answer = html("{} deployments fell{}; {}", brief(fell),
                  a.bars.empty() ? html("") : html(", most as {}", strong(a.bars.front().label)),
                  refused.empty() ? html("every pool is in one that was tried")
                                  : html("{} pools are in none that was tried, most as {}", brief(pools),
                                         strong(refused.text(0, 0))));
  s.note = meanings(fates, refused);
  page.sections.push_back(std::move(s));
}

void add_variations(Page& page, const Queries& q) {
  const Rows rows = q.rows("variations");
  if (rows.empty()) return;
  Bars b;
  b.aria = "Cost an hour if the plan were another", b.label_name = "if", b.value_name = "USD an hour";
  DataTable answer{"Checks of the answer", {"what", "targets", "tightest"}, {}},
      ranked{"The cheapest over several seeds", {"deployment", "seeds that meet the targets", "over them"}, {}},
      others{"", {"what", "targets", "GPUs", "USD an hour", "tightest"}, {}},
      priceless{"If the plan were another, without a price", others.columns, {}},
      prices{"If its GPUs had another price", {"node", "GPUs", "the answer"}, {}};
  std::size_t checks = 0, held = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool met = rows.number(i, 2) > 0;
    const std::string tightest = spaced(rows.text(i, 5));
    if (rows.text(i, 0) == "check") {
      ++checks, held += met;
      answer.rows.push_back({cell(rows.text(i, 1)), cell(met ? "met" : "missed"), cell(tightest)});
      continue;
    }
    if (rows.text(i, 0) == "rank") {
      ranked.rows.push_back({cell(rows.text(i, 1)), cell(met ? "all" : "not all"), cell(tightest)});
      continue;
    }
    if (rows.text(i, 0) == "price") {
      prices.rows.push_back({cell(rows.text(i, 1)), cell(rows.number(i, 3)), cell(tightest)});
      continue;
    }
    const bool drawn = rows.text(i, 0) == "variation" && std::isfinite(rows.number(i, 4));
    (drawn ? others : priceless)
        .rows.push_back({cell(spaced(rows.text(i, 1))), cell(met ? "met" : "missed"), cell(rows.number(i, 3)),
                         cell(rows.number(i, 4)), cell(tightest)});
    if (drawn) {
      b.bars.push_back({spaced(rows.text(i, 1)), 0, rows.number(i, 4), usd_an_hour(rows.number(i, 4)), tightest,
                        met ? Tone::rest : Tone::alert});
    }
  }
  Section s;
  s.id = "variations";
  s.question = "Does it hold, and what if the plan were another?";
  s.answer = html("{} of {} checks of the answer meet the targets",
                  held == checks ? strong(fmt::to_string(held)) : bad(fmt::to_string(held)), checks);
  if (!answer.rows.empty()) s.above = table_html(answer);
  if (!ranked.rows.empty()) s.above += table_html(ranked);
  if (!b.bars.empty()) {
    s.panels.push_back({"USD an hour if the plan were another", "", bars(b)});
    s.panels.back().figure.table = others;  // the same rows, with GPUs and targets
  }
  if (!priceless.rows.empty()) s.below += table_html(priceless);
  if (!prices.rows.empty()) s.below += table_html(prices);
  s.sql = {q.sql("variations")};
  page.sections.push_back(std::move(s));
}

Html filtered(const DataTable& t, std::string_view id) {
  return html(
      "<p class=\"ctl\"><label>Only rows with <input type=\"search\" data-filter=\"{0}\"></label> <output "
      "id=\"{0}-n\"></output></p>{1}",
      id, table_html(t, id));
}

void add_ledger(Page& page, const Rows& all, const Queries& q) {
  constexpr std::size_t kMostRows = 2500;
  DataTable t{"",
              {"deployment", "on", "GPUs", "USD/h", "USD a million tokens", "tokens/s a GPU", "tokens/s a user",
               "TTFT p90", "TPOT p90", "fate", "reason"},
              {}};
  for (std::size_t i = 0; i < all.size() && i < kMostRows; ++i)
    t.rows.push_back({cell(all.text(i, kDeployment)), cell(all.text(i, kNode) + ", " + all.text(i, kEngine)),
                      cell(all.number(i, kGpus)), cell(all.number(i, kCost)), cell(all.number(i, kCostTokens)),
                      cell(all.number(i, kGpuRate)), cell(all.number(i, kUserRate)), cell(all.number(i, kTtft), "s"),
                      cell(all.number(i, kTpot), "s"), cell(all.text(i, kFate)), cell(spaced(all.text(i, kReason)))});
  const Rows pools = q.rows("pools");
  DataTable p{"",
              {"pool", "node", "engine", "role", "TP", "attention ranks", "requests", "tokens", "overlap", "GPUs",
               "requests/s", "step", "TPOT", "USD a request", "refused"},
              {}};
  for (std::size_t i = 0; i < pools.size() && i < kMostRows; ++i) {
    const bool used = pools.text(i, 15).empty();
    p.rows.push_back({cell(pools.text(i, 0)), cell(pools.text(i, 1)), cell(pools.text(i, 2)), cell(pools.text(i, 3)),
                      cell(pools.number(i, 4)), cell(pools.number(i, 5)), cell(pools.number(i, 7)),
                      cell(pools.number(i, 8)), cell(pools.text(i, 9)), cell(pools.number(i, 10)),
                      used ? cell(pools.number(i, 11)) : Cell{}, used ? cell(pools.number(i, 12), "s") : Cell{},
                      used ? cell(pools.number(i, 13), "s") : Cell{}, cell(pools.number(i, 14)),
                      cell(pools.text(i, 15))});
  }
  Section s;
  s.id = "ledger";
  s.question = "What else was tried?";
  s.answer = html("{} deployments of {} pools", brief(double(all.size())), brief(double(pools.size())));
  if (std::max(all.size(), pools.size()) > kMostRows)
    s.note = fmt::format("Of each the first {}; the tables candidate and candidate_pool have all.", kMostRows);
  s.below = html("<h3>Deployments</h3>{}<details class=\"screen\"><summary>Pools, in closed form</summary>{}</details>",
                 filtered(t, "ledger-rows"), filtered(p, "pool-rows"));
  s.sql = {q.sql("candidates"), q.sql("pools")};
  page.sections.push_back(std::move(s));
}
}  // namespace

namespace {
/// "; over seeds 34.5 % +- 13.5", where several were tried.
std::string headroom_over_seeds(const Queries& q) {
  constexpr std::string_view kBefore = "headroom ";
  const Rows rows = q.rows("variations");
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (rows.text(i, 0) == "rank" && rows.text(i, 5).starts_with(kBefore))
      return "; over seeds " + rows.text(i, 5).substr(kBefore.size());
  return "";
}
}  // namespace

Page size_page(const Facts& f, const results::Database& db) {
  const Queries q = Queries::of(db, "size");
  std::vector<std::string> pools = f.parts("pool:");
  for (std::string& p : pools) p = "pool:" + p;
  Page page = begun_page(f, q, pools);
  const Rows chosen = q.rows("chosen"), all = q.rows("candidates");
  if (chosen.empty()) {
    page.headline = html("{} of the {} deployments tried meets the targets", bad("None"), brief(double(all.size())));
  } else {
    page.headline =
        html("{} {} of {} serve it for {}: {}", brief(chosen.number(0, 3)), chosen.number(0, 3) == 1 ? "GPU" : "GPUs",
             chosen.text(0, 1), strong(usd_an_hour(chosen.number(0, 5))), chosen.text(0, 0));
    const auto key = [&](std::string label, int column, std::string_view name, std::string shown, std::string beside) {
      page.keys.push_back(
          {std::move(label), std::move(shown), std::move(beside), "", "", chosen.number(0, std::size_t(column)),
           fmt::format("SELECT {} FROM candidate WHERE fate = 'chosen' ORDER BY candidate LIMIT 1", name)});
    };
    key("Cost an hour", 5, "cost_per_hour", fmt::format("{:.2f} USD", chosen.number(0, 5)), "");
    key("A million tokens", 6, "cost_per_million_tokens", fmt::format("{:.2f} USD", chosen.number(0, 6)),
        "prompts and answers");
    key("A user", 8, "tokens_per_user_second", results::pretty(chosen.number(0, 8), "tokens/s"), "");
    key("Headroom", 10, "headroom", fmt::format("{:.1f} %", 100 * chosen.number(0, 10)),
        spaced(chosen.text(0, 9)) + headroom_over_seeds(q));
  }
  add_front(page, f, all, q);
  add_cost(page, all, q);
  add_variations(page, q);
  if (!pools.empty()) {  // the answer, simulated once more
    const Queries answer = Queries::of(db, "serving");
    add_limits(page, f, answer);
    add_pool_memory(page, f, answer);
    add_latency(page, f, answer);
  }
  add_fates(page, q);
  add_ledger(page, all, q);
  return page;
}
}  // namespace moesim::pages
