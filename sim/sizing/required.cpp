#include "sizing/required.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/words.h"
#include "sizing/confirm.h"
#include "sizing/facts.h"
#include "sizing/ratio.h"

namespace moesim::sizing {
namespace {
constexpr int kMostGrowth = 8;  // of growth, each twice as large as the one before: 255 instances more

/// What a deployment fell by, as the ledger counts it.
std::string_view fell_by_name(CheckKind kind) {
  switch (kind) {
    case CheckKind::node_loss:
      return "lost node";
    case CheckKind::spare:
      return "lost node with a spare";
    case CheckKind::bursts:
      return "bursts";
    case CheckKind::uneven_experts:
      return "uneven experts";
    case CheckKind::drift:
      return "drift";
    case CheckKind::seeds:
      break;
  }
  return "seeds";
}
std::string reason_of(const Check& c) { return fmt::format("{}: {}: {}", fell_by_name(c.kind), c.what, c.standing); }

/// The first that is missed; null: none is.
const Check* first_missed(const std::vector<Check>& checks) {
  const auto at = std::ranges::find(checks, false, &Check::met);
  return at == checks.end() ? nullptr : &*at;
}

/// Numbers of instances of an entry, tried under the targets and under what is required beside them.
class Growth {
 public:
  Growth(const Plan& plan, Entry& entry, int jobs) : plan_(plan), entry_(entry), jobs_(jobs) {}

  /// Instances from the entry's own on that hold; false if there are none that may be had.
  bool grow(std::size_t pool) {
    std::vector<int> few = entry_.deployment.instances;
    for (int step = 0; step < kMostGrowth; ++step) {
      std::vector<int> more = with_more(few, pool, 1 << step);
      if (more == few) return false;
      if (tried(more)) return shrink(few, more);
      few = more, pool = at_fault_;
    }
    return false;
  }

 private:
  /// No more than may be had: the same if none may.
  std::vector<int> with_more(const std::vector<int>& few, std::size_t pool, int by) const {
    Deployment d = entry_.deployment;
    for (; by > 0; --by) {
      d.instances = few;
      if (entry_.unit.empty())
        d.instances[pool] += by;
      else
        for (std::size_t p = 0; p < few.size(); ++p) d.instances[p] += by * entry_.unit[p];
      if (all_met(standings_of_size(plan_.section.targets, d))) return d.instances;
    }
    return few;
  }
  /// Whether so many hold; the entry is as they were simulated then.
  bool tried(const std::vector<int>& n) {
    Entry e = entry_;
    e.deployment.instances = n;
    const Verdict v = judge(plan_, e.deployment, {.end_to_end = end_to_end(plan_, e), .stretch = 2});
    e.trials += v.trials;
    take(e, v);
    at_fault_ = v.met ? 0 : pool_at_fault(e.deployment, *tightest(v.standings), v.figures);
    bool held = v.met;
    if (held) {
      const std::vector<Check> checks = required_checks(plan_, e, jobs_);
      if (const Check* missed = first_missed(checks)) held = false, at_fault_ = missed->pool;
    }
    if (held)
      entry_ = std::move(e);
    else
      entry_.trials = e.trials;
    return held;
  }
  /// Between what does not hold and what does.
  bool shrink(std::vector<int> few, std::vector<int> more) {
    for (;;) {
      std::vector<int> middle = few;
      for (std::size_t p = 0; p < few.size(); ++p) {
        const int unit = entry_.unit.empty() ? 1 : entry_.unit[p];
        middle[p] += (more[p] - few[p]) / unit / 2 * unit;
      }
      if (middle == few) return true;
      (tried(middle) ? more : few) = middle;
    }
  }

  const Plan& plan_;
  Entry& entry_;
  int jobs_;
  std::size_t at_fault_ = 0;
};

/// What was found of a deployment is of it no longer, once it has other instances.
void forget_load(Entry& e) {
  e.carried.reset();
  e.carries_least = e.carries_less = 0;
}
}  // namespace

bool makes_way(const Plan& plan, Search& s, int jobs) {
  const auto is_missed = [&](const Check& c) {
    return !c.met && std::ranges::find(plan.section.confirm.required, c.kind) != plan.section.confirm.required.end();
  };
  const auto missed = std::ranges::find_if(s.checks, is_missed);
  if (missed == s.checks.end()) return false;
  const std::size_t at = *s.winner, pool = missed->pool;
  Entry& e = s.entries[at];
  e.reason = reason_of(*missed);
  e.fate = Fate::misses;
  e.fell = Fell::check;
  e.missed.push_back({e.deployment.instances, e.reason, std::max(1.0, missed->used)});
  Unheld& fallen = s.unheld.emplace_back(Unheld{s.ranking.front(), s.checks, e.reason});
  s.winner.reset();
  s.ranking.clear();
  s.checks.clear();
  s.why.clear();
  fallen.ranked.entry = at;
  if (s.unheld.size() == kMostUnheld) return true;
  Entry more = e;
  forget_load(more);
  const bool grown = Growth(plan, more, jobs).grow(pool);
  s.entries[at].trials = more.trials;
  if (!grown) return true;
  more.fell = Fell::no;
  more.settled = true, more.whole = false;
  more.reason = "fewer would miss " + fallen.missed;
  Entry fell = e;
  fell.trials = 0;  // counted once
  fallen.ranked.entry = s.entries.size();
  s.entries[at] = std::move(more);
  s.entries.push_back(std::move(fell));
  return true;
}

void choose_unheld(Search& s) {
  if (s.winner) s.entries[*s.winner].fate = Fate::misses, s.entries[*s.winner].fell = Fell::seeds;
  const Unheld& first = s.unheld.front();
  s.winner = first.ranked.entry;
  s.ranking = {first.ranked};
  s.checks = first.checks;
  s.why.clear();
  Entry& e = s.entries[*s.winner];
  e.fate = Fate::meets;
  e.fell = Fell::no;
}

std::string unheld_text(const Plan& plan, const Search& s) {
  if (s.unheld.empty()) return "";
  const std::string fell = fmt::format("{} that {} the targets fell by what the plan requires",
                                       counted(s.unheld.size(), "deployment"), s.unheld.size() == 1 ? "meets" : "meet");
  if (required_missed(plan, s).empty()) return fmt::format("{}: {}", fell, s.unheld.front().missed);
  return fmt::format("{}, and nothing that may be had holds it: this is the first of them{}", fell,
                     s.unheld.size() < kMostUnheld ? "" : "; no more were tried");
}
}  // namespace moesim::sizing
