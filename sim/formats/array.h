// Arrays of numbers as files hold them: type, shape, strides, and the bytes on demand.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"

namespace moesim::formats {

enum class ElementType { u8, u16, u32, u64, i8, i16, i32, i64, f16, bf16, f32, f64 };
constexpr auto enum_names(ElementType) {
  using enum ElementType;
  return std::to_array<std::pair<std::string_view, ElementType>>({{"uint8", u8},
                                                                  {"uint16", u16},
                                                                  {"uint32", u32},
                                                                  {"uint64", u64},
                                                                  {"int8", i8},
                                                                  {"int16", i16},
                                                                  {"int32", i32},
                                                                  {"int64", i64},
                                                                  {"float16", f16},
                                                                  {"bfloat16", bf16},
                                                                  {"float32", f32},
                                                                  {"float64", f64}});
}
int element_bytes(ElementType type);
bool is_integer(ElementType type);

/// An array somewhere: reads pieces of it on demand.
struct ArraySource {
  std::string where;  // file and what in it, for messages
  ElementType type = ElementType::i32;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  // in elements; row-major if they fall from size to size
  /// Copies `count` bytes from byte `offset` of the data.
  std::function<void(std::uint64_t offset, void* out, std::uint64_t count)> read;

  std::int64_t elements() const;
  bool row_major() const;
  std::string shape_text() const;  // "[60, 3]"
  /// Rows [first, first + count) of the first dimension, row-major, whatever the strides.  Integers: throws ConfigError
  /// if the type is not one or a value does not fit.
  void read_integers(std::int64_t first, std::int64_t count, std::vector<std::int32_t>& out) const;
  void read_integers(std::int64_t first, std::int64_t count, std::vector<std::int64_t>& out) const;
  void read_reals(std::int64_t first, std::int64_t count, std::vector<double>& out) const;
};

/// The strides of an array in C order, or in Fortran order.
std::vector<std::int64_t> packed_strides(const std::vector<std::int64_t>& shape, bool fortran = false);
}  // namespace moesim::formats
