#include "numerics/synthetic/synthetic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/check.h"
#include "core/elementary.h"
#include "core/normal_ring.h"
#include "core/random.h"
#include "numerics/synthetic/synthetic_parts.h"

namespace moesim::numerics {
namespace {
constexpr std::int64_t kMostFloats = std::int64_t{1} << 32;  // 16 GiB
constexpr std::int64_t kPoolFloats = std::int64_t{1} << 24;  // distinct expert weights: 64 MiB

std::int64_t floats_of(const std::vector<PartShape>& parts) {
  return std::accumulate(parts.begin(), parts.end(), std::int64_t{0},
                         [](std::int64_t sum, const PartShape& p) { return sum + p.size(); });
}

/// How steeply the shares of a layer's groups fall with their number: normal, neighbouring layers alike.
double group_slope(const SyntheticOptions& options, int layer) {
  // Of DeepSeek-V3 in serving, as `moesim trace fit` finds it (reports/routing.md).
  constexpr double kVaries = 0.213 / 0.434, kNeighbours = 0.909;
  const NormalRing slopes(Random(options.seed, "slopes of the expert groups"), kNeighbours);
  return options.group_slope * (1 + kVaries * slopes.at(layer));
}

/// Of each expert, what its group and its place in it make of its share: groups fall with their number, the first of
/// them with theirs, as the law `grouped` has it (routing/laws/grouped.cpp).  1 where there is one group.
std::vector<double> group_factors(const spec::MoeShape& moe, const SyntheticOptions& options, int layer) {
  std::vector<double> out(std::size_t(moe.experts), 1);
  if (moe.groups < 2) return out;
  Random random(options.seed, fmt::format("expert groups of layer {}", layer));
  const double slope = group_slope(options, layer);
  const std::size_t size = out.size() / std::size_t(moe.groups);
  for (std::size_t first = 0; first < out.size(); first += size) {
    const double number = double(first / size + 1);
    const double group = -slope * log_of(number) + options.group_spread * random.normal();
    for (std::size_t i = 0; i < size; ++i) {
      const double place = 0.5 - (double(i) + 0.5) / double(size);
      out[first + i] = exp_of(group + options.tilt / number * place);
    }
  }
  return out;
}

/// Log-normal shares that sum to 1, none so large that every token would have to choose the expert.
std::vector<double> shares(const spec::MoeShape& moe, const SyntheticOptions& options, int layer) {
  Random random(options.seed, fmt::format("expert shares of layer {}", layer));
  // few large experts are balanced more evenly than many small ones: Mixtral's eight by far the most
  const double sigma = options.skew * std::min(1.0, log2_of(double(moe.experts)) / 8);
  std::vector<double> out(std::size_t(moe.experts));
  const std::size_t groups = std::size_t(moe.groups);
  double mean_taper = 0;
  for (std::size_t g = 0; g < groups; ++g) mean_taper += pow_of(double(g + 1), -options.taper) / double(groups);
  for (std::size_t e = 0; e < out.size(); ++e)
    out[e] = random.log_normal(0, sigma * pow_of(double(e * groups / out.size() + 1), -options.taper) / mean_taper);
  for (std::size_t i = 0; i < out.size() / 64; ++i) out[i * 64 + random.below(64)] *= options.hot;
  const std::vector<double> factors = group_factors(moe, options, layer);
  for (std::size_t e = 0; e < out.size(); ++e) out[e] *= factors[e];
  const double sum = std::accumulate(out.begin(), out.end(), 0.0);
  for (double& s : out) s = std::min(s / sum, 0.7 / moe.top_k);
  const double clipped = std::accumulate(out.begin(), out.end(), 0.0);
  for (double& s : out) s /= clipped;
  return out;
}
}  // namespace

/// Sets each layer's bias from the warm-up batch when the pass gets there, then chooses with it, so that the layers
/// above see a balanced model below them.
class SyntheticWeights::WarmUpGate final : public Gate {
 public:
  explicit WarmUpGate(SyntheticWeights& weights) : weights_(weights) {}
  void choose(const GateInput& in, Routing& out) override {
    const bool on_scores = in.moe.selection == spec::Selection::noaux_tc;
    BalanceSchedule schedule;
    if (!on_scores) schedule.first_gamma *= 5, schedule.last_gamma *= 5;  // logits spread about five times wider
    const std::vector<float> bias =
        balanced_bias(in.machine, in.moe, in.logits, shares(in.moe, weights_.options_, in.layer), schedule);
    if (on_scores) {
      weights_.biases_[in.layer] = bias;
      return choose_as_published({in.machine, in.moe, in.layer, in.hidden, in.logits, bias.data()}, out);
    }
    double constant = 0;
    for (int t = 0; t < in.hidden.rows; ++t) constant += in.hidden.row(t)[0];
    constant /= in.hidden.rows;
    Matrix& router = weights_.routers_.at(in.layer);
    Matrix logits = in.logits;
    for (int e = 0; e < in.moe.experts; ++e) {
      router.row(e)[0] = float(bias[std::size_t(e)] / constant);
      for (int t = 0; t < logits.rows; ++t) logits.row(t)[e] += router.row(e)[0] * in.hidden.row(t)[0];
    }
    choose_as_published({in.machine, in.moe, in.layer, in.hidden, logits, nullptr}, out);
  }

