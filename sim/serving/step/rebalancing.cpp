#include "serving/step/rebalancing.h"

#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "exchange/copy_shares.h"

namespace moesim::serving {
namespace {
constexpr std::int64_t kLooks = 16;  // at the routing of a window, so that a step costs O(experts) a layer

// Rows of a layer that one token of expected loads stands for: no chance of counting is in them
// (placement/planned_on.cpp); a power of two: no bit changes.
constexpr double kExpectedRows = 1 << 20;

/// Mean over layers of mean / max GPU load, where every expert's copies share its load evenly, or by fixed shares
/// (layers, slots).  placement::balancedness
/// is the same rule, and Rebalancer's; but it adds a GPU's load up by slot, this by expert, so where the slots of a GPU
/// do not ascend by expert the last bits differ.  They are in stored metrics: hence two.
double balance_of(const std::vector<exchange::ExpertMap>& maps, std::span<const double> loads,
                  const std::vector<std::vector<double>>& shares) {
  double sum = 0;
  std::vector<double> gpu;
  for (std::size_t l = 0; l < maps.size(); ++l) {
    const exchange::ExpertMap& map = maps[l];
    const exchange::CopyTable table = exchange::copy_table(map);
    gpu.assign(std::size_t(map.gpus), 0);
    for (int e = 0; e < map.experts; ++e) {
      const int first = table.first[std::size_t(e)], last = table.first[std::size_t(e) + 1];
      const double load = loads[l * std::size_t(map.experts) + std::size_t(e)];
      for (int i = first; i < last; ++i) {
        const int slot = table.slots[std::size_t(i)];
        gpu[std::size_t(map.gpu_of(slot))] +=
            shares.empty() || shares[l].empty() ? load / (last - first) : load * shares[l][std::size_t(slot)];
      }
    }
    sum += std::accumulate(gpu.begin(), gpu.end(), 0.0) / double(map.gpus) / std::ranges::max(gpu);
  }
  return sum / double(maps.size());
}
}  // namespace

Rebalancing::Rebalancing(Setup setup, Bytes expert_bytes, ExpertBank& bank, PortUse& ports)
    : s_(std::move(setup)), expert_bytes_(expert_bytes), bank_(bank), ports_(ports) {
  check(s_.spec.window >= 1, "a window of {} steps", s_.spec.window);
  restart(false);
}

void Rebalancing::restart(bool lost) {
  lost_ = lost;
  moving_.reset();
  planning_ = 0;
  stall_ = {};
  looks_.clear();
  seen_.clear();
  since_look_.clear();
  before_.clear();
  if (lost) return void(rebalancer_.reset());
  placement::RebalanceParams params;
  params.window = std::min(kLooks, s_.spec.window);
  params.most_bytes = s_.spec.most_bytes;
  params.layers_at_a_time = s_.spec.layerwise ? 1 : 0;
  rebalancer_.emplace(params, s_.trigger(), s_.policy(), s_.problem, bank_.setup().layers, bank_.maps(), expert_bytes_,
                      s_.sample);
}

/// Expected shares of the experts at that step, of the tokens since the look before last.
std::vector<double> Rebalancing::loads_now(std::int64_t step) const {
  std::vector<double> tokens = since_look_;
  for (std::size_t i = 0; i < before_.size(); ++i) tokens[i] += before_[i];
  const double all = std::accumulate(tokens.begin(), tokens.end(), 0.0);
  for (double& t : tokens) t /= all;
  return bank_.loads(bank_.drawn(step), 1, tokens);
}

void Rebalancing::stepped(std::int64_t step, std::span<const double> weights, double tokens, double seconds) {
  now_ += seconds;
  if (lost_) return;
  since_look_.resize(weights.size(), 0);
  for (std::size_t i = 0; i < weights.size(); ++i) since_look_[i] += weights[i] * tokens;
  if (moving_ && planning_ > 0) {
    planning_ -= seconds;
    if (planning_ <= 0) {
      share_anew();
      send_next();
    }
  } else if (moving_) {
    to_send_ -= seconds * ports_.rate(0) / 2;  // a port gives the weights at most half
    if (to_send_ <= 0) {
      apply(*moving_);
      moving_.reset();
      stall_ += s_.spec.cost.layer;
      plans_.back().seconds += moesim::seconds(s_.spec.cost.layer);
      send_next();
      if (!moving_) finish(loads_now(step));
    }
  }
  if (step % std::max<std::int64_t>(1, s_.spec.window / kLooks) != 0) return;
  const double all = std::accumulate(since_look_.begin(), since_look_.end(), 0.0);
  if (all <= 0) return;
  std::vector<double> mix = since_look_;
  for (double& m : mix) m /= all;
  std::vector<double> rows = bank_.loads(bank_.drawn(step), 1, mix);
  for (double& r : rows) r *= kExpectedRows * all;
  before_ = std::exchange(since_look_, std::vector<double>(mix.size(), 0));
  rebalancer_->observe(rows, step - last_look_);
  bank_.look();
  if (!bank_.setup().copy_shares.empty()) {
    seen_.push_back(rows);
    if (std::int64_t(seen_.size()) > std::min(kLooks, s_.spec.window)) seen_.erase(seen_.begin());
  }
  last_look_ = step;
  looks_.push_back(now_);
  if (std::int64_t(looks_.size()) > kLooks) looks_.erase(looks_.begin());
}

Time Rebalancing::plan(std::int64_t step) {
  if (lost_ || looks_.empty() || moving_) return {};
  const int before = rebalancer_->plans();
  const std::vector<double> loads = loads_now(step);
  RebalancePlan made{.at = now_, .before = balance_of(bank_.maps(), loads, bank_.setup().copy_shares)};
  made.age = now_ - std::accumulate(looks_.begin(), looks_.end(), 0.0) / double(looks_.size());
  const std::vector<placement::LayerChange> changes = rebalancer_->advance();
  if (rebalancer_->plans() == before) return {};
  plans_.push_back(made);
  planned_on_.assign(seen_.empty() ? 0 : seen_.front().size(), 0);
  for (const std::vector<double>& rows : seen_)
    for (std::size_t i = 0; i < rows.size(); ++i) planned_on_[i] += rows[i];
  if (s_.spec.layerwise) {
    if (!changes.empty()) moving_ = changes.front();
    planning_ = moving_ ? seconds(s_.spec.cost.planning) : 0;
    if (planning_ <= 0) {
      share_anew();
      send_next();
    }
    if (!moving_) finish(loads);
    return {};
  }
  share_anew();
  Time pause = s_.spec.cost.planning;
  for (const placement::LayerChange& change : changes) {
    pause += standstill(change) + s_.spec.cost.layer;
    apply(change);
  }
  plans_.back().seconds = seconds(pause);
  finish(loads);
  return pause;
}

/// Shares that level the GPUs on the loads of the last plan; none where copies keep none.
std::vector<double> Rebalancing::shares_of(std::size_t row, const exchange::ExpertMap& map) const {
  if (planned_on_.empty()) return {};
  const auto first = planned_on_.begin() + std::ptrdiff_t(row) * map.experts;
  const std::vector<double> rows(first, first + map.experts);
  return exchange::level_shares(map, std::span(&rows, 1));
}

/// A plan's shares hold in every layer as soon as it is made, for they move no weights.
void Rebalancing::share_anew() {
  for (std::size_t row = 0; row < bank_.maps().size() && !planned_on_.empty(); ++row)
    bank_.set_map(row, bank_.maps()[row], shares_of(row, bank_.maps()[row]));
}

/// All of a plan is in force: what it was to give, and what it gives now.
void Rebalancing::finish(std::span<const double> loads) {
  const auto& shares = bank_.setup().copy_shares;
  plans_.back().hoped = shares.empty() ? rebalancer_->balancedness() : balance_of(bank_.maps(), planned_on_, shares);
  plans_.back().after = balance_of(bank_.maps(), loads, shares);
}

/// Puts the weights of the layer that is next on their way.
void Rebalancing::send_next() {
  if (!moving_ && rebalancer_->pending() > 0)
    if (const std::vector<placement::LayerChange> changes = rebalancer_->advance(); !changes.empty())
      moving_ = changes.front();
  if (!moving_) return;
  const spec::GroupShape group{s_.problem.gpus, s_.problem.gpus_per_node()};
  std::vector<double> out(std::size_t(group.gpus)), in = out;
  for (const placement::ExpertMove& m : moving_->moves) {
    if (!ports_.nvlink() && m.from / group.gpus_per_node == m.to / group.gpus_per_node) continue;  // NVLink is free
    out[std::size_t(m.from)] += double(expert_bytes_.v);
    in[std::size_t(m.to)] += double(expert_bytes_.v);
  }
  to_send_ = 0;
  for (int g = 0; g < group.gpus; ++g) {
    const double bytes = std::max(out[std::size_t(g)], in[std::size_t(g)]);
    ports_.add(g, bytes);
    to_send_ = std::max(to_send_, bytes);
  }
}

/// The layer's new places are in force.
void Rebalancing::apply(const placement::LayerChange& change) {
  RebalancePlan& plan = plans_.back();
  plan.moved_experts += std::int64_t(change.moves.size());
  plan.moved_bytes += double(change.bytes.v);
  for (const placement::ExpertMove& move : change.moves) moves_.emplace_back(change.row, move);
  const exchange::ExpertMap& map = rebalancer_->maps()[change.row];
  bank_.set_map(change.row, map, shares_of(change.row, map));
}

/// How long the busiest port needs for a layer's weights, nothing else on it.
Time Rebalancing::standstill(const placement::LayerChange& change) const {
  const spec::GroupShape group{s_.problem.gpus, s_.problem.gpus_per_node()};
  const placement::MovePorts busiest = placement::busiest_ports(change.moves, group);
  const int most = ports_.nvlink() ? busiest.most_inside : busiest.most_between;
  const double rate = ports_.rate(0);
  return rate > 0 ? from_seconds(double(expert_bytes_.v) * most / rate) : Time{};
}
}  // namespace moesim::serving
