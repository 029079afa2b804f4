// The user's table of measured kernel times: what its rows say, and where a kernel would be in it.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "compute/kernels/kernel.h"
#include "formats/csv.h"

namespace moesim::compute {

/// What two rows of one curve share; they differ in `size` alone.
struct TablePlace {
  std::string kernel;
  spec::Dtype precision = spec::Dtype::bf16;
  int sms = 0;
  std::vector<std::int64_t> shape;  // without the size
  auto operator<=>(const TablePlace&) const = default;
};
struct TablePoint {
  TablePlace place;
  double size = 0;    // m, rows an expert, tokens, keys or bytes
  bool exact = true;  // false: the table's shape says less than the kernel's, as of experts with unequal rows
};
/// Nothing for what a table cannot hold: chains, layers that keep a state, weight gradients, per-head batches, windows,
/// several queries a step, cached context before a prompt, weights narrower than the arithmetic.
std::optional<TablePoint> point_of(const Kernel& kernel, int sms);
/// The kernel as a table would have measured it: what its shape does not say is at its default.
Kernel as_in_table(const Kernel& kernel);

struct MeasuredKernel {
  std::string gpu;
  int sms = 0;
  double seconds = 0;
  Kernel kernel;
  std::vector<std::int64_t> rows;  // of a grouped kernel, which refers to them
};
/// Throws ConfigError "FILE:LINE: problem" for a kernel, precision, shape, number of SMs or time that cannot be.
MeasuredKernel measured_kernel(const formats::CsvTable& csv, std::size_t row);
}  // namespace moesim::compute
