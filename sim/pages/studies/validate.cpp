// What others measured beside what scenarios give.
#include <algorithm>
#include <cmath>

#include "core/config.h"
#include "pages/studies/common.h"
#include "pages/studies/plan.h"
#include "pages/studies/studies.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
// Columns of the query `figures`.
enum Column {
  kScenario,
  kTitle,
  kName,
  kScope,
  kUnit,
  kPublished,
  kSimulated,
  kError,
  kSource,
  kMedian,
  kP90,
  kBorrowed
};

std::string figure_name(const Rows& all, std::size_t i) {
  const std::string& scope = all.text(i, kScope);
  return spaced(all.text(i, kName)) +
         (scope == "run" ? "" : " of " + (scope.starts_with("placement:") ? plan_of(scope).name() : scope));
}

/// What `share` of the sorted absolute errors stay within.
double within(const std::vector<double>& sorted, double share) {
  return sorted[std::size_t(share * double(sorted.size() - 1) + 0.5)];
}
/// Of an even number the mean of the middle two, as `moesim validate` has it.
double median_of(const std::vector<double>& sorted) {
  return (sorted[(sorted.size() - 1) / 2] + sorted[sorted.size() / 2]) / 2;
}

std::vector<double> absolute_errors(const Rows& all) {
  std::vector<double> out;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (std::isfinite(all.number(i, kError))) out.push_back(std::fabs(all.number(i, kError)));
  std::ranges::sort(out);
  return out;
}

/// Of one kind: throughputs say more where errors have a sign.
void add_errors(Page& page, const Rows& all, const Queries& q) {
  Errors e;
  e.aria = "Error of each published figure";
  e.label_name = "figure";
  double low = INFINITY, high = -INFINITY;
  std::size_t inside = 0, known = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double error = all.number(i, kError), p90 = all.number(i, kP90);
    low = std::min(low, error), high = std::max(high, error);
    if (std::isfinite(p90)) ++known, inside += std::fabs(error) <= p90;
    e.rows.push_back({fmt::format("{}: {}", all.text(i, kScenario), figure_name(all, i)),
                      results::pretty(all.number(i, kPublished), all.text(i, kUnit)),
                      results::pretty(all.number(i, kSimulated), all.text(i, kUnit)), error, all.number(i, kMedian),
                      p90});
  }
  Section s;
  s.id = "errors";
  s.question = "How far off is each figure?";
  const std::string from = fmt::format("{:+.1f} %", 100 * low), to = fmt::format("{:+.1f} %", 100 * high);
  s.answer = apart(from, to, html("Errors go from {} to {}", bad(from), bad(to)), html("The error is {}", bad(from)));
  if (known > 0)
    s.answer += html("; {} of {} are within what nine of ten of their single kernels are within{}",
                     strong(fmt::to_string(inside)),
                     known == all.size() ? fmt::format("all {} figures", known)
                                         : fmt::format("the {} figures whose kernels were measured", known),
                     known == all.size() ? "" : fmt::format("; the other {} have no such band", all.size() - known));
  s.panels.push_back({"", "", errors(e)});
  s.note =
      "Grey bands: half (dark) and nine of ten (light) of the single kernels that were measured are so near to the "
      "equations of that run. A deployment can be nearer, as kernels' errors cancel, or further, as it is more than "
      "kernels. Above 0 the run gives more than was published. Errors beyond 100 % stand at the edge.";
  s.sql = {q.sql("figures")};
  page.sections.push_back(std::move(s));
}

/// Sources by their name up to the first comma or colon, in order.
void add_sources(Page& page, const Rows& all, const Queries& q) {
  std::vector<std::pair<std::string, std::vector<double>>> sources;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string& source = all.text(i, kSource);
    const std::string name = source.substr(0, std::min(source.find(", "), source.find(": ")));
    auto at = std::ranges::find(sources, name, [](const auto& s) { return s.first; });
    if (at == sources.end()) at = sources.insert(at, {name, {}});
    if (std::isfinite(all.number(i, kError))) at->second.push_back(std::fabs(all.number(i, kError)));
  }
  Bars b;
  b.aria = "Median error by source", b.label_name = "source", b.value_name = "median error";
  std::string worst;
  double most = -1;
  for (auto& [name, errors] : sources) {
    if (errors.empty()) continue;
    std::ranges::sort(errors);
    const double median = median_of(errors);
    if (median > most) most = median, worst = name;
    b.bars.push_back(
        {name, 0, median, share_text(median),
         fmt::format("{} figure{}, worst {}", errors.size(), errors.size() == 1 ? "" : "s", share_text(errors.back())),
         Tone::rest});
  }
  Section s;
  s.id = "sources";
  s.question = "Whose figures are met, and whose not?";
  s.answer = html("Furthest off is {}, by {} in the middle", bad(worst), share_text(most));
  s.panels.push_back({"", "", bars(b)});
  s.sql = {q.sql("figures")};
  page.sections.push_back(std::move(s));
}

