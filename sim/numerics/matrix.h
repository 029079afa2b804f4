// A row-major FP32 matrix that owns its values.
#pragma once
#include <vector>

#include "numerics/blas.h"

namespace moesim {

struct Matrix {
  int rows = 0, columns = 0;
  std::vector<float> values;

  Matrix() = default;
  Matrix(int r, int c) : rows(r), columns(c), values(std::size_t(r) * std::size_t(c)) {}
  float* row(int r) { return values.data() + std::int64_t(r) * columns; }
  const float* row(int r) const { return values.data() + std::int64_t(r) * columns; }
  MatrixView view() const { return {values.data(), rows, columns, columns}; }
  MatrixView view(int first, int count) const { return {row(first), count, columns, columns}; }
};
}  // namespace moesim
