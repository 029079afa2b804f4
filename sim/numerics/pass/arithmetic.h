// How matrix products with weights are computed; the place where other precisions step in.
#pragma once
#include <cstdint>
#include <functional>

#include "numerics/algebra/matrix.h"
#include "numerics/algebra/threads.h"
#include "numerics/weights/weights.h"

namespace moesim::numerics {

/// What a product belongs to, for precisions that treat some differently (FP8 training keeps router and head wider).
enum class LinearRole { attention, dense, expert, shared, router, head, mtp };

class Arithmetic {
 public:
  virtual ~Arithmetic() = default;
  /// y = x * w^T: x (rows, in), w (out, in), y (rows, out) with `stride` floats a row.  May be called for any part of
  /// the rows, and for any multiple of 128 of the outputs, of a larger product; from several threads.
  virtual void product(const MatrixView& x, const MatrixView& w, LinearRole role, float* y,
                       std::int64_t stride) const = 0;
};

/// FP32 throughout.
const Arithmetic& fp32_arithmetic();

/// What a forward pass computes with.
struct Machine {
  Threads& threads;
  const Arithmetic& arithmetic;
};

/// y = x * w^T + bias on all threads; y (rows, outputs), made as large as needed.
void linear(const Machine& machine, const MatrixView& x, const LinearWeights& w, LinearRole role, Matrix& y);
/// The same on the calling thread alone, into y with `stride` floats a row.
void linear_here(const Arithmetic& arithmetic, const MatrixView& x, const LinearWeights& w, LinearRole role, float* y,
                 std::int64_t stride);
/// Makes m (rows, columns) with unspecified values.
void resize(Matrix& m, int rows, int columns);
/// Calls body(first, count) for blocks of `rows` rows on all threads.
void each_block(const Machine& machine, int rows, int block, const std::function<void(int first, int count)>& body);
}  // namespace moesim::numerics
