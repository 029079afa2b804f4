// Arrays of numbers as files hold them: type, shape, strides, and the bytes on demand.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace moesim::formats {

enum class ElementType { u8, u16, u32, u64, i8, i16, i32, i64, f16, bf16, f32, f64 };
int element_bytes(ElementType type);
bool is_integer(ElementType type);
std::string_view name_of(ElementType type);

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
