#include "training/balance.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/elementary.h"
#include "routing/traffic_draw.h"

namespace moesim::training {
namespace {
// An expert that nothing chooses gets a larger bias every step; the sum of as many experts as there are stays finite.
constexpr double kMostExponent = 600;
}  // namespace

LayerBiases::LayerBiases(std::vector<double> popularity, const BalanceSection& section)
    : popularity_(std::move(popularity)), bias_(popularity_.size()), shares_(popularity_.size()), section_(section) {
  update_shares();
}

void LayerBiases::update_shares() {
  double sum = 0;
  for (std::size_t e = 0; e < shares_.size(); ++e)
    sum += shares_[e] = popularity_[e] * exp_of(std::min(kMostExponent, section_.sensitivity * bias_[e]));
  for (double& s : shares_) s /= sum;
}

void LayerBiases::step() {
  const double mean = 1.0 / double(shares_.size());
  for (std::size_t e = 0; e < shares_.size(); ++e)
    bias_[e] += shares_[e] > mean ? -section_.speed : shares_[e] < mean ? section_.speed : 0;
  update_shares();
}

double LayerBiases::imbalance() const { return std::ranges::max(shares_) * double(shares_.size()) - 1; }

namespace {
LayerBiases balanced(const routing::TrafficSource& source, const BalanceSection& section, int layer, int experts) {
  std::vector<double> popularity(static_cast<std::size_t>(experts));
  source.shares(layer, 0, popularity);
  return LayerBiases(std::move(popularity), section);
}

/// Draws from the balanced shares; the same at every step.
class Balanced final : public routing::TrafficSource {
 public:
  Balanced(const TrainingPlan& plan, const routing::TrafficContext& context, const BalanceSection& section,
           std::unique_ptr<routing::TrafficSource> source)
      : context_(context), source_(std::move(source)), first_(plan.model.layers) {
    for (int layer = 0; layer < plan.model.layers; ++layer) {
      if (!plan.model.is_moe_layer(layer)) continue;
      first_ = std::min(first_, layer);
      LayerBiases biases = balanced(*source_, section, layer, context.gate.experts);
      for (int i = 0; i < section.steps; ++i) biases.step();
      row_.resize(std::size_t(layer) + 1, tables_.size());
      tables_.push_back(routing::share_tables(biases.shares(), context.gate));
    }
    scratch_.resize(std::size_t(context.gate.experts));
  }
  void shares(int layer, std::int64_t, std::span<double> out) const override {
    std::ranges::copy(table(layer).shares, out.begin());
  }
  void draw_load(int layer, std::int64_t step, std::int64_t tokens, std::span<double> out) const override {
    routing::NoiseBits bits(context_.seed, std::uint64_t(layer), std::uint64_t(step), 1);
    std::vector<std::int32_t> rows(out.size());
    routing::draw_rows(table(layer), context_.gate.top_k, tokens, bits, scratch_, rows);
    std::ranges::copy(rows, out.begin());
  }
  void draw(int layer, std::int64_t step, std::span<const std::int32_t> tokens, routing::Traffic& out) const override {
    const std::size_t experts = std::size_t(context_.gate.experts);
    out.gate = context_.gate;
    out.sources = int(tokens.size());
    out.tokens.assign(tokens.begin(), tokens.end());
    out.rows.resize(tokens.size() * experts);
    out.choices.clear();
    out.sample.clear();
    out.spread_blocks = 0;
    for (std::size_t s = 0; s < tokens.size(); ++s) {
      routing::NoiseBits bits(context_.seed, std::uint64_t(layer), std::uint64_t(step), s + 2);
      routing::draw_rows(table(layer), context_.gate.top_k, tokens[s], bits, scratch_,
                         std::span(out.rows).subspan(s * experts, experts));
    }
  }

  /// Of the source as it was: which experts are used together is not what balancing changes.
  std::vector<std::int16_t> sample(std::span<const int> layers, std::int64_t tokens) const override {
    return source_->sample(layers, tokens);
  }
  bool dealt() const override { return source_->dealt(); }

 private:
  const routing::ShareTables& table(int layer) const {
    return tables_[row_[std::min(std::size_t(std::max(layer, first_)), row_.size() - 1)]];
  }
  routing::TrafficContext context_;
  std::unique_ptr<routing::TrafficSource> source_;
  int first_;
  std::vector<std::size_t> row_;  // (layers): which table; a dense layer has the one before
  std::vector<routing::ShareTables> tables_;
  mutable std::vector<float> scratch_;
};
}  // namespace

std::unique_ptr<routing::TrafficSource> balanced_by_bias(const Config& training, const TrainingPlan& plan,
                                                         const routing::TrafficContext& context,
                                                         std::unique_ptr<routing::TrafficSource> source) {
  if (!training.has("balance")) return source;
  const Config config = training.at("balance");
  const auto section = read<BalanceSection>(config);
  if (section.steps < 0 || section.steps > 1'000'000)
    config.at("steps").fail(fmt::format("expected 0 to 1,000,000, got {}", section.steps));
  if (!(section.speed >= 0 && section.speed <= 1))
    config.at("speed").fail(fmt::format("expected 0 to 1, got {}", section.speed));
  if (!(section.sensitivity >= 0 && section.sensitivity <= 1e6))
    config.at("sensitivity").fail(fmt::format("expected 0 to 1e+06, got {}", section.sensitivity));
  if (section.steps == 0) return source;
  return std::make_unique<Balanced>(plan, context, section, std::move(source));
}

BalanceHistory balance_history(const Config& training, const TrainingPlan& plan, const routing::TrafficSource& source) {
  BalanceHistory out;
  const auto section = read<BalanceSection>(training.at("balance"));
  std::vector<LayerBiases> layers;
  for (int layer = 0; layer < plan.model.layers; ++layer)
    if (plan.model.is_moe_layer(layer)) layers.push_back(balanced(source, section, layer, plan.model.moe->experts));
  for (int step = 0, next = 0; step <= section.steps; ++step) {
    if (step == next || step == section.steps) {
      double sum = 0;
      for (const LayerBiases& b : layers) sum += b.imbalance();
      out.steps.push_back(step);
      out.imbalance.push_back(sum / double(layers.size()));
      next = std::max(1, 2 * next);
    }
    for (LayerBiases& b : layers) b.step();
  }
  return out;
}
}  // namespace moesim::training
