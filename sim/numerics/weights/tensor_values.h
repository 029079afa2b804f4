// Stored tensors as double, piece by piece, and back.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "formats/safetensors.h"

namespace moesim::numerics {

/// Rows and columns of an FP8 matrix that share a scale.
inline constexpr std::int64_t kScaleBlock = 128;

/// Whether values of this type can be averaged.
bool is_real(formats::StoredType type);
/// Elements [first, first + out.size()) as they are; FP8 without its scales.  type: a real one.
void read_values(const formats::StoredTensor& tensor, std::int64_t first, std::span<double> out);
/// Rounds to `type`, to nearest, ties to even; appends the bytes.  Not for FP8, which needs scales.
void write_values(formats::StoredType type, std::span<const double> values, std::vector<std::byte>& out);

/// Rows [first, first + rows) of an FP8 matrix with one FP32 scale a 128x128 block; first is a multiple of 128.
void read_scaled(const formats::StoredTensor& matrix, const formats::StoredTensor& scales, std::int64_t first,
                 std::int64_t rows, std::vector<double>& out);
/// At most 128 rows of `columns` values as E4M3; appends their bytes and the scale (largest magnitude / 448, 1 for a
/// block of zeros) of each 128 columns.
void write_scaled(std::span<const double> values, std::int64_t columns, std::vector<std::byte>& bytes,
                  std::vector<float>& scales);
}  // namespace moesim::numerics
