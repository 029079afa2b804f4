// Dense and grouped products: tiles in waves over the SMs, against the traffic to HBM.
#include <algorithm>
#include <cmath>
#include <limits>

#include "compute/equations.h"

namespace moesim {
namespace {
constexpr std::int64_t kStep = 128;  // slice of K a tile loads at a time: 128 bytes of FP8, the swizzle width
constexpr std::int64_t kRows[] = {64, 128};
constexpr std::int64_t kColumns[] = {16, 32, 48, 64, 96, 128, 160, 192, 256};

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
double element_bytes(Dtype d) { return d == Dtype::fp32 ? 4 : d == Dtype::fp8 ? 1 : d == Dtype::fp4 ? 0.5 : 2; }

// Seconds of one tile of rows x columns with `steps` slices of K.
double tile_seconds(std::int64_t rows, std::int64_t columns, double steps, double bytes, double rate,
                    const GemmEquation& e) {
  const double tensor = 2.0 * double(rows) * double(columns) * double(kStep) / rate;
  const double load = e.sm_load.v > 0 ? double((rows + columns) * kStep) * bytes / e.sm_load.v : 0;
  return steps * std::max(tensor, load) + seconds(e.tile);
}
}  // namespace

double joined(double a, double b, double p) {
  const double longer = std::max(a, b), shorter = std::min(a, b);
  if (shorter <= 0 || p >= 64) return longer;
  return longer * std::pow(1 + std::pow(shorter / longer, p), 1 / p);
}

double gemm_seconds(const Gemm& g, const GemmEquation& e, const Machine& on) {
  const double rate = on.tensor_per_sm * e.tensor * (g.fp32_accumulate ? e.accumulate : 1);
  const double steps = double(ceil_div(g.k, kStep)), bytes = element_bytes(g.dtype);
  double best = std::numeric_limits<double>::infinity();
  for (const std::int64_t rows : kRows)
    for (const std::int64_t columns : kColumns) {
      const double tiles = double(g.batch * ceil_div(g.m, rows) * ceil_div(g.n, columns));
      best = std::min(best, std::ceil(tiles / on.sms) * tile_seconds(rows, columns, steps, bytes, rate, e));
    }
  return seconds(e.launch) + joined(best, double(bytes_of(g).v) / (on.hbm * e.hbm), e.overlap);
}

// An expert's rows fill whole tiles.  The contiguous layout pads to 128 rows, the masked one to 64.
double grouped_seconds(const GroupedGemm& g, const GemmEquation& e, const Machine& on) {
  const double rate = on.tensor_per_sm * e.tensor * (g.weight_gradient ? e.accumulate : 1);
  const double bytes = element_bytes(g.dtype);
  const GroupRows rows = group_rows(g.rows);
  const double row_tiles[] = {double(rows.tiles64), double(rows.tiles128)}, used = double(rows.used);
  const double steps = double(ceil_div(g.k, kStep));
  if (rows.used == 0) return 0;
  double best = std::numeric_limits<double>::infinity();
  for (int i = g.layout == GroupLayout::contiguous ? 1 : 0; i < 2; ++i)
    for (const std::int64_t columns : kColumns) {
      double time;
      if (g.weight_gradient) {  // tiles of the (n, k) gradient; each expert's rows are the dimension summed over
        const double tiles = double(ceil_div(g.n, kRows[i]) * ceil_div(g.k, columns));
        time = std::ceil(tiles * used / on.sms) * tile_seconds(kRows[i], columns, row_tiles[1] / used, bytes, rate, e);
      } else {
        const double tiles = row_tiles[i] * double(ceil_div(g.n, columns));
        time = std::ceil(tiles / on.sms) * tile_seconds(kRows[i], columns, steps, bytes, rate, e);
      }
      best = std::min(best, time);
    }
  return seconds(e.launch) + joined(best, double(bytes_of(g).v) / (on.hbm * e.hbm), e.overlap);
}
}  // namespace moesim
