#include "pages/studies/training_stages.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "pages/studies/common.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
constexpr std::size_t kMostParts = 64;  // of memory; a run has ten

/// rows: (stage, part, value), stages ascending.
Stacks by_stage(const Rows& rows, std::size_t most) {
  std::vector<std::string> names;
  std::map<std::string, std::size_t> places;
  std::map<int, std::vector<double>> stages;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (names.size() == kMostParts && !places.contains(rows.text(i, 1))) continue;
    if (places.emplace(rows.text(i, 1), names.size()).second) names.push_back(rows.text(i, 1));
    std::vector<double>& values = stages[rows.whole(i, 0)];
    values.resize(std::max(values.size(), names.size()), 0.0);
    values[places[rows.text(i, 1)]] += rows.number(i, 2);
  }
  std::vector<double> sizes(names.size(), 0);
  for (auto& [stage, values] : stages) {
    values.resize(names.size(), 0.0);
    for (std::size_t p = 0; p < names.size(); ++p) sizes[p] += values[p];
  }
  const Parts parts = largest_parts(names, sizes, most);
  Stacks out;
  out.label_name = "stage";
  for (std::size_t p = 0; p < parts.names.size(); ++p)
    out.parts.emplace_back(words_of(parts.names[p]), tone_of_part(p));
  for (const auto& [stage, values] : stages) {
    if (out.stacks.size() == kMostStages) break;
    Stack& stack = out.stacks.emplace_back();
    stack.label = fmt::to_string(stage);
    for (const std::vector<std::size_t>& members : parts.members) {
      double sum = 0;
      for (const std::size_t m : members) sum += values[m];
      stack.parts.push_back(sum);
    }
  }
  return out;
}
double sum_of(const Stack& s) {
  double sum = 0;
  for (const double p : s.parts) sum += p;
  return sum;
}

}  // namespace

void add_memory(Page& page, const Facts& f, const Queries& q) {
  Stacks k = by_stage(q.rows("memory"), 5);
  if (k.stacks.empty()) return;
  k.unit = "B";
  k.aria = "Memory of a GPU by stage";
  const std::optional<double> holds = gpu_memory(f);
  if (holds) k.limits.push_back({*holds, fmt::format("what a GPU holds: {}", results::pretty(*holds, "B"))});
  std::size_t fullest = 0;
  for (std::size_t i = 0; i < k.stacks.size(); ++i) {
    k.stacks[i].shown = results::pretty(sum_of(k.stacks[i]), "B");
    if (sum_of(k.stacks[i]) > sum_of(k.stacks[fullest])) fullest = i;
  }
  const Stack& top = k.stacks[fullest];
  const std::size_t part = std::size_t(std::ranges::max_element(top.parts) - top.parts.begin());
  Section s;
  s.id = "memory";
  s.question = "Does it fit, and what fills it?";
  s.answer = html("The fullest GPU, of stage {}, needs {}{}; {} are {} of it", top.label, strong(top.shown),
                  holds ? fmt::format(" of {}", results::pretty(*holds, "B")) : "", k.parts[part].first,
                  share_text(top.parts[part] / sum_of(top)));
  s.note = "At the moment when the GPU holds most. A reserve for driver and context is left out of what a GPU holds.";
  s.panels.push_back({"", "", stacks(k)});
  s.sql = {q.sql("memory")};
  page.sections.push_back(std::move(s));
}

namespace {
/// rows: (stage, kind of time, seconds), stages ascending; in the order in which a step is thought of.
Stacks times_by_stage(const Rows& rows) {
  constexpr std::pair<std::string_view, Tone> kTimes[] = {
      {"forward", Tone::kind1},  {"overlapped", Tone::answer},
      {"backward", Tone::kind2}, {"weight", Tone::kind4},
      {"optimizer", Tone::ink},  {"host", Tone::rest},
      {"bubble", Tone::faint},   {"exposed_communication", Tone::alert}};
  std::map<int, std::map<std::string, double>> stages;
  std::map<std::string, double> sums;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    stages[rows.whole(i, 0)][rows.text(i, 1)] += rows.number(i, 2);
    sums[rows.text(i, 1)] += rows.number(i, 2);
  }
  Stacks out;
  out.label_name = "stage";
  for (const auto& [name, tone] : kTimes)
    if (sums[std::string(name)] > 0) out.parts.emplace_back(words_of(name), tone);
  for (auto& [stage, times] : stages) {
    if (out.stacks.size() == kMostStages) break;
    Stack& stack = out.stacks.emplace_back();
    stack.label = fmt::to_string(stage);
    for (const auto& [name, tone] : kTimes)
      if (sums[std::string(name)] > 0) stack.parts.push_back(times[std::string(name)]);
  }
  return out;
}

}  // namespace

void add_stages(Page& page, const Facts& f, const Queries& q) {
  const Rows rows = q.rows("stages");
  Stacks k = times_by_stage(rows);
  if (k.stacks.size() < 2) return;
  k.unit = "s";
  k.full = f.value("step_time");
  k.aria = "Time of a GPU by stage";
  std::map<int, double> busy;
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (rows.text(i, 1) != "bubble" && rows.text(i, 1) != "exposed_communication")
      busy[rows.whole(i, 0)] += rows.number(i, 2);
  for (Stack& stack : k.stacks) stack.shown = results::pretty(busy[std::stoi(stack.label)], "s");
  const auto [least, most] = std::ranges::minmax_element(busy, {}, [](const auto& x) { return x.second; });
  Section s;
  s.id = "stages";
  s.question = "Is the work even over the stages?";
  const std::string longest = results::pretty(most->second, "s"), shortest = results::pretty(least->second, "s");
  const auto alike =
      std::ranges::count_if(busy, [&](const auto& b) { return results::pretty(b.second, "s") == longest; });
  s.answer = apart(longest, shortest,
                   html("{} longest, {}; stage {} least, {}",
                        alike > 1 ? fmt::format("{} stages, {} among them, compute", alike, most->first)
                                  : fmt::format("Stage {} computes", most->first),
                        strong(longest), least->first, shortest),
                   html("All {} stages compute {}", busy.size(), strong(longest)));
  s.panels.push_back({"", "", stacks(k)});
  s.note = "Means over each stage's GPUs; at the right, how long they compute.";
  s.sql = {q.sql("stages")};
  page.sections.push_back(std::move(s));
}

}  // namespace moesim::pages
