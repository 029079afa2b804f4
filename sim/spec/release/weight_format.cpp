#include "spec/release/weight_format.h"

#include <fmt/format.h>

#include "core/ceil_div.h"
#include "core/config_error.h"

namespace moesim::spec {

std::int64_t stored_bytes(const WeightFormat& f, std::int64_t rows, std::int64_t columns) {
  std::int64_t bits = rows * columns * f.bits;
  if (f.block_rows > 0) {
    const std::int64_t across = f.block_columns > 0 ? f.block_columns : columns;
    bits += ceil_div(rows, f.block_rows) * ceil_div(columns, across) * (f.scale_bits + f.zero_bits);
  }
  return ceil_div(bits, std::int64_t{8}) + f.tensor_bytes + f.column_bytes * columns;
}

WeightFormat plain_format(std::string_view dtype) {
  if (dtype.starts_with("torch.")) dtype.remove_prefix(6);
  if (dtype == "float32") return {.name = "fp32", .bits = 32};
  if (dtype == "float16") return {.name = "fp16"};
  if (dtype == "bfloat16") return {};
  throw ConfigError(fmt::format("expected float32, float16 or bfloat16, got \"{}\"", dtype));
}

// DeepSeek-V3's weight_scale_inv is FP32; V4's is an 8-bit exponent.
WeightFormat fp8_blocks(std::int64_t rows, std::int64_t columns, int scale_bits) {
  return {.name = fmt::format("fp8 {}x{}", rows, columns),
          .bits = 8,
          .block_rows = rows,
          .block_columns = columns,
          .scale_bits = scale_bits};
}

// llm-compressor keeps a row's scale in the model's own 16 bits.
WeightFormat fp8_channels() { return {.name = "fp8 channel", .bits = 8, .block_rows = 1, .scale_bits = 16}; }

// One FP32 scale for the weight and one for what is multiplied with it.
WeightFormat fp8_tensor() { return {.name = "fp8 tensor", .bits = 8, .tensor_bytes = 8}; }

// 4 bits, an FP8 scale for 16, an FP32 scale for the weight and one for what is multiplied with it.
WeightFormat nvfp4() {
  return {.name = "nvfp4", .bits = 4, .block_rows = 1, .block_columns = 16, .scale_bits = 8, .tensor_bytes = 8};
}

// OCP Microscaling Formats 1.0: an 8-bit exponent for 32.
WeightFormat mxfp4() { return {.name = "mxfp4", .bits = 4, .block_rows = 1, .block_columns = 32, .scale_bits = 8}; }
WeightFormat mxfp8() { return {.name = "mxfp8", .bits = 8, .block_rows = 1, .block_columns = 32, .scale_bits = 8}; }

WeightFormat integers(int bits, std::int64_t group, bool zero_points) {
  return {.name = group > 0 ? fmt::format("int{} group {}", bits, group) : fmt::format("int{} channel", bits),
          .bits = bits,
          .block_rows = 1,
          .block_columns = group,
          .scale_bits = 16,
          .zero_bits = zero_points ? bits : 0};
}
}  // namespace moesim::spec
