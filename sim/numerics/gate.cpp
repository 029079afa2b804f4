#include "numerics/gate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/check.h"
#include "numerics/elementwise.h"

namespace moesim {
namespace {
constexpr float kNever = -std::numeric_limits<float>::infinity();

/// The indices of the k largest, best first, equal ones by lower index.  Values of kNever are never taken.
void top_k(const float* values, int n, int k, int* out) {
  int taken = 0;
  for (int i = 0; i < n; ++i) {
    const float v = values[i];
    if (taken == k ? !(v > values[out[k - 1]]) : v == kNever) continue;
    int at = taken < k ? taken++ : k - 1;
    for (; at > 0 && v > values[out[at - 1]]; --at) out[at] = out[at - 1];
    out[at] = i;
  }
  check(taken == k, "{} of {} experts can be chosen, {} are needed", taken, n, k);
}

float group_score(const float* values, int n, bool two_best) {
  float best = kNever, second = kNever;
  for (int i = 0; i < n; ++i) {
    const float v = values[i];
    second = std::max(second, std::min(best, v));
    best = std::max(best, v);
  }
  return two_best && n > 1 ? best + second : best;
}

/// Sets the values of all but the best groups to kNever.
void keep_best_groups(const MoeShape& moe, float* values, std::vector<float>& scores, std::vector<int>& kept) {
  const int size = moe.experts / moe.groups;
  scores.resize(std::size_t(moe.groups));
  kept.resize(std::size_t(moe.groups_used));
  for (int g = 0; g < moe.groups; ++g)
    scores[std::size_t(g)] = group_score(values + g * size, size, moe.selection == Selection::noaux_tc);
  top_k(scores.data(), moe.groups, moe.groups_used, kept.data());
  for (int g = 0; g < moe.groups; ++g)
    if (std::ranges::find(kept, g) == kept.end()) std::fill_n(values + g * size, size, kNever);
}

void set_weights(const MoeShape& moe, const float* scores, const int* chosen, float* weights) {
  float sum = 0;
  for (int k = 0; k < moe.top_k; ++k) sum += weights[k] = scores[chosen[k]];
  const float divisor = moe.normalise ? sum + 1e-20F : 1.0F;
  for (int k = 0; k < moe.top_k; ++k) weights[k] = weights[k] / divisor * float(moe.scale);
}

bool is_grouped(const MoeShape& moe) {
  return (moe.selection == Selection::group_limited_greedy || moe.selection == Selection::noaux_tc) &&
         moe.groups_used < moe.groups;
}
}  // namespace

void gate_scores(const MoeShape& moe, const float* logits, float* scores) {
  std::copy_n(logits, moe.experts, scores);
  if (moe.score == Score::softmax) return softmax(scores, moe.experts);
  for (int i = 0; i < moe.experts; ++i) scores[i] = sigmoid(logits[i]);
}

Routing choose_experts(const MoeShape& moe, const float* logits, int tokens, const float* bias) {
  const std::size_t choices = std::size_t(tokens) * std::size_t(moe.top_k);
  Routing out{tokens, moe.top_k, std::vector<int>(choices), std::vector<float>(choices)};
  choose_experts(moe, logits, tokens, bias, out.experts.data(), out.weights.data());
  return out;
}

void choose_experts(const MoeShape& moe, const float* logits, int tokens, const float* bias, int* chosen,
                    float* weights) {
  check(moe.top_k >= 1 && moe.top_k <= moe.experts, "{} experts are chosen of {}", moe.top_k, moe.experts);
  check(moe.groups >= 1 && moe.experts % moe.groups == 0, "{} experts in {} groups", moe.experts, moe.groups);
  std::vector<float> scores(std::size_t(moe.experts)), values(scores.size()), group_scores;
  std::vector<int> kept;
  const bool on_logits = moe.selection == Selection::topk_softmax || moe.selection == Selection::top1_input;
  for (int t = 0; t < tokens; ++t, logits += moe.experts, chosen += moe.top_k, weights += moe.top_k) {
    for (int i = 0; i < moe.experts; ++i) check(!std::isnan(logits[i]), "the gate's logits are not numbers");
    if (on_logits) {
      top_k(logits, moe.experts, moe.top_k, chosen);
      for (int k = 0; k < moe.top_k; ++k) weights[k] = logits[chosen[k]];
      if (moe.selection == Selection::topk_softmax)
        softmax(weights, moe.top_k);
      else
        for (int k = 0; k < moe.top_k; ++k) weights[k] = sigmoid(weights[k]);
      continue;
    }
    gate_scores(moe, logits, scores.data());
    values = scores;
    if (moe.selection == Selection::noaux_tc && bias != nullptr)
      for (int i = 0; i < moe.experts; ++i) values[std::size_t(i)] += bias[i];
    if (is_grouped(moe)) keep_best_groups(moe, values.data(), group_scores, kept);
    top_k(values.data(), moe.experts, moe.top_k, chosen);
    set_weights(moe, scores.data(), chosen, weights);
  }
}
}  // namespace moesim
