#include "recording/prediction.h"

#include <algorithm>

#include "core/elementary.h"
#include "numerics/algebra/elementwise.h"

namespace moesim::recording {
Prediction predict(const float* logits, int n, int target) {
  const int best = int(std::max_element(logits, logits + n) - logits);
  if (target < 0) return {0, best};
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += double(numerics::exp_float(logits[i] - logits[best]));
  return {log_of(sum) + double(logits[best]) - double(logits[target]), best};
}
}  // namespace moesim::recording
