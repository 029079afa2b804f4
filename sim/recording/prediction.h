// What a row of logits says of the token that came next.
#pragma once

namespace moesim::recording {

constexpr int kLogitRows = 64;  // at once: a block of a large vocabulary fits beside the weights

/// Loss of predicting `target` from a row of logits (nats), and the likeliest token; equal ones by lower id.
struct Prediction {
  double loss = 0;
  int best = 0;
};
/// logits: (n).  target below 0: there is none, and no loss.
Prediction predict(const float* logits, int n, int target);
}  // namespace moesim::recording
