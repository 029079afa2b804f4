#include "sizing/pretraining/next_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/interrupt.h"
#include "core/words.h"
#include "results/summary.h"
#include "sizing/pretraining/judging.h"

namespace moesim::sizing {
namespace {
using results::pretty;
constexpr double kMore = 1.2;  // of tokens and prices; assumed: what plans are off by

class NextSteps {
 public:
  NextSteps(const Job& job, const Choice& choice)
      : job_(job), choice_(choice), winner_(choice.entries[*choice.winner]), now_(*choice.run) {}

  std::vector<NextStep> all() {
    add_more_nodes();
    add_relaxed();
    const WholeRun run(job_, winner_.mapping, winner_.result->step);
    add_changed(run, fmt::format("tokens {:+.0f} %", 100 * (kMore - 1)), {.tokens = kMore});
    DrawnRun dearer = now_;
    dearer.cost *= kMore, dearer.within_cost *= kMore;
    add(fmt::format("price {:+.0f} %", 100 * (kMore - 1)), dearer);
    if (job_.fails) add_changed(run, "failures twice as often", {.mtbf = 0.5});
    return std::move(out_);
  }

 private:
  /// Met or missed, and by how much it differs from the answer.
  void add(std::string what, const DrawnRun& f, const std::string& also = "") {
    const std::string why = missed(job_, f.within_days, f.within_cost, job_.whole_run);
    out_.push_back({std::move(what), why.empty(), f.paid_gpus, f.days, f.cost, why.empty() ? also : why});
  }
  void add_changed(const WholeRun& run, const std::string& what, const RunChange& change) try {
    add(what, run.drawn(now_.spares, change));
  } catch (const ConfigError& e) {
    out_.push_back({what, false, now_.paid_gpus, 0, 0, e.problem()});
  }

  std::string gains(const DrawnRun& f) const {
    const double days = now_.days - f.days, cost = f.cost - now_.cost;
    return fmt::format("{} {}, {} USD {}", days >= 0 ? "saves" : "takes", days_text(std::abs(days)),
                       pretty(std::abs(cost), ""), cost >= 0 ? "more" : "less");
  }

  /// What a mapping's figures are judged by.
  DrawnRun figures_of(const MappingEntry& e) const {
    if (e.run) return *e.run;
    DrawnRun f;
    f.within_days = f.days = e.days(job_), f.within_cost = f.cost = e.cost(job_), f.paid_gpus = paid_gpus(e.mapping, 0);
    return f;
  }

  /// The next number of nodes that was tried or, beyond these, on which the answer's mapping can be formed.
  void add_more_nodes() {
    const Mapping& m = winner_.mapping;
    const MappingEntry* next = nullptr;
    for (const std::size_t i : choice_.best_of_each()) {
      const MappingEntry& e = choice_.entries[i];
      if (e.mapping.node == m.node && e.mapping.nodes > m.nodes && (e.run || !job_.whole_run) &&
          (next == nullptr || e.mapping.nodes < next->mapping.nodes))
        next = &e;
    }
    if (next != nullptr)
      return add(more_text(next->mapping.nodes, figures_of(*next).spares), figures_of(*next), gains(figures_of(*next)));
    for (int nodes = m.nodes + 1; nodes <= 2 * m.nodes; ++nodes) {
      MappingEntry e{.mapping = m};
      e.mapping.nodes = nodes;
      if (!divides(job_, e.mapping)) continue;
      if (!with_what_fits(job_, e, [&] { e.result = simulate_step(job_, e.mapping, false); })) continue;
      stop_if_interrupted();
      const DrawnRun f = WholeRun(job_, e.mapping, e.result->step).drawn(now_.spares);
      return add(more_text(nodes, f.spares), f,
                 gains(f) + (nodes + f.spares > m.node->choice.most ? "; more than may be had" : ""));
    }
  }
  /// GPUs are counted with those of spare nodes, so these are said beside the nodes that train.
  std::string more_text(int nodes, int spares) const {
    return counted(nodes - winner_.mapping.nodes, "more node") + (spares > 0 ? fmt::format(", {} spare", spares) : "");
  }

  /// The least by which one target alone would have to give way for a better answer.
  void add_relaxed() {
    const JobTargets& t = job_.section.targets;
    std::optional<DrawnRun> later, dearer;
    const auto look = [&](const DrawnRun& f) {
      if (t.days > 0 && f.within_days > t.days && f.cost < now_.cost && (t.cost <= 0 || f.within_cost <= t.cost) &&
          (!later || f.within_days < later->within_days))
        later = f;
      if (t.cost > 0 && f.within_cost > t.cost && f.days < now_.days && (t.days <= 0 || f.within_days <= t.days) &&
          (!dearer || f.within_cost < dearer->within_cost))
        dearer = f;
    };
    for (const MappingEntry& e : choice_.entries) {
      for (const DrawnRun& f : e.runs) look(f);
      if (!job_.whole_run && e.result) look(figures_of(e));
    }
    const auto relaxed = [&](const std::string& what, const DrawnRun& f) {
      out_.push_back({what, true, f.paid_gpus, f.days, f.cost, gains(f)});
    };
    if (later) relaxed("a deadline of " + days_text(later->within_days), *later);
    if (dearer) relaxed(fmt::format("a budget of {} USD", pretty(dearer->within_cost, "")), *dearer);
  }

  const Job& job_;
  const Choice& choice_;
  const MappingEntry& winner_;
  DrawnRun now_;
  std::vector<NextStep> out_;
};
}  // namespace

std::vector<NextStep> next_steps(const Job& job, const Choice& choice) { return NextSteps(job, choice).all(); }
}  // namespace moesim::sizing
