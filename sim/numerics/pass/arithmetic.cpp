#include "numerics/pass/arithmetic.h"

#include <algorithm>

#include "core/ceil_div.h"

namespace moesim::numerics {
namespace {
class Fp32 final : public Arithmetic {
 public:
  void product(const MatrixView& x, const MatrixView& w, LinearRole, float* y, std::int64_t stride) const override {
    multiply_transposed(x, w, y, stride);
  }
};

// Tiles are cut by size alone, never by the number of threads, so that results do not depend on it.
constexpr int kTileRows = 512;
constexpr int kTileOutputs = 512;
constexpr std::int64_t kWorthSharing = 1 << 17;  // multiply-adds; below, waking a thread costs more than it saves

MatrixView rows_of(const MatrixView& m, int first, int count) {
  return {m.data + first * m.stride, count, m.columns, m.stride};
}
}  // namespace

const Arithmetic& fp32_arithmetic() {
  static const Fp32 fp32;
  return fp32;
}

void linear_here(const Arithmetic& arithmetic, const MatrixView& x, const LinearWeights& w, LinearRole role, float* y,
                 std::int64_t stride) {
  arithmetic.product(x, w.matrix, role, y, stride);
  if (w.bias == nullptr) return;
  for (int r = 0; r < x.rows; ++r)
    for (int c = 0; c < w.matrix.rows; ++c) y[r * stride + c] += w.bias[c];
}

void linear(const Machine& machine, const MatrixView& x, const LinearWeights& w, LinearRole role, Matrix& y) {
  const int outputs = w.matrix.rows;
  resize(y, x.rows, outputs);
  const std::int64_t work = std::int64_t(x.rows) * outputs * x.columns;
  // few rows: shares of the outputs; else both ways
  const int half = ceil_div(ceil_div(outputs, 2), 128) * 128;
  const int tile_outputs = work < kWorthSharing ? outputs : std::min(kTileOutputs, half);
  const int tile_rows = work < kWorthSharing ? x.rows : std::min(kTileRows, std::max(64, (x.rows + 1) / 2));
  const int across = tile_outputs == 0 ? 0 : ceil_div(outputs, tile_outputs);
  const int down = tile_rows == 0 ? 0 : ceil_div(x.rows, tile_rows);
  machine.threads.each(across * down, [&](int index, int) {
    const int row = index / across * tile_rows, output = index % across * tile_outputs;
    const int rows = std::min(tile_rows, x.rows - row), count = std::min(tile_outputs, outputs - output);
    const LinearWeights part{rows_of(w.matrix, output, count), w.bias == nullptr ? nullptr : w.bias + output};
    linear_here(machine.arithmetic, rows_of(x, row, rows), part, role, y.row(row) + output, y.columns);
  });
}

void resize(Matrix& m, int rows, int columns) {
  m.rows = rows;
  m.columns = columns;
  m.values.resize(std::size_t(rows) * std::size_t(columns));
}

void each_block(const Machine& machine, int rows, int block, const std::function<void(int, int)>& body) {
  machine.threads.each(ceil_div(rows, block),
                       [&](int index, int) { body(index * block, std::min(block, rows - index * block)); });
}
}  // namespace moesim::numerics
