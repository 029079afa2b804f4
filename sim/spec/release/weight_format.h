// How the elements of a released tensor are stored, and the bytes that makes, scales included.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace moesim::spec {

/// Elements of `bits`, in blocks of block_rows x block_columns that share a scale and, if there is one, a zero point.
struct WeightFormat {
  std::string name = "bf16";
  int bits = 16;
  std::int64_t block_rows = 0, block_columns = 0;  // 0 x 0: no blocks; a block_columns of 0 alone means a whole row
  int scale_bits = 0, zero_bits = 0;               // a block
  int tensor_bytes = 0;                            // once a tensor
  int column_bytes = 0;                            // for each input column: GPTQ's order
  bool quantised() const { return bits < 16; }
  bool operator==(const WeightFormat&) const = default;
};

/// Bytes of one tensor.
std::int64_t stored_bytes(const WeightFormat& format, std::int64_t rows, std::int64_t columns);

WeightFormat plain_format(std::string_view dtype);  // bfloat16, float16, float32 as config.json calls them; else throws
WeightFormat fp8_blocks(std::int64_t rows, std::int64_t columns, int scale_bits);
WeightFormat fp8_channels();
WeightFormat fp8_tensor();
WeightFormat nvfp4();
WeightFormat mxfp4();
WeightFormat mxfp8();
/// Integers with a 16-bit scale, and a zero point of their own width if there is one, for each `group` of a row; 0: the
/// whole row.
WeightFormat integers(int bits, std::int64_t group, bool zero_points);
}  // namespace moesim::spec
