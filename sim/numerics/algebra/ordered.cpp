#include "numerics/algebra/ordered.h"

#include <algorithm>
#include <cstring>

#include "core/check.h"

namespace moesim::numerics {
namespace {
constexpr int kStrip = 16;  // columns of the result that are computed together

/// W floats in one register.  One body is compiled for every width: what is inlined into a function for a kind of
/// processor uses the registers of that kind.
template <int W>
struct Register;
template <>
struct Register<4> {
  using Floats = float __attribute__((vector_size(16)));
};
template <>
struct Register<8> {
  using Floats = float __attribute__((vector_size(32)));
};
template <>
struct Register<16> {
  using Floats = float __attribute__((vector_size(64)));
};

/// Where a product's results go.
struct Out {
  float* y = nullptr;
  std::int64_t stride = 0;
  float scale = 1;
  bool add = false;
};

/// Columns [column, column + columns) of b, elements [first, first + count) of the inner dimension: w[k * stride + c].
struct Strip {
  const float* w = nullptr;
  std::int64_t stride = 0;
  int first = 0, count = 0, column = 0, columns = 0;
};

/// R rows of a, from `row` on, by the strip.
template <int W, int R>
[[gnu::always_inline]] inline void add_strip(const MatrixView& a, const Strip& s, int row, const Out& out) {
  using Floats = typename Register<W>::Floats;
  Floats sums[R][kStrip / W] = {};
  const float* x = a.data + row * a.stride + s.first;
  for (int k = 0; k < s.count; ++k)
#pragma GCC unroll 4
    for (int n = 0; n < kStrip / W; ++n) {
      Floats w;
      std::memcpy(&w, s.w + k * s.stride + n * W, sizeof w);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sums[r][n] += x[r * a.stride + k] * w;
    }
  float stored[R][kStrip];
  std::memcpy(stored, sums, sizeof stored);
  for (int r = 0; r < R; ++r) {
    float* y = out.y + (row + r) * out.stride + s.column;
    if (out.add)
      for (int c = 0; c < s.columns; ++c) y[c] += out.scale * stored[r][c];
    else
      for (int c = 0; c < s.columns; ++c) y[c] = out.scale * stored[r][c];
  }
}

template <int W, int R>
[[gnu::always_inline]] inline void add_rows(const MatrixView& a, const Strip& strip, const Out& out) {
  int row = 0;
  for (; row + R <= a.rows; row += R) add_strip<W, R>(a, strip, row, out);
  for (; row < a.rows; ++row) add_strip<W, 1>(a, strip, row, out);
}

void add_rows_4(const MatrixView& a, const Strip& strip, const Out& out) { add_rows<4, 2>(a, strip, out); }
#ifdef __x86_64__
[[gnu::target("avx2")]] void add_rows_8(const MatrixView& a, const Strip& strip, const Out& out) {
  add_rows<8, 4>(a, strip, out);
}
[[gnu::target("avx512f")]] void add_rows_16(const MatrixView& a, const Strip& strip, const Out& out) {
  add_rows<16, 8>(a, strip, out);
}
#else
constexpr auto add_rows_8 = add_rows_4, add_rows_16 = add_rows_4;
#endif

/// columns[c][r] = from[r * stride + c] for 4 rows and 4 columns.
using Four = Register<4>::Floats;
[[gnu::always_inline]] inline void transpose_four(const float* from, std::int64_t stride, Four (&columns)[4]) {
  Four row[4];
  for (int r = 0; r < 4; ++r) std::memcpy(&row[r], from + r * stride, sizeof(Four));
  const Four low01 = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5);
  const Four low23 = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5);
  const Four high01 = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
  const Four high23 = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
  columns[0] = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
  columns[1] = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
  columns[2] = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
  columns[3] = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
}

/// Packs the strip of b^T, whose rows are the columns wanted; columns that there are not are zeros.
void pack_rows(const MatrixView& b, Strip& s, float* packed) {
  const float* from = b.data + s.column * b.stride + s.first;
  if (s.columns < kStrip) std::fill_n(packed, s.count * kStrip, 0.0F);
  int c = 0;
  for (; c + 4 <= s.columns; c += 4) {
    int k = 0;
    for (; k + 4 <= s.count; k += 4) {
      Four columns[4];
      transpose_four(from + c * b.stride + k, b.stride, columns);
      for (int i = 0; i < 4; ++i) std::memcpy(packed + (k + i) * kStrip + c, &columns[i], sizeof(Four));
    }
    for (; k < s.count; ++k)
      for (int i = c; i < c + 4; ++i) packed[k * kStrip + i] = from[i * b.stride + k];
  }
  for (; c < s.columns; ++c)
    for (int k = 0; k < s.count; ++k) packed[k * kStrip + c] = from[c * b.stride + k];
  s.w = packed;
  s.stride = kStrip;
}

