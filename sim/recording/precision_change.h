// What differs between two precisions that read the same texts: choices and logits.
#pragma once
#include <map>

#include "numerics/algebra/matrix.h"
#include "numerics/pass/gate.h"
#include "recording/evaluate.h"

namespace moesim::recording {

/// Adds up the differences pass by pass.
class PrecisionDifference {
 public:
  /// Choices of the same tokens by layer.
  void add_choices(const std::map<int, numerics::Routing>& reference, const std::map<int, numerics::Routing>& other);
  /// Logits (tokens, vocabulary) of the same tokens.
  void add_logits(const numerics::Matrix& reference, const numerics::Matrix& other);
  PrecisionChange result();

 private:
  PrecisionChange change_;
  std::map<int, LayerChange> by_layer_;
  double sum_ = 0;
  std::int64_t rows_ = 0;
};
}  // namespace moesim::recording
