// Matrix products in FP32: the only file that knows OpenBLAS.
#pragma once
#include <cstdint>
#include <string>

namespace moesim::numerics {

/// A row-major matrix somewhere in memory; `stride` floats lead from one row to the next.
struct MatrixView {
  const float* data = nullptr;
  int rows = 0, columns = 0;
  std::int64_t stride = 0;
};

/// y = scale * a * b^T: a (m, k), b (n, k), y (m, n) with `stride` floats a row.  `add`: adds to what y holds.
///
/// Runs on the calling thread alone, so the same product gives the same bits whatever runs beside it; callers split
/// large products (see threads.h).  Throws std::logic_error if the inner sizes differ.
void multiply_transposed(const MatrixView& a, const MatrixView& b, float* y, std::int64_t stride, float scale = 1,
                         bool add = false);
/// y = scale * a * b: a (m, k), b (k, n), y (m, n); otherwise as above.
void multiply(const MatrixView& a, const MatrixView& b, float* y, std::int64_t stride, float scale = 1,
              bool add = false);

/// How many of `wanted` threads the address space has room for, each with what a product takes: at least 1.  Throws
/// ConfigError, saying how much is needed, if there is not room for one.  Called before they compute their first.
int ready_threads(int wanted);

/// Threads inside one product, 1 unless a benchmark asks for more.
void set_blas_threads(int threads);
/// What computes the products, for logs and benchmarks: "OpenBLAS 0.3.21 ... Zen MAX_THREADS=64".
std::string blas_description();
}  // namespace moesim::numerics