void add_table(Page& page, const Rows& all, const Queries& q) {
  DataTable t{"",
              {"scenario", "figure", "published", "simulated", "error", "kernels, half within", "nine of ten within",
               "kernel time borrowed", "source"},
              {}};
  const auto share = [](double v) { return std::isfinite(v) ? Cell{share_text(v), v} : Cell{}; };
  for (std::size_t i = 0; i < all.size(); ++i)
    t.rows.push_back({cell(all.text(i, kScenario)),
                      cell(figure_name(all, i)),
                      cell(all.number(i, kPublished), all.text(i, kUnit)),
                      cell(all.number(i, kSimulated), all.text(i, kUnit)),
                      {fmt::format("{:+.1f} %", 100 * all.number(i, kError)), all.number(i, kError)},
                      share(all.number(i, kMedian)),
                      share(all.number(i, kP90)),
                      share(all.number(i, kBorrowed)),
                      cell(all.text(i, kSource))});
  Section s;
  s.id = "figures";
  s.question = "What was published, and where?";
  s.answer = html("{} figures", all.size());
  s.below = html(
      "<p class=\"ctl\"><label>Only rows with <input type=\"search\" data-filter=\"figure-rows\"></label> <output "
      "id=\"figure-rows-n\"></output></p>{}",
      table_html(t, "figure-rows"));
  s.sql = {q.sql("figures")};
  page.sections.push_back(std::move(s));
}
/// With the errors of kernels of the scenario that is furthest off by them.
Facts with_kernels(Facts f, const Rows& all) {
  for (const auto& [name, column] : {std::pair("kernel_error_median", kMedian), {"kernel_error_p90", kP90}})
    for (std::size_t i = 0; i < all.size(); ++i)
      if (const double v = all.number(i, column); std::isfinite(v)) {
        Value& most = f.metrics[{"run", name}];
        most.value = std::max(most.value, v);
      }
  return f;
}
}  // namespace

Page validate_page(const Facts& f, const results::Database& db) {
  const Queries q = Queries::of(db, "validate");
  const Rows all = q.rows("figures");
  Page page = begun_page(with_kernels(f, all), q, {"run"});
  const std::vector<double> errors = absolute_errors(all);
  if (errors.empty()) throw ConfigError(fmt::format("{}: none of its figures can be compared", db.file()));
  std::size_t scenarios = 0;
  for (std::size_t i = 0; i < all.size(); ++i)
    scenarios += i == 0 || all.text(i, kScenario) != all.text(i - 1, kScenario);
  page.headline = html("Of {} published figures half are met within {}, nine of ten within {}", all.size(),
                       strong(share_text(median_of(errors))), strong(share_text(within(errors, 0.9))));
  const auto key = [&](std::string label, double value, std::string shown, std::string beside, std::string sql) {
    page.keys.push_back({std::move(label), std::move(shown), std::move(beside), "", "", value, std::move(sql)});
  };
  key("Figures", double(all.size()), fmt::to_string(all.size()), "", "SELECT count(*) FROM validation");
  key("Scenarios", double(scenarios), fmt::to_string(scenarios), "", "SELECT count(DISTINCT scenario) FROM validation");
  const double near = double(std::ranges::count_if(errors, [](double e) { return e <= 0.1; })) / double(errors.size());
  key("Within 10 %", near, fmt::format("{:.1f} %", 100 * near), "of the figures",
      "SELECT avg(abs(simulated / published - 1) <= 0.1) FROM validation");
  key("Worst", errors.back(), fmt::format("{:.1f} %", 100 * errors.back()), "either way",
      "SELECT max(abs(simulated / published - 1)) FROM validation");
  page.assumed.push_back(html(
      "<b>not fitted</b>: kernels and networks are fitted to measurements of single kernels and single collectives; "
      "nothing is fitted to a figure of this page"));
  add_errors(page, all, q);
  add_sources(page, all, q);
  add_table(page, all, q);
  return page;
}
}  // namespace moesim::pages
