// Arrays of numbers as importers find them: NumPy's .npy, in a file or in memory.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "routing/importers/byte_file.h"

namespace moesim {

enum class ElementType { u8, u16, u32, u64, i8, i16, i32, i64, f16, bf16, f32, f64 };
int element_bytes(ElementType type);
bool is_integer(ElementType type);
std::string_view name_of(ElementType type);
/// The value at `from`, which need not be aligned.
double element(ElementType type, const char* from);

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
  void read_reals(std::int64_t first, std::int64_t count, std::vector<double>& out) const;
};

/// The array of a .npy file, C or Fortran order, little-endian numbers.  `offset`, `size`: where it lies in the file
/// (an .npz entry); size 0: to the end.  Throws ConfigError naming file and byte: not .npy, a header that is cut off or
/// not understood, other types, more or fewer bytes than the shape needs.
/// Source: NumPy's format description, versions 1.0 to 3.0.
ArraySource npy_array(std::shared_ptr<const ByteFile> file, std::uint64_t offset = 0, std::uint64_t size = 0);
/// The same from bytes in memory; `where` stands for the file in messages.
ArraySource npy_array(std::shared_ptr<const std::string> bytes, const std::string& where);
}  // namespace moesim
