// A row-major FP32 matrix that owns its values.
#pragma once
#include <memory>
#include <vector>

#include "numerics/algebra/blas.h"

namespace moesim::numerics {

/// Leaves what a vector grows by as it is: most matrices are written whole right after.
struct UnsetFloats : std::allocator<float> {
  template <class U>
  struct rebind {
    using other = UnsetFloats;
  };
  void construct(float*) const noexcept {}
  void construct(float* at, float value) const noexcept { *at = value; }
};

struct Matrix {
  int rows = 0, columns = 0;
  std::vector<float, UnsetFloats> values;

  Matrix() = default;
  /// Zeros; see resize() in pass/arithmetic.h for a matrix without values.
  Matrix(int r, int c) : rows(r), columns(c), values(std::size_t(r) * std::size_t(c), 0.0F) {}
  float* row(int r) { return values.data() + std::int64_t(r) * columns; }
  const float* row(int r) const { return values.data() + std::int64_t(r) * columns; }
  MatrixView view() const { return {values.data(), rows, columns, columns}; }
  MatrixView view(int first, int count) const { return {row(first), count, columns, columns}; }
};
}  // namespace moesim::numerics