/// One row by 8 rows at w: sums[c] = x[0] w[c][0] + x[1] w[c][1] + ... without packing, which would cost more than it
/// saves.
void eight_sums(const float* x, const float* w, std::int64_t stride, int count, float* sums) {
  Four low = {}, high = {};
  int k = 0;
  for (; k + 4 <= count; k += 4) {
    Four a[4], b[4];
    transpose_four(w + k, stride, a);
    transpose_four(w + 4 * stride + k, stride, b);
    for (int i = 0; i < 4; ++i) low += x[k + i] * a[i];
    for (int i = 0; i < 4; ++i) high += x[k + i] * b[i];
  }
  for (; k < count; ++k)
    for (int i = 0; i < 4; ++i) {
      low[i] += x[k] * w[i * stride + k];
      high[i] += x[k] * w[(i + 4) * stride + k];
    }
  std::memcpy(sums, &low, sizeof low);
  std::memcpy(sums + 4, &high, sizeof high);
}

/// y = a * b^T for one row of a.
void row_transposed(const MatrixView& a, const MatrixView& b, Out out) {
  for (int column = 0; column < b.rows; column += 8)
    for (int first = 0; first < std::max(1, a.columns); first += kPiece) {
      const int count = std::min(kPiece, a.columns - first), columns = std::min(8, b.rows - column);
      const float *x = a.data + first, *w = b.data + column * b.stride + first;
      float sums[8] = {};
      if (columns == 8)
        eight_sums(x, w, b.stride, count, sums);
      else
        for (int c = 0; c < columns; ++c)
          for (int k = 0; k < count; ++k) sums[c] += x[k] * w[c * b.stride + k];
      for (int c = 0; c < columns; ++c) {
        float& y = out.y[column + c];
        y = out.add || first > 0 ? y + out.scale * sums[c] : out.scale * sums[c];
      }
    }
}

/// The strip of b where it lies; its last columns are copied where they are fewer than a strip.
void take_columns(const MatrixView& b, Strip& s, float* packed) {
  const float* from = b.data + s.first * b.stride + s.column;
  s.w = from;
  s.stride = b.stride;
  if (s.columns == kStrip) return;
  std::fill_n(packed, s.count * kStrip, 0.0F);
  for (int k = 0; k < s.count; ++k) std::copy_n(from + k * b.stride, s.columns, packed + k * kStrip);
  s.w = packed;
  s.stride = kStrip;
}

template <class Take>
void each_strip(const MatrixView& a, const MatrixView& b, int columns, Out out, int most_floats, Take take) {
  const int floats = std::min(most_floats, vector_floats());
  const auto add_rows = floats >= 16 ? add_rows_16 : floats >= 8 ? add_rows_8 : add_rows_4;
  alignas(64) float packed[kPiece * kStrip];
  for (int first = 0; first < std::max(1, a.columns); first += kPiece, out.add = true)
    for (int column = 0; column < columns; column += kStrip) {
      Strip strip{nullptr, 0, first, std::min(kPiece, a.columns - first), column, std::min(kStrip, columns - column)};
      take(b, strip, packed);
      add_rows(a, strip, out);
    }
}
}  // namespace

int vector_floats() {
#ifdef __x86_64__
  static const int kFloats = __builtin_cpu_supports("avx512f") ? 16 : __builtin_cpu_supports("avx2") ? 8 : 4;
  return kFloats;
#else
  return 4;
#endif
}

void ordered_transposed(const MatrixView& a, const MatrixView& b, float* y, std::int64_t stride, float scale, bool add,
                        int most_floats) {
  check(a.columns == b.columns, "a product of inner sizes {} and {}", a.columns, b.columns);
  if (a.rows == 1) return row_transposed(a, b, {y, stride, scale, add});
  each_strip(a, b, b.rows, {y, stride, scale, add}, most_floats, pack_rows);
}

void ordered(const MatrixView& a, const MatrixView& b, float* y, std::int64_t stride, float scale, bool add,
             int most_floats) {
  check(a.columns == b.rows, "a product of inner sizes {} and {}", a.columns, b.rows);
  each_strip(a, b, b.columns, {y, stride, scale, add}, most_floats, take_columns);
}
}  // namespace moesim::numerics
