// Dense and grouped products: tiles in waves over the SMs, against the traffic to HBM.
#include <algorithm>
#include <cmath>
#include <limits>

#include "compute/equations.h"

namespace moesim {
namespace {
constexpr double kStepBytes = 128;  // slice of K a tile loads at a time: the widest swizzle of shared memory
constexpr std::int64_t kRows[] = {64, 128};
constexpr std::int64_t kColumns[] = {16, 32, 48, 64, 80, 96, 112, 128};

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
bool block_scaled(Dtype d) { return d == Dtype::fp8 || d == Dtype::fp4; }
double element_bytes(Dtype d) { return d == Dtype::fp32 ? 4 : d == Dtype::fp8 ? 1 : d == Dtype::fp4 ? 0.5 : 2; }

// FLOP/s of one SM.  A weight gradient of scaled blocks rescales its sums as it walks K, for both operands; BF16 has no
// scales, and tensor cores add its products up in FP32 at full rate.
double tensor_rate(Dtype d, bool weight_gradient, const GemmEquation& e, const Machine& on) {
  return on.tensor_per_sm * e.tensor * (weight_gradient && block_scaled(d) ? e.accumulate : 1);
}

// Seconds of one tile of rows x columns in `steps` steps.
double tile_seconds(std::int64_t rows, std::int64_t columns, double steps, double step_elements, double rate,
                    const GemmEquation& e) {
  const double tensor = 2.0 * double(rows) * double(columns) * step_elements / rate;
  return steps * (tensor + seconds(e.step)) + seconds(e.tile);
}

// Seconds of HBM traffic; written bytes take longer.
double traffic_seconds(Bytes all, Bytes written, const GemmEquation& e, const Machine& on) {
  return (double(all.v) + (e.write - 1) * double(written.v)) / (on.hbm * e.hbm);
}
}  // namespace

double joined(double a, double b, double p) {
  const double longer = std::max(a, b), shorter = std::min(a, b);
  if (shorter <= 0 || p >= 64) return longer;
  return longer * std::pow(1 + std::pow(shorter / longer, p), 1 / p);
}

double gemm_seconds(const Gemm& g, const GemmEquation& e, const Machine& on) {
  const double rate = tensor_rate(g.dtype, g.fp32_accumulate, e, on);
  const double step = kStepBytes / element_bytes(g.dtype), steps = std::ceil(double(g.k) / step);
  double best = std::numeric_limits<double>::infinity();
  for (const std::int64_t rows : kRows)
    for (const std::int64_t columns : kColumns) {
      const double tiles = double(g.batch * ceil_div(g.m, rows) * ceil_div(g.n, columns));
      best = std::min(best, std::ceil(tiles / on.sms) * tile_seconds(rows, columns, steps, step, rate, e));
    }
  const Bytes written = g.batch * (g.fp32_accumulate ? Bytes{4 * g.m * g.n} : tensor_bytes(g.m * g.n, g.out));
  return seconds(e.launch) + joined(best, traffic_seconds(bytes_of(g), written, e, on), e.overlap);
}

// An expert's rows fill whole tiles: of 128 rows in the contiguous layout, of 64 or 128 in the masked one.  A weight
// gradient has tiles of the (n, k) result, and walks the expert's rows.
double grouped_seconds(const GroupedGemm& g, const GemmEquation& e, const Machine& on) {
  const double rate = tensor_rate(g.dtype, g.weight_gradient, e, on);
  const GroupRows rows = group_rows(g);
  if (rows.used == 0) return 0;
  const double step = kStepBytes / element_bytes(g.dtype), used = double(rows.used);
  const double steps = std::ceil((g.weight_gradient ? double(rows.rows) / used : double(g.k)) / step);
  const double row_tiles[] = {double(rows.tiles64), double(rows.tiles128)};
  double best = std::numeric_limits<double>::infinity();
  for (int i = g.layout == GroupLayout::contiguous ? 1 : 0; i < 2; ++i)
    for (const std::int64_t columns : kColumns) {
      const double tiles = g.weight_gradient ? used * double(ceil_div(g.n, kRows[i]) * ceil_div(g.k, columns))
                                             : row_tiles[i] * double(ceil_div(g.n, columns));
      best = std::min(best, std::ceil(tiles / on.sms) * tile_seconds(kRows[i], columns, steps, step, rate, e));
    }
  const Bytes written = g.weight_gradient ? Bytes{4 * rows.used * g.n * g.k} : tensor_bytes(rows.rows * g.n, g.out);
  return seconds(e.launch) + joined(best, traffic_seconds(bytes_of(g), written, e, on), e.overlap);
}
}  // namespace moesim
