#include "placement/rebalancing/rebalance.h"

#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "placement/planning/packing.h"

namespace moesim::placement {
namespace {
double balance_of(std::span<const double> load, const exchange::ExpertMap& map, const PlacementProblem& problem) {
  const std::vector<double> times = gpu_times(map, problem, load);
  const double most = *std::ranges::max_element(times);
  return most > 0 ? std::accumulate(times.begin(), times.end(), 0.0) / double(times.size()) / most : 1;
}

class Never final : public RebalanceTrigger {
 public:
  struct Params {
    static void fields(auto&, auto&) {}
  };
  explicit Never(Params) {}
  bool due(std::int64_t, int, const std::function<double()>&) const override { return false; }
};

class Always final : public RebalanceTrigger {
 public:
  struct Params {
    static void fields(auto&, auto&) {}
  };
  explicit Always(Params) {}
  bool due(std::int64_t, int, const std::function<double()>&) const override { return true; }
};

/// Every so many steps.
class Periodic final : public RebalanceTrigger {
 public:
  struct Params {
    std::int64_t interval = 3000;  // vLLM's default
    std::int64_t first = 0;
    static void fields(auto& f, auto& p) {
      f("interval", p.interval, "steps between plans");
      f("first", p.first, "steps before the first plan; 0: the interval");
    }
  };
  explicit Periodic(Params p) : p_(p) {
    if (p.interval < 1) throw ConfigError("interval", fmt::format("must be at least 1, got {}", p.interval));
  }
  bool due(std::int64_t steps, int plans, const std::function<double()>&) const override {
    return steps >= (plans == 0 && p_.first > 0 ? p_.first : p_.interval);
  }

 private:
  Params p_;
};

/// When the placement in force has become too uneven.
class Threshold final : public RebalanceTrigger {
 public:
  struct Params {
    double below = 0.8;
    std::int64_t interval = 0;
    static void fields(auto& f, auto& p) {
      f("below", p.below, "balancedness (mean over max GPU load) that calls for a plan");
      f("interval", p.interval, "steps between plans, at least");
    }
  };
  explicit Threshold(Params p) : p_(p) {
    if (p.interval < 0) throw ConfigError("interval", fmt::format("must not be negative, got {}", p.interval));
    if (!(p.below > 0 && p.below <= 1))
      throw ConfigError("below", fmt::format("must lie between 0 and 1, got {}", p.below));
  }
  bool due(std::int64_t steps, int, const std::function<double()>& balancedness) const override {
    return steps >= p_.interval && balancedness() < p_.below;
  }

