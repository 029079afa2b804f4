#include "numerics/weights/tensor_values.h"

#include <cmath>
#include <cstring>

#include "core/ceil_div.h"
#include "core/check.h"
#include "formats/number_formats.h"
#include "numerics/algebra/rounding.h"

namespace moesim::numerics {
namespace {

template <class Bits, class Convert>
void convert(const std::byte* from, std::span<double> out, Convert to_number) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Bits bits;
    std::memcpy(&bits, from + i * sizeof(Bits), sizeof(Bits));
    out[i] = double(to_number(bits));
  }
}

template <class Bits, class Convert>
void append(std::span<const double> values, std::vector<std::byte>& out, Convert to_bits) {
  const std::size_t before = out.size();
  out.resize(before + values.size() * sizeof(Bits));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Bits bits = to_bits(values[i]);
    std::memcpy(out.data() + before + i * sizeof(Bits), &bits, sizeof(Bits));
  }
}
}  // namespace

bool is_real(formats::StoredType type) {
  return type == formats::StoredType::f64 || type == formats::StoredType::f32 || type == formats::StoredType::f16 ||
         type == formats::StoredType::bf16 || type == formats::StoredType::f8_e4m3;
}

void read_values(const formats::StoredTensor& tensor, std::int64_t first, std::span<double> out) {
  check(first >= 0 && first + std::int64_t(out.size()) <= tensor.elements(), "values {} to {} of {}", first,
        first + std::int64_t(out.size()), tensor.elements());
  const std::byte* from = tensor.bytes.data() + first * formats::stored_bytes(tensor.type);
  switch (tensor.type) {
    case formats::StoredType::f64:
      return convert<double>(from, out, [](double v) { return v; });
    case formats::StoredType::f32:
      return convert<float>(from, out, [](float v) { return v; });
    case formats::StoredType::f16:
      return convert<std::uint16_t>(from, out, formats::from_fp16);
    case formats::StoredType::bf16:
      return convert<std::uint16_t>(from, out, formats::from_bf16);
    case formats::StoredType::f8_e4m3: {
      const auto& table = formats::e4m3_table();
      return convert<std::uint8_t>(from, out, [&table](std::uint8_t v) { return table[v]; });
    }
    default:
      throw std::logic_error("values of a type that is not real");
  }
}

void write_values(formats::StoredType type, std::span<const double> values, std::vector<std::byte>& out) {
  switch (type) {
    case formats::StoredType::f64:
      return append<double>(values, out, [](double v) { return v; });
    case formats::StoredType::f32:
      return append<float>(values, out, [](double v) { return float(v); });
    case formats::StoredType::f16:
      return append<std::uint16_t>(values, out, [](double v) { return to_fp16(float(v)); });
    case formats::StoredType::bf16:
      return append<std::uint16_t>(values, out, [](double v) { return to_bf16(float(v)); });
    default:
      throw std::logic_error("values are written in a type that needs scales or is not real");
  }
}

void read_scaled(const formats::StoredTensor& matrix, const formats::StoredTensor& scales, std::int64_t first,
                 std::int64_t rows, std::vector<double>& out) {
  const std::int64_t columns = matrix.shape.at(1), across = ceil_div(columns, kScaleBlock);
  out.resize(std::size_t(rows * columns));
  read_values(matrix, first * columns, out);
  std::vector<double> row_scales(static_cast<std::size_t>(across));
  for (std::int64_t r = 0; r < rows; ++r) {
    if (r % kScaleBlock == 0) read_values(scales, (first + r) / kScaleBlock * across, row_scales);
    for (std::int64_t c = 0; c < columns; ++c)
      out[std::size_t(r * columns + c)] *= row_scales[std::size_t(c / kScaleBlock)];
  }
}

void write_scaled(std::span<const double> values, std::int64_t columns, std::vector<std::byte>& bytes,
                  std::vector<float>& scales) {
  const auto rows = std::int64_t(values.size()) / columns;
  check(rows <= kScaleBlock, "{} rows of FP8 with one row of scales", rows);
  const std::size_t before = bytes.size();
  bytes.resize(before + values.size());
  for (std::int64_t begin = 0; begin < columns; begin += kScaleBlock) {
    const std::int64_t end = std::min(columns, begin + kScaleBlock);
    double most = 0;
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = begin; c < end; ++c) most = std::max(most, std::fabs(values[std::size_t(r * columns + c)]));
    const float scale = most > 0 ? float(most / kLargestE4m3) : 1;
    scales.push_back(scale);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = begin; c < end; ++c) {
        const auto i = std::size_t(r * columns + c);
        bytes[before + i] = std::byte(to_e4m3(float(values[i] / double(scale))));
      }
  }
}
}  // namespace moesim::numerics
