#include "serving/report/judgement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace moesim::serving {
namespace {
// assumed: a steady number of requests under way, n, is a sum of many independent ones and varies by its root; five
// times that in half a window's difference is no chance.  Below a twentieth, of them and of the arrivals, growth is
// within what figures vary anyway.
constexpr double kDeviations = 5, kLeastGrowth = 0.05;
// assumed: what a reader may take for none
constexpr double kIdle = 0.5, kFew = 0.2, kFewRequests = 100, kLongStep = 20;
constexpr Time kNoticed = 1_s;

class Warnings {
 public:
  Warnings(results::Results& results, const Deployment& d, const Service& service)
      : results_(results), d_(d), service_(service), o_(service.outcome()), window_(service.window()) {}

  void steady(const Steadiness& s) const {
    const std::string counts =
        fmt::format("{:.0f} under way in the third quarter of the arrivals, {:.0f} in the last, {:.0f} of them waiting",
                    window_.open_before, window_.open_last, window_.waiting_last);
    if (s.saturated && !service_.faults().empty())
      add("not steady", "requests piled up while parts were broken: " + counts);
    else if (s.saturated)
      add("saturated", "requests come faster than they are served: " + counts +
                           "; latencies grow with the length of the run, and rates are the most it can do");
    else if (!s.steady)
      add("not steady",
          "the service still fills up: " + counts + "; a longer warmup and duration give its steady figures");
  }

  void held_back() const {
    if (window_.held == 0) return;
    add("held back",
        fmt::format("at the window's end {} requests were with their senders, since {} were under way: they "
                    "were sent at {:.3g} a second, not at the workload's rate, and count from then on",
                    window_.held, d_.workload->concurrency(), ratio(double(window_.flow.arrived), window_.length())));
  }

  /// A pool that another one keeps from work.
  void starved(const Steadiness& s, const std::vector<PoolFigures>& figures) const {
    if (!s.saturated) return;
    std::size_t fullest = 0;
    const auto busy = [&](std::size_t p) { return ratio(figures[p].busy, figures[p].on); };
    for (std::size_t p = 1; p < figures.size(); ++p)
      if (busy(p) > busy(fullest)) fullest = p;
    for (std::size_t p = 0; p < figures.size(); ++p)
      if (p != fullest && busy(p) < kIdle)
        add("starved",
            fmt::format("it stepped {:.0f} % of the time: {} is where requests are held up", 100 * busy(p),
                        service_.fleet().pools()[fullest].name),
            scope_of(service_.fleet().pools()[p]));
  }

  void idle() const {
    for (std::size_t p = 0; p < service_.fleet().pools().size(); ++p)
      if (service_.pool(p).sum.steps == 0)
        add("idle", "it has served nobody: no request fits it, or none is sent to it",
            scope_of(service_.fleet().pools()[p]));
  }

  void rejected() const {
    for (const auto& [reason, count] : o_.reasons)
      add("rejected", fmt::format("of {} requests, {}: each {}; latencies are of the others, and compare only with "
                                  "hardware that rejects the same; the longest prompt has {} tokens, answer {}",
                                  o_.arrived + o_.outside_arrived, count, reason, o_.longest_input, o_.longest_output));
  }

  void open() const {
    if (o_.open == 0) return;
    const double share = ratio(double(o_.open), double(o_.measured));
    if (share <= kFew) return;
    add("survivors",
        fmt::format("of the {} measured requests, {:.0f} % had not ended when the run did: they count as long "
                    "as they have lasted, and figures that this does not tell are left out",
                    o_.measured, 100 * share));
  }

  void ended_late() const {
    const std::int64_t late = o_.flow.ended - service_.window_flow_end().ended;
    if (window_.whole || ratio(double(late), double(o_.measured)) <= kFew) return;
    add("short window",
        fmt::format("of {} measured requests, {} ended after arrivals had, while the load fell: a longer "
                    "duration gives the latencies of a steady one",
                    o_.measured, late));
  }

  void few() const {
    const double n = double(o_.e2e.ended.size() + o_.e2e.open.size());
    if (n >= kFewRequests) return;
    add("few requests", fmt::format("latencies are of {:.0f} requests: a p99 is the longest of them", n));
  }

