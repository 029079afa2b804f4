// Sections of a training page that go along time: memory within a step, what interrupts a whole run.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>

#include "pages/studies/common.h"
#include "pages/studies/training_stages.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
constexpr std::size_t kSlots = 100;  // of a step, across the map

struct InUse {
  std::vector<double> time, bytes;  // a reading at the end of each instruction
};

/// Which of so many equal parts of [0, whole] a moment is in; the first for what is no number.
std::size_t part_of(double moment, double whole, std::size_t parts) {
  const double place = moment / whole * double(parts);
  return place >= 1 ? std::size_t(std::min(place, double(parts - 1))) : 0;
}

std::map<int, InUse> in_use_of(const Rows& rows) {
  std::map<int, InUse> out;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    InUse& stage = out[rows.whole(i, 0)];
    stage.time.push_back(rows.number(i, 1));
    stage.bytes.push_back(rows.number(i, 2));
  }
  return out;
}

/// The most in each slot; what was last read where nothing ended in it.
std::vector<double> by_slot(const InUse& stage, double step) {
  std::vector<double> out(kSlots, NAN);
  for (std::size_t i = 0; i < stage.time.size(); ++i) {
    const std::size_t slot = part_of(stage.time[i], step, kSlots);
    out[slot] = std::isfinite(out[slot]) ? std::max(out[slot], stage.bytes[i]) : stage.bytes[i];
  }
  double last = stage.bytes.empty() ? NAN : stage.bytes.front();
  for (double& v : out) v = std::isfinite(v) ? (last = v) : last;
  return out;
}

/// What stays all the time in a stage's GPU, summed from below: weights, and so on.
std::vector<std::pair<std::string, double>> layers_of(const Rows& memory, int stage) {
  std::vector<std::pair<std::string, double>> out;
  for (std::size_t i = 0; i < memory.size(); ++i)
    if (memory.whole(i, 0) == stage && memory.text(i, 1) != "activations in flight" && memory.number(i, 2) > 0)
      out.emplace_back(words_of(memory.text(i, 1)), memory.number(i, 2));
  std::ranges::stable_sort(out, std::greater{}, [](const auto& p) { return p.second; });
  return out;
}

/// One stage: what stays bucket by bucket, and what is in flight above that.
Figure stage_lines(const InUse& use, const Rows& memory, int stage, double step, std::optional<double> holds) {
  const std::vector<std::pair<std::string, double>> parts = layers_of(memory, stage);
  Lines l;
  l.aria = fmt::format("Memory of a GPU of stage {} over a step", stage);
  l.x_name = "time in the step", l.x_unit = "s", l.y_name = "bytes in use", l.y_unit = "B";
  l.height = 176;
  const std::vector<double> slots = by_slot(use, step);
  for (std::size_t i = 0; i < kSlots; ++i) l.x.push_back(step * (double(i) + 0.5) / double(kSlots));
  l.series.push_back({"+ activations in flight", slots});
  double below = 0;
  std::vector<Lines::Series> kept;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    below += parts[p].second;
    const bool last = p + 1 == parts.size();
    if (p < 2 || last)
      kept.push_back({p == 0  ? parts[p].first
                      : p > 2 ? "+ all else that stays"
                              : "+ " + parts[p].first,
                      std::vector<double>(kSlots, below)});
  }
  std::ranges::reverse(kept);
  l.series.insert(l.series.end(), kept.begin(), kept.end());
  if (holds) l.at_y.push_back({*holds, "what a GPU holds: " + results::pretty(*holds, "B")});
  return lines(l);
}
}  // namespace

void add_memory_over_time(Page& page, const Facts& f, const Queries& q) {
  const std::map<int, InUse> stages = in_use_of(q.rows("memory_over_time"));
  const double step = f.value("step_time");
  if (stages.empty() || !(step > 0)) return;
  const Rows memory = q.rows("memory");
  const std::optional<double> holds = gpu_memory(f);
  Heat h;
  h.aria = "Memory in use by stage over a step";
  h.row_name = "stage", h.column_name = "time in the step", h.until = step, h.unit = "GB";
  h.steps = Heat::Steps::share;
  h.cell_height = stages.size() > 24 ? 8 : 16;
  int fullest = stages.begin()->first, swings = fullest;
  double most = 0, widest = -1, early = 0;
  for (const auto& [stage, use] : stages) {
    if (h.rows.size() == kMostStages) break;
    h.rows.push_back(fmt::to_string(stage));
    const std::vector<double> slots = by_slot(use, step);
    const auto low = std::ranges::min_element(slots), high = std::ranges::max_element(slots);  // the first of each
    if (*high > most) most = *high, fullest = stage, early = double(high - slots.begin()) / double(kSlots);
    if (*high - *low > widest) widest = *high - *low, swings = stage;
    for (const double v : slots) h.values.push_back(v * 1e-9);
  }
  for (std::size_t i = 0; i < kSlots; ++i)
    h.columns.push_back(fmt::format("{:.3g} s", step * double(i) / double(kSlots)));
  const auto [low, high] = std::ranges::minmax(h.values);
  h.low = low, h.high = high + 1e-9;
  Section s;
  s.id = "memory-time";
  s.question = "When is memory full?";
  s.answer = html("Of the stages' first GPUs that of stage {} is fullest, with {} after {} of the step; {} by {}",
                  fullest, strong(results::pretty(most, "B")), share_text(early),
                  swings == fullest ? std::string("within the step it goes up and down")
                                    : fmt::format("stage {} goes up and down most,", swings),
                  results::pretty(widest, "B"));
  s.columns = 2;
  s.panels.push_back({"", fmt::format("GB, from {:.3g} (faint) to {:.3g}", low, high), heat(h), true});
  s.panels.push_back(
      {fmt::format("stage {}", fullest), "", stage_lines(stages.at(fullest), memory, fullest, step, holds)});
  const int other = swings != fullest ? swings : stages.rbegin()->first;
  if (other != fullest)
    s.panels.push_back({fmt::format("stage {}", other), "", stage_lines(stages.at(other), memory, other, step, holds)});
  s.note =
      "The first GPU of each stage in the first replica, in the first step; the fullest GPU of all, above, may be "
      "another. A cell has the most of its hundredth of the step. Lines stand on each other, the largest bucket below.";
  s.sql = {q.sql("memory_over_time"), q.sql("memory")};
  page.sections.push_back(std::move(s));
}

