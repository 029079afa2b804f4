#include "numerics/pass/precision.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/ceil_div.h"
#include "core/check.h"
#include "numerics/algebra/rounding.h"

namespace moesim::numerics {
namespace {
constexpr int kTile = 128;
constexpr int kGroup = 32;
constexpr float kCutBits = 0x1p13F;  // 14 bits: one before the point and 13 after it, at the largest exponent

int tiles(int n) { return ceil_div(n, kTile); }

/// Room that a thread keeps from product to product.
struct Room {
  std::vector<float> x, w, x_scales, w_scales, part;
  static float* of(std::vector<float>& v, std::int64_t n) {
    if (std::int64_t(v.size()) < n) v.resize(std::size_t(n));
    return v.data();
  }
};
Room& room() {
  thread_local Room mine;  // holds nothing from one call to the next but its capacity
  return mine;
}

void round_rows(float* y, std::int64_t stride, int rows, int columns) {
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) y[r * stride + c] = round_to_bf16(y[r * stride + c]);
}

MatrixView rounded(const MatrixView& m, std::vector<float>& to) {
  float* out = Room::of(to, std::int64_t(m.rows) * m.columns);
  for (int r = 0; r < m.rows; ++r)
    for (int c = 0; c < m.columns; ++c) out[std::int64_t(r) * m.columns + c] = round_to_bf16(m.data[r * m.stride + c]);
  return {out, m.rows, m.columns, m.columns};
}

class Bf16 final : public Arithmetic {
 public:
  void product(const MatrixView& x, const MatrixView& w, LinearRole role, float* y,
               std::int64_t stride) const override {
    multiply_transposed(rounded(x, room().x), rounded(w, room().w), y, stride);
    if (role != LinearRole::router) round_rows(y, stride, x.rows, w.rows);
  }
};

/// Largest magnitude of part of a matrix.
float largest(const float* from, std::int64_t stride, int rows, int columns) {
  float most = 0;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) most = std::max(most, std::fabs(from[r * stride + c]));
  return most;
}

void quantise_tile(const float* from, std::int64_t stride, int rows, int columns, float* to, std::int64_t to_stride,
                   float& scale) {
  const float most = largest(from, stride, rows, columns);
  scale = most > 0 ? most / kLargestE4m3 : 1;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) to[r * to_stride + c] = round_to_e4m3(from[r * stride + c] / scale);
}

class Fp8 final : public Arithmetic {
 public:
  explicit Fp8(bool limited) : limited_(limited) {}

  void product(const MatrixView& x, const MatrixView& w, LinearRole role, float* y,
               std::int64_t stride) const override {
    if (role == LinearRole::router || role == LinearRole::head)
      return arithmetic_of(Precision::bf16).product(x, w, role, y, stride);
    check(x.columns == w.columns, "a product of inner sizes {} and {}", x.columns, w.columns);
    Room& r = room();
    const int inner = tiles(x.columns);
    float* qx = Room::of(r.x, std::int64_t(x.rows) * x.columns);
    float* sx = Room::of(r.x_scales, std::int64_t(x.rows) * inner);
    float* qw = Room::of(r.w, std::int64_t(w.rows) * w.columns);
    float* sw = Room::of(r.w_scales, std::int64_t(tiles(w.rows)) * inner);
    quantise_activations(x, qx, sx);
    quantise_weights(w, qw, sw);
    for (int row = 0; row < x.rows; ++row) std::fill_n(y + row * stride, w.rows, 0.0F);
    for (int k = 0; k < inner; ++k) {
      const int first = k * kTile, depth = std::min(kTile, x.columns - first);
      float* part = Room::of(r.part, std::int64_t(x.rows) * w.rows);
      partial({qx + first, x.rows, depth, x.columns}, {qw + first, w.rows, depth, w.columns}, part);
      for (int row = 0; row < x.rows; ++row)
        for (int o = 0; o < w.rows; ++o)
          y[row * stride + o] +=
              part[std::int64_t(row) * w.rows + o] * (sx[row * inner + k] * sw[(o / kTile) * inner + k]);
    }
    round_rows(y, stride, x.rows, w.rows);
  }

 private:
  /// Sums of at most 128 products: x (rows, depth), w (outputs, depth), out (rows, outputs).
  void partial(const MatrixView& x, const MatrixView& w, float* out) const {
    if (!limited_) return multiply_transposed(x, w, out, w.rows);
    for (int r = 0; r < x.rows; ++r)
      for (int o = 0; o < w.rows; ++o)
        out[std::int64_t(r) * w.rows + o] = limited_dot(x.data + r * x.stride, w.data + o * w.stride, x.columns);
  }
  bool limited_;
};

/// 2 to the exponent of x > 0.
float power_below(float x) { return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & 0x7F800000U); }
}  // namespace

float limited_dot(const float* a, const float* b, int n) {
  float sum = 0;
  for (int first = 0; first < n; first += kGroup) {
    float products[kGroup] = {};
    const int count = std::min(kGroup, n - first);
    for (int i = 0; i < count; ++i) products[i] = a[first + i] * b[first + i];  // exact: 4 + 4 bits
    float most = std::fabs(sum);
    for (int i = 0; i < kGroup; ++i) most = std::max(most, std::fabs(products[i]));
    if (most == 0) continue;
    const float to_steps = kCutBits / power_below(most);
    int steps = int(sum * to_steps);
    for (int i = 0; i < kGroup; ++i) steps += int(products[i] * to_steps);  // the cast cuts towards zero
    const auto exact = float(steps);                                        // at most 20 bits
    if (steps == 0) {
      sum = 0;
      continue;
    }
    const float step = std::max(1.0F, power_below(std::fabs(exact)) / kCutBits);
    sum = float(int(exact / step)) * step / to_steps;
  }
  return sum;
}

void quantise_activations(const MatrixView& x, float* quantised, float* scales) {
  for (int r = 0; r < x.rows; ++r)
    for (int k = 0; k < tiles(x.columns); ++k) {
      const int first = k * kTile;
      quantise_tile(x.data + r * x.stride + first, x.stride, 1, std::min(kTile, x.columns - first),
                    quantised + std::int64_t(r) * x.columns + first, x.columns, scales[r * tiles(x.columns) + k]);
    }
}

void quantise_weights(const MatrixView& w, float* quantised, float* scales) {
  for (int b = 0; b < tiles(w.rows); ++b)
    for (int k = 0; k < tiles(w.columns); ++k) {
      const int row = b * kTile, first = k * kTile;
      quantise_tile(w.data + row * w.stride + first, w.stride, std::min(kTile, w.rows - row),
                    std::min(kTile, w.columns - first), quantised + std::int64_t(row) * w.columns + first, w.columns,
                    scales[b * tiles(w.columns) + k]);
    }
}

std::string_view description_of(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return "FP32 throughout";
    case Precision::bf16:
      return "BF16 inputs and results, FP32 sums";
    case Precision::fp8:
      return "E4M3 inputs in 1x128 tiles and 128x128 blocks, FP32 sums; router and head BF16";
    case Precision::fp8_limited:
      return "as fp8, sums of 128 products in 14 bits, then FP32";
  }
  throw std::logic_error("a precision without a description");
}

const Arithmetic& arithmetic_of(Precision precision) {
  static const Bf16 bf16;
  static const Fp8 fp8(false), limited(true);
  switch (precision) {
    case Precision::fp32:
      return fp32_arithmetic();
    case Precision::bf16:
      return bf16;
    case Precision::fp8:
      return fp8;
    case Precision::fp8_limited:
      return limited;
  }
  throw std::logic_error("a precision without an arithmetic");
}
}  // namespace moesim::numerics
