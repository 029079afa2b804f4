#include "pages/studies/mapping_others.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace moesim::pages {
namespace {
constexpr std::size_t kMostReasons = 16;
}  // namespace

void add_mapping_scaling(Page& page, const LongUnit& unit, const Facts& f, const Queries& q) {
  const Rows rows = q.rows("scaling");
  std::map<std::string, std::map<double, double>> kinds;
  std::map<double, bool> numbers;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!std::isfinite(rows.number(i, 1)) || !std::isfinite(rows.number(i, 2))) continue;
    kinds[rows.text(i, 0)][rows.number(i, 1)] = rows.number(i, 2);
    numbers[rows.number(i, 1)] = true;
  }
  if (numbers.size() < 2) return;
  Lines l;
  l.aria = "Time by number of GPUs";
  l.x_name = "GPUs", l.y_name = unit.name + ", the fastest mapping";
  for (const auto& [n, there] : numbers) l.x.push_back(n);
  for (const auto& [kind, days] : kinds) {
    if (l.series.size() == 5) break;
    Lines::Series& s = l.series.emplace_back();
    s.name = kind;
    for (const double n : l.x) s.y.push_back(days.contains(n) ? unit.a_day * days.at(n) : NAN);
  }
  if (const double limit = std::strtod(f.setting("size.targets.days").c_str(), nullptr); limit > 0)
    l.at_y.push_back({unit.a_day * limit, "target " + unit.text(limit)});
  Section s;
  s.id = "scaling";
  s.question = "How many GPUs does it take?";
  const auto& [kind, days] = *kinds.begin();
  const auto first = days.begin(), last = std::prev(days.end());
  const std::string few = unit.text(first->second), many = unit.text(last->second);
  s.answer = apart(
      few, many, html("{} GPUs of {} take {}, {} take {}", first->first, kind, few, last->first, strong(many)),
      first == last ? html("{} GPUs of {} take {}", first->first, kind, strong(few))
                    : html("{} GPUs of {} take {}, and {} take as long", first->first, kind, strong(few), last->first));
  s.panels.push_back({"", "", lines(l)});
  s.note = "The fastest mapping of each number of GPUs that was simulated, without interruptions.";
  s.sql = {q.sql("scaling")};
  page.sections.push_back(std::move(s));
}

void add_mapping_fates(Page& page, const Queries& q) {
  Fates fates = why_fell(q, "mappings", "reasons", "mappings", "Mappings by why they fell", "reasons", kMostReasons);
  Section& s = fates.section;
  const Rows& reasons = fates.reasons;
  if (s.panels.empty()) return;
  DataTable t{"One example of each", {"why", "mappings", "for example"}, {}};
  for (std::size_t i = 0; i < reasons.size() && i < kMostReasons; ++i)
    t.rows.push_back({cell(reasons.text(i, 0)), cell(reasons.number(i, 1)), cell(reasons.text(i, 2))});
  s.answer = reasons.empty()
                 ? html("None fell")
                 : html("Most fell for this: {}, {} mappings", strong(reasons.text(0, 0)), reasons.text(0, 1));
  if (!t.rows.empty()) s.below = table_html(t);
  page.sections.push_back(std::move(s));
}
}  // namespace moesim::pages