 private:
  Params p_;
};
}  // namespace

const Family<RebalanceTrigger>& rebalance_triggers() {
  static const Family<RebalanceTrigger> family(
      "rebalance", {strategy<Never, RebalanceTrigger>("never", "the placement stays"),
                    strategy<Always, RebalanceTrigger>("always", "at every look at the loads"),
                    strategy<Periodic, RebalanceTrigger>("periodic", "at the first look after so many steps"),
                    strategy<Threshold, RebalanceTrigger>("threshold", "when the GPUs' loads have become too uneven")});
  return family;
}

void check_rebalance(const RebalanceParams& p) {
  if (p.window < 1) throw ConfigError("window", fmt::format("must be at least 1, got {}", p.window));
  if (p.layers_at_a_time < 0)
    throw ConfigError("layers_at_a_time", fmt::format("must not be negative, got {}", p.layers_at_a_time));
  if (!(p.least_gain >= 0 && p.least_gain <= 1))
    throw ConfigError("least_gain", fmt::format("must lie between 0 and 1, got {}", p.least_gain));
  if (p.most_bytes.v < 0) throw ConfigError("most_bytes", "must not be negative");
}

Rebalancer::Rebalancer(RebalanceParams params, std::unique_ptr<RebalanceTrigger> trigger,
                       std::unique_ptr<Placement> strategy, PlacementProblem problem, std::vector<int> layers,
                       std::vector<exchange::ExpertMap> maps, Bytes expert_bytes,
                       std::shared_ptr<const RoutingSample> sample)
    : params_(params),
      trigger_(std::move(trigger)),
      strategy_(std::move(strategy)),
      problem_(std::move(problem)),
      maps_(std::move(maps)),
      expert_bytes_(expert_bytes),
      sample_(std::move(sample)) {
  check(!maps_.empty() && layers.size() == maps_.size(), "{} layers have {} placements", layers.size(), maps_.size());
  check_rebalance(params_);
  window_.experts = maps_[0].experts;
  window_.layers = std::move(layers);
  window_.counts.assign(maps_.size() * std::size_t(window_.experts), 0);
}

void Rebalancer::observe(std::span<const double> counts, std::int64_t steps) {
  check(counts.size() == window_.counts.size(), "a step's loads have {} counts, not {}", counts.size(),
        window_.counts.size());
  steps_ += steps;
  if (std::int64_t(history_.size()) < params_.window) {
    history_.emplace_back(counts.begin(), counts.end());
  } else {
    for (std::size_t i = 0; i < counts.size(); ++i) window_.counts[i] -= history_[next_][i];
    history_[next_].assign(counts.begin(), counts.end());
  }
  for (std::size_t i = 0; i < counts.size(); ++i) window_.counts[i] += counts[i];
  next_ = (next_ + 1) % std::size_t(params_.window);
}

double Rebalancer::balancedness() const { return placement::balancedness(maps_, problem_, window_.counts); }

void Rebalancer::plan_anew() {
  ++plans_;
  steps_ = 0;
  targets_.clear();
  const std::vector<Loads> parts = parts_of_window();
  std::vector<exchange::ExpertMap> planned =
      plan(*strategy_, {.loads = window_, .problem = problem_, .sample = sample_.get(), .windows = parts});
  const spec::GroupShape group{problem_.gpus, problem_.gpus_per_node()};
  for (std::size_t row = planned.size(); row-- > 0;) {
    const double before = balance_of(window_.row(row), maps_[row], problem_);
    const double gain = balance_of(window_.row(row), planned[row], problem_) - before;
    if (gain <= params_.least_gain) continue;
    if (params_.keep_places && problem_.even()) planned[row] = aligned(maps_[row], planned[row], group);
    const std::size_t lacking = moves(window_.layers[row], maps_[row], planned[row], group).size();
    targets_.push_back({row, std::move(planned[row]), gain, std::int64_t(lacking)});
  }
  if (params_.most_bytes.v > 0 && expert_bytes_.v > 0)
    keep_within(targets_, params_.most_bytes.v / expert_bytes_.v, params_.least_gain, window_, maps_, problem_);
}

/// The window in the order of time, in a few parts that strategies may hold against each other.
std::vector<Loads> Rebalancer::parts_of_window() const {
  constexpr std::size_t kParts = 4;  // assumed: enough to tell drift, few enough to count many rows each
  std::vector<Loads> out;
  if (history_.size() < 2 * kParts) return out;
  for (std::size_t part = 0; part < kParts; ++part) {
    out.push_back(window_);
    std::ranges::fill(out.back().counts, 0);
  }
  for (std::size_t i = 0; i < history_.size(); ++i) {
    const std::vector<double>& step = history_[(next_ + i) % history_.size()];
    std::vector<double>& sum = out[i * kParts / history_.size()].counts;
    for (std::size_t k = 0; k < step.size(); ++k) sum[k] += step[k];
  }
  return out;
}

std::vector<LayerChange> Rebalancer::advance() {
  if (!history_.empty() && targets_.empty() && trigger_->due(steps_, plans_, [this] { return balancedness(); }))
    plan_anew();
  std::vector<LayerChange> out;
  const std::size_t most = params_.layers_at_a_time == 0 ? targets_.size() : std::size_t(params_.layers_at_a_time);
  const spec::GroupShape group{problem_.gpus, problem_.gpus_per_node()};
  while (out.size() < most && !targets_.empty()) {
    PlannedLayer target = std::move(targets_.back());
    targets_.pop_back();
    LayerChange change{target.row, window_.layers[target.row], {}, {}};
    change.moves = moves(change.layer, maps_[target.row], target.map, group);
    change.bytes = expert_bytes_ * std::int64_t(change.moves.size());
    maps_[target.row] = std::move(target.map);
    out.push_back(std::move(change));
  }
  return out;
}

double balancedness(std::span<const exchange::ExpertMap> maps, const PlacementProblem& problem,
                    std::span<const double> counts) {
  double sum = 0;
  for (std::size_t row = 0; row < maps.size(); ++row) {
    const std::size_t experts = std::size_t(maps[row].experts);
    sum += balance_of(counts.subspan(row * experts, experts), maps[row], problem);
  }
  return sum / double(maps.size());
}

std::unique_ptr<RebalanceTrigger> read_trigger(const Config& section) {
  return rebalance_triggers().make_or(section, "trigger", "always");
}

void try_out(const Placement& strategy, const PlacementProblem& problem, std::vector<int> layers, int experts,
             const RoutingSample* sample) {
  Loads even;
  even.name = "even";
  even.experts = experts;
  even.layers = std::move(layers);
  even.counts.assign(even.layers.size() * std::size_t(experts), 1);
  (void)plan(strategy, {even, problem, sample});
}
}  // namespace moesim::placement
