#include "numerics/pass/gate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/ceil_div.h"
#include "core/check.h"
#include "numerics/algebra/elementwise.h"
#include "numerics/algebra/lanes.h"
#include "numerics/pass/short_convolution.h"

namespace moesim::numerics {
namespace {
constexpr float kNever = -std::numeric_limits<float>::infinity();

constexpr int kRun = 16;  // values whose largest is kept, so that each pick looks at two short rows

/// The indices of the k largest, best first, equal ones by lower index.  Overwrites them with kNever, which is never
/// taken.  maxima: room for n / kRun + 1 values.
void take_largest(float* values, int n, int k, std::vector<float>& maxima, int* out) {
  const int blocks = ceil_div(n, kRun);
  maxima.resize(std::size_t(blocks));
  const auto refresh = [&](int b) {
    maxima[std::size_t(b)] = largest(values + b * kRun, std::min(kRun, n - b * kRun));
  };
  for (int b = 0; b < blocks; ++b) refresh(b);
  for (int taken = 0; taken < k; ++taken) {
    const float best = largest(maxima.data(), blocks);
    check(best != kNever, "{} of {} experts can be chosen, {} are needed", taken, n, k);
    int b = 0;
    while (maxima[std::size_t(b)] != best) ++b;
    int i = b * kRun;
    while (values[i] != best) ++i;
    out[taken] = i;
    values[i] = kNever;
    refresh(b);
  }
}

float group_score(const float* values, int n, bool two_best) {
  if (!two_best || n == 1) return largest(values, n);
  Four best = all(kNever), second = all(kNever);
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Four v = load_four(values + i);
    second = larger(second, smaller(best, v));
    best = larger(best, v);
  }
  float top = kNever, next = kNever;
  const auto take = [&](float v) {
    next = std::max(next, std::min(top, v));
    top = std::max(top, v);
  };
  for (int lane = 0; lane < kLanes; ++lane) take(best[lane]), take(second[lane]);
  for (; i < n; ++i) take(values[i]);
  return top + next;
}

constexpr int kMostGroups = 64;

/// Sets the values of all but the best groups to kNever.
void keep_best_groups(const spec::MoeShape& moe, float* values, std::vector<float>& maxima) {
  check(moe.groups <= kMostGroups, "{} groups of experts", moe.groups);
  const int size = moe.experts / moe.groups;
  float scores[kMostGroups];
  int kept[kMostGroups];
  for (int g = 0; g < moe.groups; ++g)
    scores[g] = group_score(values + g * size, size, moe.selection == spec::Selection::noaux_tc);
  take_largest(scores, moe.groups, moe.groups_used, maxima, kept);
  for (int g = 0; g < moe.groups; ++g)
    if (std::find(kept, kept + moe.groups_used, g) == kept + moe.groups_used)
      std::fill_n(values + g * size, size, kNever);
}

void set_weights(const spec::MoeShape& moe, const float* scores, const int* chosen, float* weights) {
  float sum = 0;
  for (int k = 0; k < moe.top_k; ++k) sum += weights[k] = scores[chosen[k]];
  const float divisor = moe.normalise ? sum + 1e-20F : 1.0F;
  for (int k = 0; k < moe.top_k; ++k) weights[k] = weights[k] / divisor * float(moe.scale);
}

bool is_grouped(const spec::MoeShape& moe) {
  return (moe.selection == spec::Selection::group_limited_greedy || moe.selection == spec::Selection::noaux_tc) &&
         moe.groups_used < moe.groups;
}
}  // namespace

void select_experts(const spec::MoeShape& moe, float* values, int* experts) {
  std::vector<float> maxima;
  if (is_grouped(moe)) keep_best_groups(moe, values, maxima);
  take_largest(values, moe.experts, moe.top_k, maxima, experts);
}

void gate_scores(const spec::MoeShape& moe, const float* logits, float* scores) {
  if (moe.score == spec::Score::sigmoid) return sigmoid(logits, moe.experts, scores);
  if (moe.score == spec::Score::sqrt_softplus) {
    std::transform(logits, logits + moe.experts, scores, [](float x) { return float(std::sqrt(softplus(double(x)))); });
    return;
  }
  std::copy_n(logits, moe.experts, scores);
  softmax(scores, moe.experts);
}

Routing choose_experts(const spec::MoeShape& moe, const float* logits, int tokens, const float* bias) {
  const std::size_t choices = std::size_t(tokens) * std::size_t(moe.top_k);
  Routing out{tokens, moe.top_k, std::vector<int>(choices), std::vector<float>(choices)};
  choose_experts(moe, logits, tokens, bias, out.experts.data(), out.weights.data());
  return out;
}

void choose_experts(const spec::MoeShape& moe, const float* logits, int tokens, const float* bias, int* chosen,
                    float* weights) {
  check(moe.top_k >= 1 && moe.top_k <= moe.experts, "{} experts are chosen of {}", moe.top_k, moe.experts);
  check(moe.groups >= 1 && moe.experts % moe.groups == 0, "{} experts in {} groups", moe.experts, moe.groups);
  std::vector<float> scores(std::size_t(moe.experts)), values(scores.size());
  const bool on_logits = moe.selection == spec::Selection::topk_softmax || moe.selection == spec::Selection::top1_input;
  for (int t = 0; t < tokens; ++t, logits += moe.experts, chosen += moe.top_k, weights += moe.top_k) {
    for (int i = 0; i < moe.experts; ++i) check(!std::isnan(logits[i]), "the gate's logits are not numbers");
    if (on_logits) {
      std::copy_n(logits, moe.experts, values.data());
      select_experts(moe, values.data(), chosen);
      for (int k = 0; k < moe.top_k; ++k) weights[k] = logits[chosen[k]];
      if (moe.selection == spec::Selection::topk_softmax)
        softmax(weights, moe.top_k);
      else
        for (int k = 0; k < moe.top_k; ++k) weights[k] = sigmoid(weights[k]);
      continue;
    }
    gate_scores(moe, logits, scores.data());
    values = scores;
    if (moe.selection == spec::Selection::noaux_tc && bias != nullptr)
      for (int i = 0; i < moe.experts; ++i) values[std::size_t(i)] += bias[i];
    select_experts(moe, values.data(), chosen);
    set_weights(moe, scores.data(), chosen, weights);
  }
}
}  // namespace moesim::numerics
