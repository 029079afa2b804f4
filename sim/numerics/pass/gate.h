// The gate: which experts each token goes to and with what weight.
#pragma once
#include <vector>

#include "spec/model.h"

namespace moesim::numerics {

/// The choices of some tokens at one layer.
struct Routing {
  int tokens = 0, top_k = 0;
  std::vector<int> experts;    // (tokens, top_k), best first; -1 where a choice was dropped
  std::vector<float> weights;  // (tokens, top_k); 0 where dropped
};

/// Chooses the experts of each token as the model's published gate does.
///
/// logits: (tokens, experts) row-major, u . e_i, with the router's own bias if it has one.
/// bias: (experts), added to the scores for choosing only (noaux_tc); nullptr otherwise.
/// Best first means by what the choice was made on (for noaux_tc the biased score); equal ones by lower id.
/// Group-limited gates first keep the `groups_used` best groups: by their best score (group_limited_greedy), or by the
/// sum of their two best biased scores (noaux_tc); experts of other groups cannot be chosen whatever their score.
/// Weights: the scores, divided by their sum if `normalise`, times `scale`; topk_softmax: the softmax over the chosen
/// logits; top1_input: the sigmoid of the logit.
/// Throws std::logic_error if a logit is not a number, or top_k does not fit.
/// Source: DeepSeek-V3 technical report, section 2.1.2; DeepSeek-V2 paper, section 2.2.2; mistral-inference moe.py.
Routing choose_experts(const spec::MoeShape& moe, const float* logits, int tokens, const float* bias);
/// The same for some rows of a larger routing, into experts and weights (tokens, top_k).
void choose_experts(const spec::MoeShape& moe, const float* logits, int tokens, const float* bias, int* experts,
                    float* weights);

/// The ids alone, from scores that are already there (with the bias added, if any); `values` is overwritten.
void select_experts(const spec::MoeShape& moe, float* values, int* experts);

/// scores[i] as the gate sees them: the softmax over all logits or each one's sigmoid.
void gate_scores(const spec::MoeShape& moe, const float* logits, float* scores);
}  // namespace moesim::numerics
