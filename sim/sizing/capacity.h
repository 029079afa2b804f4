// How much load a deployment carries.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "sizing/search.h"

namespace moesim::sizing {

/// The largest load that a deployment carries, in steps of a 16th from the plan's, all on the same random numbers.  The
/// shortest window brackets it, since an overloaded service takes longest to simulate; a window four times as long
/// decides, as verdicts do (verdict.cpp).
class Capacity {
 public:
  static constexpr int kSteps = 16;  // of the plan's load: chance is no finer on such windows
  static constexpr int kLeast = 1 - kSteps, kMost = 63 * kSteps;  // looked at
  static constexpr double kShort = 1, kMiddle = 2, kLong = 4;     // windows, as verdicts are decided (verdict.cpp)
  /// Times the plan's; 0 below what is looked at.
  static double load_of(int step) { return step < kLeast ? 0 : 1 + double(step) / kSteps; }
  /// In which a load is looked for: a 16th of the plan's, of itself from there on.
  static int width(int step) { return std::max(1, (kSteps + step) / kSteps); }

  /// entry: whose closed form says how long requests take.
  Capacity(const Plan& plan, const Entry& entry, const Deployment& d)
      : plan_(plan), deployment_(d), end_(end_to_end(plan, entry)) {}

  /// In steps from the plan's load; kLeast - 1: none.  jobs: threads, for what is looked at side by side whatever they
  /// are.
  int find(int jobs = 1);
  /// Whether so much is carried on the shortest window, which says too much rather than too little.
  bool meets_briefly(int step) { return meets(step, kShort); }
  /// As find(), of what is carried briefly at `low` and not at `high`; nothing if that is less than `least`.
  std::optional<int> find_above(int least, int low, int high);
  /// Of what carries `from` and with an instance more should carry more, to an eighth: `from` itself if no eighth more
  /// shows.  Short windows say little here: what has more room takes longer to fill.
  /// times: as much, of `from`, as it should carry where all of it grows.
  int find_beyond(int from, double times = 1);
  /// What is missed first beyond what was found.
  struct Beyond {
    double load = 0;       // times the plan's
    std::string missed{};  // "ttft_p90 3.53 s of 3.00 s"
  };
  std::optional<Beyond> missed_beyond(int found) const;

 private:
  static constexpr double kLikely = 0.9;  // of what it should carry: where it is looked for first

  struct Seen {
    bool met = false, far = false;  // far: it misses by so much that a longer window says the same
    std::string missed{};           // the tightest target, where it misses it
  };
  Verdict verdict(int step, double stretch) const;
  void note(int step, const Verdict& v);
  /// Looks at two loads at once that are mostly both asked for.
  void look_at(int low, int high, double stretch, int jobs);
  const Seen* known(int step, double stretch) const;
  bool meets(int step, double stretch);
  bool is_decided(int step) const;
  void bracket(int& low, int& high, double stretch, int by);
  void bisect(int& low, int& high, double stretch, int finest);
  int decide(int low, int high, int jobs);

  const Plan& plan_;
  const Deployment& deployment_;
  double end_;
  std::map<std::pair<int, Time>, Seen> seen_;
};

/// "carries 125 % of the load; at 131 % it misses ttft_p90 3.19 s of 3.00 s"
std::string text_of(const Carried& carried);
/// What is known of it, times the plan's load: "125 %", "113 % to 138 %", "below 113 %"; "-": nothing.
std::string load_text(const Entry& entry);
/// What it was found to carry.
Carried carried_of(const Capacity& capacity, int found);
}  // namespace moesim::sizing
