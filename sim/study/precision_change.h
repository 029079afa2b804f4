// What differs between two precisions that read the same texts: choices and logits.
#pragma once
#include <map>

#include "numerics/gate.h"
#include "numerics/matrix.h"
#include "study/evaluate.h"

namespace moesim {

/// Adds up the differences pass by pass.
class PrecisionDifference {
 public:
  /// Choices of the same tokens by layer.
  void add_choices(const std::map<int, Routing>& reference, const std::map<int, Routing>& other);
  /// Logits (tokens, vocabulary) of the same tokens.
  void add_logits(const Matrix& reference, const Matrix& other);
  PrecisionChange result();

 private:
  PrecisionChange change_;
  std::map<int, LayerChange> by_layer_;
  double sum_ = 0;
  std::int64_t rows_ = 0;
};
}  // namespace moesim
