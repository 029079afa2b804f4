// Matrix products in FP32, in an order of our own or by OpenBLAS.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace moesim::numerics {

/// A row-major matrix somewhere in memory; `stride` floats lead from one row to the next.
struct MatrixView {
  const float* data = nullptr;
  int rows = 0, columns = 0;
  std::int64_t stride = 0;
};

/// Who adds products up: this program in one order, the same on every x86-64 (ordered.h), or OpenBLAS, whose kernels
/// and so whose last bits depend on the processor.
enum class Products { ordered, openblas };
constexpr auto enum_names(Products) {
  return std::to_array<std::pair<std::string_view, Products>>(
      {{"ordered", Products::ordered}, {"openblas", Products::openblas}});
}
/// While it lives, products of this thread and of the Threads it makes are computed so; otherwise, in order.
class UseProducts {
 public:
  explicit UseProducts(Products products);
  ~UseProducts();
  UseProducts(const UseProducts&) = delete;
  UseProducts& operator=(const UseProducts&) = delete;

 private:
  Products before_;
};
/// Of this thread.
Products products_in_use();
/// For those who compare results: "in one order" and "the same on every x86-64", or "by OpenBLAS 0.3.21 with its
/// kernels for SkylakeX" and what that means.
struct ProductsMade {
  std::string how, meaning;
};
ProductsMade products_made();
/// Both, as "matrix products in one order: the same on every x86-64".
std::string products_note();

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

/// Threads inside one of OpenBLAS's products, 1 unless a benchmark asks for more.
void set_blas_threads(int threads);
}  // namespace moesim::numerics
