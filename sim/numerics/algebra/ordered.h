// Matrix products whose sums have one order, so that every x86-64 gives the same bits, whatever its vectors' width.
#pragma once
#include <cstdint>

#include "numerics/algebra/blas.h"

namespace moesim::numerics {

/// The inner dimension is cut into pieces of kPiece.  A piece's products are added one after the other, rounded each,
/// never fused with the sum; then each piece's sum, times `scale`, is added to the result, in order.  So a row's
/// results do not depend on the rows beside it either.  Shapes as in multiply_transposed() and multiply(). most_floats:
/// of one vector, at most what the processor has; for tests.
inline constexpr int kPiece = 256;
void ordered_transposed(const MatrixView& a, const MatrixView& b, float* y, std::int64_t stride, float scale, bool add,
                        int most_floats = 16);
void ordered(const MatrixView& a, const MatrixView& b, float* y, std::int64_t stride, float scale, bool add,
             int most_floats = 16);
/// Floats of a vector that this processor computes with at once: 4, 8 or 16.
int vector_floats();
}  // namespace moesim::numerics