 private:
  SyntheticWeights& weights_;
};

SyntheticWeights::SyntheticWeights(const spec::Model& model, const SyntheticOptions& options, int threads)
    : model_(model), options_(options) {
  std::int64_t floats = floats_of(outer_parts(model));
  for (int layer = 0; layer < model.layers; ++layer) floats += floats_of(layer_parts(model, layer));
  if (floats > kMostFloats)
    throw ConfigError(
        fmt::format("{}: synthetic weights of this size take {} GiB; scale the model down to at most 16 GiB",
                    model.name, floats * 4 >> 30));
  if (model.moe) {
    const std::int64_t expert = floats_of(expert_parts(model));
    pool_ = int(std::clamp<std::int64_t>(kPoolFloats / expert, 16, std::int64_t(model.moe->experts) * model.layers));
  }
  make_routers();
  centre_embedding();
  if (options.warm_up_tokens > 0 && model.moe) warm_up(threads);
}

void SyntheticWeights::make_routers() {
  if (!model_.moe) return;
  const int experts = model_.moe->experts;
  const double kept = options_.affinity, fresh = std::sqrt(1 - kept * kept);
  const Matrix* before = nullptr;
  for (int layer = 0; layer < model_.layers + model_.mtp_layers; ++layer) {
    if (!spec::has_experts(model_, layer)) continue;
    std::vector<int> successor(static_cast<std::size_t>(experts));
    std::iota(successor.begin(), successor.end(), 0);
    Random(options_.seed, fmt::format("successors of layer {}", layer)).shuffle(std::span<int>(successor));
    Matrix& router = routers_.emplace(layer, Matrix(experts, model_.hidden)).first->second;
    const Noise noise(options_.seed, Part::router, layer, -1);
    const double scale = options_.spread / std::sqrt(double(model_.hidden));
    for (int e = 0; e < experts; ++e) {
      float* row = router.row(successor[std::size_t(e)]);
      for (int i = 1; i < model_.hidden; ++i) {
        const double own = scale * noise.at(std::int64_t(e) * model_.hidden + i);
        row[i] = float(before == nullptr ? own : kept * before->row(e)[i] + fresh * own);
      }
    }
    if (model_.moe->selection_bias) biases_[layer].resize(std::size_t(experts));
    before = &router;
  }
}

void SyntheticWeights::centre_embedding() {
  const PartShape shape{Part::embedding, model_.vocabulary, model_.hidden};
  centre_.assign(std::size_t(model_.hidden), 0.0F);
  const std::vector<float> table = make(shape, -1, -1);
  std::vector<double> mean(centre_.size());
  int count = 0;
  for (const std::vector<int>& ids : warm_up_sequences(2048, model_.vocabulary))
    for (const int id : ids) {
      ++count;
      for (std::size_t i = 1; i < mean.size(); ++i) mean[i] += table[std::size_t(id) * mean.size() + i];
    }
  for (std::size_t i = 1; i < mean.size(); ++i) centre_[i] = float(mean[i] / count);
}

void SyntheticWeights::warm_up(int threads) {
  WarmUpGate gate(*this);
  Forward forward(model_, *this, {.threads = threads, .gate = &gate});
  std::vector<KvCache> caches;
  std::vector<Segment> segments;
  std::vector<int> tokens, next;
  const auto sequences = warm_up_sequences(options_.warm_up_tokens, model_.vocabulary);
  for (std::size_t i = 0; i < sequences.size(); ++i) caches.push_back(forward.new_cache());
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    segments.push_back({&caches[i], int(tokens.size()), int(sequences[i].size())});
    tokens.insert(tokens.end(), sequences[i].begin(), sequences[i].end());
    next.insert(next.end(), sequences[i].begin() + 1, sequences[i].end());
    next.push_back(sequences[i].front());
  }
  Matrix hidden = forward.run(tokens, segments);
  for (int depth = 0; depth < model_.mtp_layers; ++depth)
    hidden = forward.run_mtp(depth, hidden.view(), next, segments);
}

const float* SyntheticWeights::get(const PartShape& shape, int layer, int expert, WeightScratch&) {
  if (shape.part == Part::router) return routers_.at(layer).values.data();
  if (shape.part == Part::selection_bias) return biases_.at(layer).data();
  Key key{shape.part, layer, expert};
  if (expert >= 0) key = {shape.part, -1, (layer * model_.moe->experts + expert) % pool_};
  if (shape.part == Part::mtp_embedding) key = {Part::embedding, -1, -1};
  if (shape.part == Part::mtp_head) key = {Part::head, -1, -1};
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = made_.find(key); at != made_.end()) return at->second.data();
  }
  std::vector<float> values = make({key.part, shape.rows, shape.columns}, key.layer, key.expert);
  const std::lock_guard lock(mutex_);
  return made_.emplace(key, std::move(values)).first->second.data();  // whichever thread came first
}

std::vector<float> SyntheticWeights::make(const PartShape& shape, int layer, int expert) const {
  std::vector<float> out = synthetic_part(model_, options_, shape, layer, expert);
  if (shape.part == Part::embedding)
    for (std::int64_t i = 0; i < shape.size(); ++i) out[std::size_t(i)] -= centre_[std::size_t(i % shape.columns)];
  return out;
}
}  // namespace moesim::numerics