  void stalled() const {
    for (std::size_t p = 0; p < service_.fleet().pools().size(); ++p) {
      const PoolTotals& t = service_.pool(p);
      const std::string scope = scope_of(service_.fleet().pools()[p]);
      if (!results_.has_metric("step_time_p50", scope)) continue;
      const double usual = results_.metric_value("step_time_p50", scope),
                   longest = seconds(t.longest_step.end - t.longest_step.start);
      if (from_seconds(longest) < kNoticed || longest < kLongStep * usual) continue;
      add("stalled",
          fmt::format(
              "the step of instance {} at {:.1f} s took {:.3g} s, {:.0f} times the median, with {} prompt tokens "
              "in it: the {} requests of the step waited for it",
              t.longest_step.instance, seconds(t.longest_step.start), longest, ratio(longest, usual),
              t.longest_step.prefill, t.longest_step.requests),
          scope);
    }
  }

  /// Routing that moves faster than the draws of it are made anew.
  void left_behind() const {
    for (std::size_t p = 0; p < d_.pools.size(); ++p) {
      const auto& costs = d_.pools[p]->costs;
      if (costs.empty() || costs[0]->bank() == nullptr) continue;
      const ExpertBank& bank = *costs[0]->bank();
      const std::int64_t lasts = bank.law_lasts(), redraw = bank.redraw();
      if (lasts == 0 || costs[0]->steps() <= lasts || (redraw > 0 && redraw <= std::max<std::int64_t>(lasts, 16)))
        continue;
      add("drift",
          fmt::format("the routing stays alike for {} steps, but {}: what moves within its {} steps is not followed; "
                      "leave out bank.redraw, and it is",
                      lasts,
                      redraw == 0 ? "is drawn once (bank.redraw: 0)" : fmt::format("is drawn anew after {}", redraw),
                      costs[0]->steps()),
          scope_of(service_.fleet().pools()[p]));
    }
  }

  /// Plans that were made, but may move less than they need to move anything.
  void unmoved() const {
    for (std::size_t p = 0; p < d_.pools.size(); ++p) {
      const auto& costs = d_.pools[p]->costs;
      if (costs.empty() || costs[0]->rebalancing() == nullptr) continue;
      const Rebalancing& r = *costs[0]->rebalancing();
      const Bytes most = d_.section.rebalance.spec.most_bytes;
      if (most.v == 0 || r.plans().empty() || most >= r.expert_bytes() * 2) continue;
      add("rebalance",
          fmt::format("rebalance.most_bytes is {}, where one expert has {} and two that swap twice that: {}",
                      to_text(most), to_text(r.expert_bytes()),
                      most < r.expert_bytes() ? "no plan moves anything" : "only copies can be put elsewhere"),
          scope_of(service_.fleet().pools()[p]));
    }
  }

  void dropped() const {
    for (const auto& [reason, count] : d_.workload->dropped())
      add("dropped", fmt::format("requests of the workload that are left out: {}, {}", count, reason));
  }

 private:
  void add(std::string_view name, const std::string& text, const std::string& scope = "run") const {
    results_.add(results::Table::warning, {scope, name, text});
  }
  results::Results& results_;
  const Deployment& d_;
  const Service& service_;
  const Outcome& o_;
  const Window& window_;
};
}  // namespace

Steadiness steadiness(const Window& w) {
  Steadiness out;
  if (!(w.arriving > 0)) return out;  // all at once
  const double grown = w.open_last - w.open_before;
  out.growth = ratio(4 * grown, double(w.flow.arrived));
  out.deviations = grown / (std::sqrt(w.open_before) + 1);
  const bool chance = out.deviations <= kDeviations,
             little = grown <= kLeastGrowth * w.open_before && out.growth <= kLeastGrowth;
  out.steady = chance || little;
  out.saturated = !out.steady && w.waiting_last - w.waiting_before > grown / 2;
  return out;
}

void write_warnings(results::Results& results, const Deployment& d, const Service& service,
                    const Steadiness& steadiness, const std::vector<PoolFigures>& figures) {
  const Warnings warnings(results, d, service);
  warnings.steady(steadiness);
  warnings.held_back();
  warnings.starved(steadiness, figures);
  warnings.idle();
  warnings.rejected();
  warnings.open();
  warnings.ended_late();
  warnings.few();
  warnings.stalled();
  warnings.left_behind();
  warnings.unmoved();
  warnings.dropped();
}
}  // namespace moesim::serving
