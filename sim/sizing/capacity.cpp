#include "sizing/capacity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "runs/parallel.h"

namespace moesim::sizing {

int Capacity::find(int jobs) {
  int low = 0, high = kSteps / 4;
  look_at(low, high, kShort, jobs);
  bracket(low, high, kShort, kSteps / 4);
  bisect(low, high, kShort, kSteps / 8);
  return decide(low, high, jobs);
}

std::optional<int> Capacity::find_above(int least, int low, int high) {
  for (int by = width(low); !meets(low, kMiddle) || !meets(low, kLong); by *= 2) {
    if (low <= least) return std::nullopt;
    high = low, low = std::max(least, low - by);
  }
  if (!is_decided(high)) bracket(low, high, kLong, width(low));
  bisect(low, high, kLong, width(low));
  return low;
}

int Capacity::find_beyond(int from, double times) {
  const int least = from + 2 * width(from), likely = int((load_of(from) * times * kLikely - 1) * kSteps);
  int low = least;
  if (likely > least && likely <= kMost && meets(likely, kLong))
    low = likely;
  else if (least > kMost || !meets(least, kLong))
    return from;
  int high = std::min(low + 2 * width(low), kMost);
  bracket(low, high, kLong, 2 * width(low));
  bisect(low, high, kLong, 2 * width(low));
  return low;
}

std::optional<Capacity::Beyond> Capacity::missed_beyond(int found) const {
  const Seen* first = nullptr;
  int at = 0;
  for (const auto& [step_and_window, seen] : seen_) {
    const int step = step_and_window.first;
    if (step <= found || seen.met) continue;
    if (first != nullptr && step > at) break;
    first = &seen, at = step;  // the longest of its windows says most
  }
  if (first == nullptr) return std::nullopt;
  return Beyond{load_of(at), first->missed};
}

/// What is known of this load on a window at least so long; null: nothing.
const Capacity::Seen* Capacity::known(int step, double stretch) const {
  // Where the plan bounds it, a longer window is the same.
  const auto at = seen_.lower_bound({step, trial_for(plan_, end_, stretch, load_of(step)).duration});
  return at != seen_.end() && at->first.first == step ? &at->second : nullptr;
}

bool Capacity::meets(int step, double stretch) {
  if (step < kLeast || step > kMost) return step < kLeast;
  if (const Seen* seen = known(step, stretch)) return seen->met;
  const Verdict v = verdict(step, stretch);
  note(step, v);
  return v.met;
}

Verdict Capacity::verdict(int step, double stretch) const {
  return judge_once(plan_, deployment_, {.end_to_end = end_, .load = load_of(step), .stretch = stretch});
}

void Capacity::note(int step, const Verdict& v) {
  seen_[{step, v.trial.duration}] = {v.met, v.used() > kFar || v.figures.piled_up > 0,
                                     v.met ? "" : text_of(*tightest(v.standings))};
}

void Capacity::look_at(int low, int high, double stretch, int jobs) {
  const std::array steps{low, high};
  std::array<std::optional<Verdict>, 2> seen;
  runs::run_all("", steps.size(), jobs, [&](std::size_t k) {
    if (steps[k] >= kLeast && steps[k] <= kMost && known(steps[k], stretch) == nullptr)
      seen[k] = verdict(steps[k], stretch);
  });
  stop_if_interrupted();
  for (std::size_t k = 0; k < steps.size(); ++k)
    if (seen[k]) note(steps[k], *seen[k]);
}

/// Whether a longer window would say the same of a load that is not carried.
bool Capacity::is_decided(int step) const {
  const Seen* seen = known(step, kShort);
  return step > kMost || known(step, kLong) != nullptr || (seen != nullptr && seen->far);
}

/// Farther each time, up from what meets or down from what does not, until one side meets and the other does not.
void Capacity::bracket(int& low, int& high, double stretch, int by) {
  if (meets(low, stretch)) {
    for (; meets(high, stretch) && high < kMost; by *= 2) low = high, high = std::min(high + by, kMost);
    if (high == kMost && meets(high, stretch)) low = kMost, ++high;
    return;
  }
  for (; !meets(low, stretch); by *= 2) high = low, low = std::max(low - by, kLeast - 1);
}

void Capacity::bisect(int& low, int& high, double stretch, int finest) {
  while (high - low > finest) {
    const int middle = low + (high - low) / 2;
    (meets(middle, stretch) ? low : high) = middle;
  }
}

/// On long windows, between a load that short ones meet and one that they do not.  The lower one first: short windows
/// say too much rather than too little.
int Capacity::decide(int low, int high, int jobs) {
  if (!is_decided(low + width(low))) look_at(low, low + width(low), kLong, jobs);
  if (!meets(low, kLong) || !is_decided(high)) bracket(low, high, kLong, width(low));
  bisect(low, high, kLong, width(low));
  return low;
}

Carried carried_of(const Capacity& capacity, int found) {
  Carried out{found, Capacity::load_of(found), found >= Capacity::kMost};
  if (const auto beyond = capacity.missed_beyond(found)) out.missed_at = beyond->load, out.missed = beyond->missed;
  return out;
}

std::string text_of(const Carried& c) {
  std::string out = fmt::format("carries {:.0f} % of the load{}", 100 * c.load, c.or_more ? " or more" : "");
  if (!c.missed.empty()) out += fmt::format("; at {:.0f} % it misses {}", 100 * c.missed_at, c.missed);
  return out;
}

std::string load_text(const Entry& e) {
  const auto percent = [](double load) { return fmt::format("{:.0f} %", 100 * load); };
  if (e.carried) return percent(e.carried->load) + (e.carried->or_more ? " or more" : "");
  if (e.carries_least > 0 && e.carries_less > 0) return percent(e.carries_least) + " to " + percent(e.carries_less);
  if (e.carries_less > 0) return "below " + percent(e.carries_less);
  return e.carries_least > 0 ? percent(e.carries_least) + " or more" : "-";
}
}  // namespace moesim::sizing
