// Cross tables: plans by what they were made from, in rows, and what they were scored on, in columns.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "placing/place.h"
#include "results/summary.h"

namespace moesim::placing {
namespace {
/// The values of one member of the rows, each once, in order.
std::vector<std::string> names(const std::vector<PlaceRow>& rows, std::string PlaceRow::*member) {
  std::vector<std::string> out;
  for (const PlaceRow& r : rows)
    if (std::ranges::find(out, r.*member) == out.end()) out.push_back(r.*member);
  return out;
}

struct Figure {
  const char* title;
  std::function<std::string(const PlaceRow&)> text;
};

std::string cross_table(const PlaceResult& result, const std::vector<std::string>& planned,
                        const std::vector<std::string>& scored, const Figure& figure) {
  std::vector<std::string> header{figure.title, "slots", "planned on"};
  for (const std::string& name : scored) header.push_back("on " + name);
  results::TextTable table(header);
  std::vector<std::pair<std::string, int>> plans;  // strategy and slots, in order
  for (const PlaceRow& r : result.rows)
    if (std::ranges::find(plans, std::pair(r.strategy, r.slots)) == plans.end()) plans.push_back({r.strategy, r.slots});
  for (const auto& [strategy, slots] : plans)
    for (const std::string& from : planned) {
      std::vector<std::string> line{strategy, fmt::to_string(slots), from};
      bool any = false;
      for (const std::string& on : scored) {
        const auto row = std::ranges::find_if(result.rows, [&](const PlaceRow& r) {
          return r.strategy == strategy && r.slots == slots && r.planned_on == from && r.scored_on == on;
        });
        any = any || row != result.rows.end();
        line.push_back(row == result.rows.end() ? "-" : figure.text(*row));
      }
      if (any) table.add(line);
    }
  return table.text();
}
}  // namespace

std::string cross_tables(const PlaceResult& result) {
  const std::vector<std::string> planned = names(result.rows, &PlaceRow::planned_on),
                                 scored = names(result.rows, &PlaceRow::scored_on);
  if (scored.size() < 2) return "";
  const Figure balance{
      "mean/max", [](const PlaceRow& r) { return fmt::format("{:.3f}{}", r.score.balancedness, r.own ? " own" : ""); }};
  const Figure regret{"regret", [](const PlaceRow& r) { return fmt::format("{:.1f} %", r.score.gap * 100); }};
  return "\nplanned on one workload, scored on another (own: among what was planned from)\n" +
         cross_table(result, planned, scored, balance) +
         "\nregret: the slowest GPU over what no placement of the scored load can be below\n" +
         cross_table(result, planned, scored, regret);
}
}  // namespace moesim::placing
