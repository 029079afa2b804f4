#include "numerics/algebra/blas.h"

#include <cblas.h>

#include "core/check.h"

namespace moesim::numerics {
namespace {
// Our own threads split the work, so OpenBLAS must not start any; done before the first product of the program.
[[maybe_unused]] const bool kOneThread = (openblas_set_num_threads(1), true);

void product(const MatrixView& a, const MatrixView& b, bool transposed, float* y, std::int64_t stride, float scale,
             bool add) {
  const int n = transposed ? b.rows : b.columns;
  const int inner = transposed ? b.columns : b.rows;
  check(a.columns == inner, "a product of inner sizes {} and {}", a.columns, inner);
  if (a.rows == 0 || n == 0) return;
  const float beta = add ? 1.0F : 0.0F;
  const auto transpose = transposed ? CblasTrans : CblasNoTrans;
  if (a.rows == 1)  // a decode step: reading b once is all there is to do
    cblas_sgemv(CblasRowMajor, transposed ? CblasNoTrans : CblasTrans, b.rows, b.columns, scale, b.data, int(b.stride),
                a.data, 1, beta, y, 1);
  else
    cblas_sgemm(CblasRowMajor, CblasNoTrans, transpose, a.rows, n, inner, scale, a.data, int(a.stride), b.data,
                int(b.stride), beta, y, int(stride));
}
}  // namespace

void multiply_transposed(const MatrixView& a, const MatrixView& b, float* y, std::int64_t stride, float scale,
                         bool add) {
  product(a, b, true, y, stride, scale, add);
}
void multiply(const MatrixView& a, const MatrixView& b, float* y, std::int64_t stride, float scale, bool add) {
  product(a, b, false, y, stride, scale, add);
}
void set_blas_threads(int threads) { openblas_set_num_threads(threads); }
std::string blas_description() { return openblas_get_config(); }
}  // namespace moesim::numerics
