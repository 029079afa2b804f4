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
    std::int64_t interval = 100;
    double below = 0.8;
    static void fields(auto& f, auto& p) {
      f("interval", p.interval, "steps between looks");
      f("below", p.below, "balancedness (mean over max GPU load) that calls for a plan");
    }
  };
  explicit Threshold(Params p) : p_(p) {
    if (p.interval < 1) throw ConfigError("interval", fmt::format("must be at least 1, got {}", p.interval));
    if (!(p.below > 0 && p.below <= 1))
      throw ConfigError("below", fmt::format("must lie between 0 and 1, got {}", p.below));
  }
  bool due(std::int64_t steps, int, const std::function<double()>& balancedness) const override {
    return steps > 0 && steps % p_.interval == 0 && balancedness() < p_.below;
  }

 private:
  Params p_;
};
}  // namespace

const Family<RebalanceTrigger>& rebalance_triggers() {
  static const Family<RebalanceTrigger> family(
      "rebalance", {strategy<Never, RebalanceTrigger>("never", "the placement stays"),
                    strategy<Periodic, RebalanceTrigger>("periodic", "every so many steps"),
                    strategy<Threshold, RebalanceTrigger>("threshold", "when the GPUs' loads have become too uneven")});
  return family;
}

Rebalancer::Rebalancer(RebalanceParams params, std::unique_ptr<RebalanceTrigger> trigger,
                       std::unique_ptr<Placement> strategy, PlacementProblem problem, std::vector<int> layers,
                       std::vector<exchange::ExpertMap> maps, Bytes expert_bytes)
    : params_(params),
      trigger_(std::move(trigger)),
      strategy_(std::move(strategy)),
      problem_(std::move(problem)),
      maps_(std::move(maps)),
      expert_bytes_(expert_bytes) {
  check(!maps_.empty() && layers.size() == maps_.size(), "{} layers have {} placements", layers.size(), maps_.size());
  if (params_.window < 1) throw ConfigError("window", fmt::format("must be at least 1, got {}", params_.window));
  if (params_.layers_at_a_time < 0)
    throw ConfigError("layers_at_a_time", fmt::format("must not be negative, got {}", params_.layers_at_a_time));
  window_.experts = maps_[0].experts;
  window_.layers = std::move(layers);
  window_.counts.assign(maps_.size() * std::size_t(window_.experts), 0);
}

void Rebalancer::observe(std::span<const double> counts) {
  check(counts.size() == window_.counts.size(), "a step's loads have {} counts, not {}", counts.size(),
        window_.counts.size());
  ++steps_;
  if (std::int64_t(history_.size()) < params_.window) {
    history_.emplace_back(counts.begin(), counts.end());
  } else {
    for (std::size_t i = 0; i < counts.size(); ++i) window_.counts[i] -= history_[next_][i];
    history_[next_].assign(counts.begin(), counts.end());
  }
  for (std::size_t i = 0; i < counts.size(); ++i) window_.counts[i] += counts[i];
  next_ = (next_ + 1) % std::size_t(params_.window);
}

double Rebalancer::balancedness() const {
  double sum = 0;
  for (std::size_t row = 0; row < maps_.size(); ++row) sum += balance_of(window_.row(row), maps_[row], problem_);
  return sum / double(maps_.size());
}

void Rebalancer::plan_anew() {
  ++plans_;
  steps_ = 0;
  targets_.clear();
  std::vector<exchange::ExpertMap> planned = plan(*strategy_, {window_, problem_});
  const spec::GroupShape group{problem_.gpus, problem_.gpus_per_node()};
  for (std::size_t row = planned.size(); row-- > 0;) {
    const double before = balance_of(window_.row(row), maps_[row], problem_);
    if (balance_of(window_.row(row), planned[row], problem_) <= before + params_.least_gain) continue;
    if (params_.keep_places && problem_.even()) planned[row] = aligned(maps_[row], planned[row], group);
    targets_.push_back({row, std::move(planned[row])});
  }
}

std::vector<LayerChange> Rebalancer::advance() {
  if (!history_.empty() && targets_.empty() && trigger_->due(steps_, plans_, [this] { return balancedness(); }))
    plan_anew();
  std::vector<LayerChange> out;
  const std::size_t most = params_.layers_at_a_time == 0 ? targets_.size() : std::size_t(params_.layers_at_a_time);
  const spec::GroupShape group{problem_.gpus, problem_.gpus_per_node()};
  while (out.size() < most && !targets_.empty()) {
    Target target = std::move(targets_.back());
    targets_.pop_back();
    LayerChange change{target.row, window_.layers[target.row], {}, {}};
    change.moves = moves(change.layer, maps_[target.row], target.map, group);
    change.bytes = expert_bytes_ * std::int64_t(change.moves.size());
    maps_[target.row] = std::move(target.map);
    out.push_back(std::move(change));
  }
  return out;
}

Rebalancer make_rebalancer(const Config& config, PlacementProblem problem, std::vector<int> layers,
                           std::vector<exchange::ExpertMap> maps, Bytes expert_bytes) {
  return config.placed([&]() -> Rebalancer {
    return {read<RebalanceParams>(config),
            rebalance_triggers().make_or(config, "trigger", "never"),
            placements().make_or(config, "strategy", "eplb"),
            std::move(problem),
            std::move(layers),
            std::move(maps),
            expert_bytes};
  });
}
}  // namespace moesim::placement