namespace {
/// Hours lost in each stretch of the run, by why.
Figure lost_by_stretch(const Rows& rows, double whole, const LongUnit& unit) {
  constexpr std::size_t kStretches = 16;
  Stacks k;
  k.aria = "Time lost by part of the run", k.label_name = unit.name, k.unit = "s";
  k.parts = {{"work done again", Tone::alert}, {"waiting for a repair", Tone::rest}, {"restarting", Tone::part}};
  std::vector<std::array<double, 3>> lost(kStretches);
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t p = 0; p < 3; ++p) lost[part_of(rows.number(i, 0), whole, kStretches)][p] += rows.number(i, 3 + p);
  for (std::size_t i = 0; i < kStretches; ++i) {
    Stack& stack = k.stacks.emplace_back();
    const double length = whole / 86400 * unit.a_day / double(kStretches);
    stack.label = fmt::format("{:.3g} to {:.3g}", double(i) * length, double(i + 1) * length);
    stack.parts.assign(lost[i].begin(), lost[i].end());
    stack.shown = results::pretty(lost[i][0] + lost[i][1] + lost[i][2], "s");
  }
  return stacks(k);
}

/// Tokens trained and kept, at each interruption; `rate`: a second while nothing interrupts.
Figure tokens_over_time(const Rows& rows, double whole, double tokens, double rate, const LongUnit& unit) {
  constexpr std::size_t kMostPoints = 2000;
  Lines l;
  l.aria = "Tokens trained over the run";
  l.x_name = unit.name, l.y_name = "tokens trained", l.y_unit = "tokens";
  l.series = {{"as it goes", {0}}, {"without interruptions", {0}}};
  l.x = {0};
  for (std::size_t i = 0; i < rows.size() && l.x.size() < kMostPoints; ++i) {
    const double at = rows.number(i, 0);
    if (!std::isfinite(at)) continue;
    l.x.push_back(at / 86400 * unit.a_day);
    l.series[0].y.push_back(rows.number(i, 2));
    l.series[1].y.push_back(std::min(tokens, rate * at));
  }
  l.x.push_back(whole / 86400 * unit.a_day);
  for (Lines::Series& s : l.series) s.y.push_back(tokens);
  return lines(l);
}
}  // namespace

void add_incidents(Page& page, const Facts& f, const Queries& q) {
  if (!q.db().has_table("incident")) return;
  const Rows rows = q.rows("incidents");
  const double whole = f.value("run_days") * 86400, tokens = f.value("run_tokens");
  if (rows.empty() || !(whole > 0)) return;
  double longest = 0;
  DataTable t{"", {"time", "what", "trained by then", "work done again", "waiting", "restart"}, {}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    longest = std::max(longest, rows.number(i, 3) + rows.number(i, 4) + rows.number(i, 5));
    t.rows.push_back({cell(rows.number(i, 0), "s"), cell(rows.text(i, 1)), cell(rows.number(i, 2), "tokens"),
                      cell(rows.number(i, 3), "s"), cell(rows.number(i, 4), "s"), cell(rows.number(i, 5), "s")});
  }
  Section s;
  s.id = "incidents";
  s.question = "What interrupts the run?";
  s.columns = 2;
  s.answer = html("{} interruptions; the worst costs {}", strong(fmt::to_string(rows.size())),
                  bad(results::pretty(longest, "s")));
  const LongUnit unit = long_unit(f, NAN);
  s.panels.push_back({"time lost, by " + unit.name + " of the run", "", lost_by_stretch(rows, whole, unit)});
  s.panels.push_back(
      {"tokens trained", "", tokens_over_time(rows, whole, tokens, tokens / (whole * f.value("run_goodput")), unit)});
  s.below = html(
      "<details class=\"screen\"><summary>Every interruption</summary><p class=\"ctl\"><label>Only rows with <input "
      "type=\"search\" data-filter=\"incident-rows\"></label> <output "
      "id=\"incident-rows-n\"></output></p>{}</details>",
      table_html(t, "incident-rows"));
  s.note =
      "Drawn at random from the mean times between failures that the scenario gives: another seed has others. "
      "Checkpoints stand above, in what the whole run takes.";
  s.sql = {q.sql("incidents")};
  page.sections.push_back(std::move(s));
}
}  // namespace moesim::pages
