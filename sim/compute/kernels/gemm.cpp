// Dense and grouped products: tiles in waves over the SMs, against the traffic to HBM.
#include <algorithm>
#include <cmath>
#include <limits>

#include "compute/kernels/equations.h"
#include "core/ceil_div.h"
#include "core/elementary.h"

namespace moesim::compute {
namespace {
constexpr double kStepBytes = 128;  // of K a tile loads at a time: the widest swizzle
constexpr std::int64_t kTile = 128, kBlockRows = 64, kBlockColumns = 16;  // of the result: whole tiles, smallest ones
constexpr std::int64_t kBlocksPerTile = kTile / kBlockRows * (kTile / kBlockColumns);

using spec::block_scaled;
double step_elements(spec::Dtype d) { return kStepBytes / spec::element_bytes(d); }
double steps_of(std::int64_t k, spec::Dtype d) { return std::ceil(double(k) / step_elements(d)); }
// Of one block in one step.
double block_flops(spec::Dtype d) { return 2.0 * kBlockRows * kBlockColumns * step_elements(d); }

// FLOP/s of one SM.  A weight gradient of scaled blocks rescales its sums as it walks K, for both operands; what has no
// scales or one for all, or has them multiplied in by the tensor cores, is added up in FP32 at full rate.
double tensor_rate(spec::Dtype d, Scales scales, bool weight_gradient, const GemmEquation& e, const Machine& on) {
  return on.tensor_per_sm * e.tensor * (weight_gradient && block_scaled(d) && rescales(scales) ? e.accumulate : 1);
}

// Blocks across n columns: those of whole tiles, but of what is narrower than one tile only those with a column.
std::int64_t blocks_across(std::int64_t n) {
  return n <= kTile ? ceil_div(n, kBlockColumns) : ceil_div(n, kTile) * (kTile / kBlockColumns);
}

// What one product asks of the tensor cores.
struct Tiles {
  double tiles = 0, blocks = 0;  // of the result
  double steps = 0;              // each takes
  double step_flops = 0;         // of a block
  double rate = 0;               // FLOP/s of one SM
};

// Tiles cut along K and dealt out to all SMs, a step each at least, and their parts joined by another kernel.  Nothing
// is gained by cutting the rows: the work is spread evenly already, and each part pays for joining.
double split_seconds(const Tiles& t, double block, const GemmEquation& e, const Machine& on) {
  if (e.reduce <= Time{}) return std::numeric_limits<double>::infinity();
  const double steps = std::max(t.tiles * t.steps / on.sms, 1.0);
  return seconds(e.reduce) + steps * seconds(e.step) + std::max(t.blocks / on.sms, 1 / t.steps) * block;
}

// Every wave costs its steps' and its tiles' fixed time whole.  The tensor time of a last wave that is not full is that
// of whole tiles, or of smaller ones dealt out to all SMs, which is cutting it off and costs another launch; a product
// of less than a wave has small tiles from the start.  So no cut of the rows gains: both ceil(tiles) and blocks of the
// whole are at most the parts' sum, and what the parts do not pay for small tiles they pay for the second launch.
double tensor_seconds(const Tiles& t, const GemmEquation& e, const Machine& on) {
  const double block = t.steps * t.step_flops / t.rate;
  const double waves = std::ceil(t.tiles / on.sms), spread = std::max(t.blocks / on.sms, 1.0) * block;
  const double cut = waves > 1 ? on.gap + seconds(e.launch) : 0;
  const double whole = waves * t.steps * seconds(e.step) + std::min(waves * kBlocksPerTile * block, spread + cut);
  return waves * seconds(e.tile) + std::min(whole, split_seconds(t, block, e, on));
}

// The tiles of uneven experts' weight gradients walk different numbers of rows, and SMs take them as they come free:
// the steps of all tiles are spread evenly.
double gradient_seconds(double tiles, double steps, const Tiles& t, const GemmEquation& e, const Machine& on) {
  return std::ceil(steps / on.sms) * (kBlocksPerTile * t.step_flops / t.rate + seconds(e.step)) +
         std::ceil(tiles / on.sms) * seconds(e.tile);
}

// Seconds of HBM traffic; written bytes take longer.
double traffic_seconds(Bytes all, Bytes written, const GemmEquation& e, const Machine& on) {
  return (double(all.v) + (e.write - 1) * double(written.v)) / (on.hbm * e.hbm);
}
}  // namespace

double joined(double a, double b, double p) {
  const double longer = std::max(a, b), shorter = std::min(a, b);
  if (shorter <= 0 || p >= 64) return longer;
  return longer * pow_of(1 + pow_of(shorter / longer, p), 1 / p);
}

double gemm_seconds(const Gemm& g, const GemmEquation& e, const Machine& on) {
  const Tiles tiles{double(g.batch * ceil_div(g.m, kTile) * ceil_div(g.n, kTile)),
                    double(g.batch * ceil_div(g.m, kBlockRows) * blocks_across(g.n)), steps_of(g.k, g.dtype),
                    block_flops(g.dtype), tensor_rate(g.dtype, g.scales, g.fp32_accumulate, e, on)};
  const Bytes written = g.batch * (g.fp32_accumulate ? Bytes{4 * g.m * g.n} : tensor_bytes(g.m * g.n, g.out));
  return seconds(e.launch) +
         joined(tensor_seconds(tiles, e, on), traffic_seconds(bytes_of(g), written, e, on), e.overlap);
}

// An expert's rows fill whole tiles, or tiles of the library's choice that leave a share of the last one out: of 128
// rows in the contiguous layout, a last one of 64 in the masked one.  A weight gradient has tiles of the (n, k) result,
// and walks the expert's rows.
double grouped_seconds(const GroupedGemm& g, const GemmEquation& e, const Machine& on) {
  const GroupRows rows = group_rows(g);
  if (rows.used == 0) return 0;
  const double row_blocks =
      e.padding >= 0 ? (double(rows.rows) + e.padding * double(rows.tiles128 * kTile - rows.rows)) / kBlockRows
                     : double(g.layout == GroupLayout::contiguous ? 2 * rows.tiles128 : rows.tiles64);
  const Tiles t{double(rows.tiles128 * ceil_div(g.n, kTile)), row_blocks * double(blocks_across(g.n)),
                steps_of(g.k, g.dtype), block_flops(g.dtype), tensor_rate(g.dtype, g.scales, g.weight_gradient, e, on)};
  const double tiles = double(ceil_div(g.n, kTile) * ceil_div(g.k, kTile));  // of one expert's gradient
  const double slices = g.dtype == spec::Dtype::bf16 || g.dtype == spec::Dtype::fp16 ? double(rows.tiles64) * 64
                                                                                     : double(rows.tiles128) * 128;
  const double tensor =
      g.weight_gradient ? gradient_seconds(double(rows.used) * tiles, slices / step_elements(g.dtype) * tiles, t, e, on)
                        : tensor_seconds(t, e, on);
  const Bytes written = g.weight_gradient ? Bytes{4 * rows.used * g.n * g.k} : tensor_bytes(rows.rows * g.n, g.out);
  // What a tile's SM alone has to draw: the tile's weights, however few tiles there are.
  const double of_tile = double(kTile * g.k) * spec::element_bytes(g.weights.value_or(g.dtype));
  const double drawn = e.draw > 0 ? of_tile / (on.hbm_per_sm * e.hbm * e.draw) : 0;
  const double traffic = std::max(traffic_seconds(bytes_of(g), written, e, on), drawn);
  return seconds(e.launch) + joined(tensor, traffic, e.overlap);
}
}  // namespace moesim::compute
