#include "sizing/confirm.h"

#include <fmt/format.h>

#include <algorithm>

#include "runs/parallel.h"
#include "sizing/node_loss.h"
#include "sizing/skew.h"

namespace moesim::sizing {
namespace {
// assumed: gaps between arrivals that vary twice as much as those of independent ones; how bursty a service's traffic
// is, its operator knows.
constexpr double kBursts = 2;
/// Loads with the structure of DeepSeek-V3's, which move (reports/routing.md).
constexpr const char* kMoving = "grouped";
/// Steps far from what is served, which begins at 0: nothing of what moves is left.
constexpr const char* kElsewhere = "{step: 1000000}";

bool says(const Plan& plan, std::string_view kind) { return plan.routing_text.find(kind) != std::string::npos; }

struct Question {
  CheckKind kind = CheckKind::seeds;
  std::string what;
  Plan plan;
  Trial trial;
  std::string beside{};  // what stands beside the figure
  bool simulated = true;
  std::size_t pool = 0;  // that serves nothing, where it need not be simulated
};

std::vector<Question> questions(const Plan& plan, const Entry& winner) {
  std::vector<Question> out;
  const Trial base = winner.trial;
  const auto ask = [&](CheckKind kind, std::string what, const auto& change) {
    out.push_back({kind, std::move(what), plan, base});
    change(out.back().trial);
  };
  for (NodeLoss& loss : node_losses(plan, winner))
    out.push_back({loss.kind, std::move(loss.what), plan, loss.trial, std::move(loss.outage), loss.served, loss.pool});
  if (has_gaps(plan)) ask(CheckKind::bursts, "arrivals in bursts", [](Trial& t) { t.burstiness = kBursts; });
  if (plan.model.moe && is_balanced(plan))
    ask(CheckKind::uneven_experts, "experts unevenly loaded", [](Trial& t) { t.routing = kUneven; });
  const bool placed =
      std::ranges::any_of(winner.deployment.pools, [&](const PoolDesign& d) { return is_placed(d, plan.model); });
  if (placed && !says(plan, "trace"))
    ask(CheckKind::drift, "experts placed on loads that have moved since", [&](Trial& t) {
      if (!says(plan, "grouped")) t.routing = kMoving;
      t.planned_on = kElsewhere;
    });
  return out;
}

/// Each on the window that the entry's verdict stands on.
std::vector<Check> answered(const Plan& plan, const Entry& entry, const std::vector<Question>& all, int jobs) {
  std::vector<Check> checks(all.size());
  // The last begins first: loads that move take longest to draw.
  runs::run_all("confirming", all.size(), jobs, [&](std::size_t from_last) {
    const std::size_t k = all.size() - 1 - from_last;
    const Question& q = all[k];
    if (!q.simulated) {
      checks[k] = {q.kind, q.what, false, q.beside, 1e9, q.pool};
      return;
    }
    const Figures figures = simulate(q.plan, entry.deployment, q.trial);
    const auto standing = standings(plan.section.targets, figures);
    const Standing& worst = *tightest(standing);
    checks[k] = {q.kind,         q.what,       all_met(standing),
                 text_of(worst), worst.used(), pool_at_fault(entry.deployment, worst, figures)};
    if (!q.beside.empty()) checks[k].standing += ", " + q.beside;
  });
  stop_if_interrupted();
  return checks;
}
}  // namespace

std::vector<Check> required_checks(const Plan& plan, Entry& entry, int jobs) {
  const auto is_required = [&](CheckKind kind) {
    return std::ranges::find(plan.section.confirm.required, kind) != plan.section.confirm.required.end();
  };
  std::vector<Question> asked = questions(plan, entry);
  std::erase_if(asked, [&](const Question& q) { return !is_required(q.kind); });
  for (int k = 1; k < plan.section.search.seeds && is_required(CheckKind::seeds); ++k) {
    asked.push_back({CheckKind::seeds, fmt::format("seed {}", plan.seed + std::uint64_t(k)), plan, entry.trial});
    asked.back().plan.seed += std::uint64_t(k);
  }
  entry.trials += int(std::ranges::count_if(asked, &Question::simulated));
  return answered(plan, entry, asked, jobs);
}

void confirm(const Plan& plan, Search& s, int jobs) {
  const Entry& winner = s.entries[*s.winner];
  s.checks.clear();
  if (!s.ranking.empty())
    for (std::size_t k = 1; k < s.ranking.front().headrooms.size(); ++k) {
      const Ranked& first = s.ranking.front();
      const double used = 1 - first.headrooms[k];
      // More of what serves answers holds other seeds too.
      s.checks.push_back({CheckKind::seeds, fmt::format("seed {}", plan.seed + k), used <= 1 + 1e-12, first.tightest[k],
                          used, winner.deployment.pools.size() - 1});
    }
  const std::vector<Question> all = questions(plan, winner);
  std::ranges::move(answered(plan, winner, all, jobs), std::back_inserter(s.checks));
  s.trials += int(std::ranges::count_if(all, &Question::simulated));
}
}  // namespace moesim::sizing
