#include "sizing/pretraining/judging.h"

#include <fmt/format.h>

#include <algorithm>

namespace moesim::sizing {
namespace {
bool is_of_memory(const ConfigError& e) {
  return e.problem().find("does not fit") != std::string::npos ||
         e.problem().find("out of memory") != std::string::npos;
}

/// A refusal's place is in a scenario that nobody wrote; its key is not.
std::string without_file(const std::string& problem) {
  const std::size_t at = problem.find(": training.");
  return at == std::string::npos ? problem : problem.substr(at + 2);
}

/// "9.9 days of 2.0 days": in as many digits as tell them apart.
std::string days_of(double days, double target) {
  const std::string a = days_text(days), b = days_text(target);
  return a != b ? a + " of " + b : fmt::format("{:.8g} of {:.8g} days", days, target);
}
std::string usd_of(double cost, double target) {
  const std::string a = fmt::format("{:.4g}", cost), b = fmt::format("{:.4g}", target);
  return a != b ? a + " USD of " + b : fmt::format("{:.9g} USD of {:.9g}", cost, target);
}
/// " in 90 % of its draws", where the run is drawn: as many as must be within the targets.
std::string draws_text(const Job& job) {
  return job.fails ? fmt::format(" in {:.4g} % of its draws", 100 * job.section.targets.share) : "";
}
}  // namespace

std::string name_of_run(const Job& job) { return job.fails ? "the run with its failures" : "the whole run"; }

std::string missed(const Job& job, double days, double cost, bool run) {
  const JobTargets& t = job.section.targets;
  const auto said = [&](std::string_view target, const std::string& what) {
    if (!run) return fmt::format("{}: {}", target, what);
    return fmt::format("{}: {}{}", name_of_run(job), what, draws_text(job));
  };
  if (t.days > 0 && days > t.days) return said("deadline", days_of(days, t.days));
  if (t.cost > 0 && cost > t.cost) return said("cost", usd_of(cost, t.cost));
  return "";
}

Rank rank_of(const Job& job, double days, double cost, double gpus, std::size_t entry) {
  return job.section.targets.days > 0 ? Rank(cost, days, gpus, entry) : Rank(days, cost, gpus, entry);
}
Rank rank_of(const Job& job, const MappingEntry& e, std::size_t number) {
  return e.run ? rank_of(job, e.run->days, e.run->cost, e.run->paid_gpus, number)
               : rank_of(job, e.days(job), e.cost(job), e.mapping.gpus(), number);
}

double excess(const Job& job, double days, double cost) {
  const JobTargets& t = job.section.targets;
  double out = 0;
  if (t.days > 0) out = std::max(out, days / t.days);
  if (t.cost > 0) out = std::max(out, cost / t.cost);
  return out;
}

void judge(const Job& job, MappingEntry& e) {
  if (!job.whole_run) {
    e.reason = missed(job, e.days(job), e.cost(job), false);
    e.fate = e.reason.empty() ? MappingFate::meets : MappingFate::misses;
    return;
  }
  const auto order = [&](const DrawnRun& r) {
    const bool misses = !missed(job, r.within_days, r.within_cost, true).empty();
    return std::tuple(misses, misses ? excess(job, r.within_days, r.within_cost) : 0,
                      rank_of(job, r.days, r.cost, r.paid_gpus, 0));
  };
  e.run = *std::ranges::min_element(e.runs, {}, order);
  e.reason = missed(job, e.run->within_days, e.run->within_cost, true);
  e.fate = e.reason.empty() ? MappingFate::meets : MappingFate::misses;
}

bool with_what_fits(const Job& job, MappingEntry& entry, const std::function<void()>& f) {
  const auto& choices = job.section.candidates.recompute;
  for (auto at = std::ranges::find(choices, entry.mapping.recompute); at != choices.end(); ++at) {
    entry.mapping.recompute = *at;
    try {
      f();
      entry.fate = MappingFate::slower;  // until it is judged; less recomputed may not have fitted
      entry.reason.clear();
      return true;
    } catch (const ConfigError& e) {
      entry.fate = MappingFate::illegal;
      entry.reason = (is_of_memory(e) ? "memory: " : "layout: ") + without_file(e.problem());
      if (!is_of_memory(e)) return false;
    }
  }
  return false;
}

std::string apart(double least, double found, std::string_view unit, std::string_view as_found) {
  for (int digits = 3; digits < 10; ++digits) {
    const std::string a = fmt::format("{:.{}g}", least, digits), b = fmt::format("{:.{}g}", found, digits);
    if (a != b) return fmt::format("{} {}, {} {} do", a, unit, b, unit);
  }
  return fmt::format("{:.3g} {}, {}", least, unit, as_found);
}
}  // namespace moesim::sizing
