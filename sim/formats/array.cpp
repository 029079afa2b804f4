#include "formats/array.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>
#include <limits>
#include <stdexcept>
#include <utility>

#include "core/config_error.h"
#include "formats/number_formats.h"

namespace moesim::formats {
namespace {
/// Calls use(value) with one element, or returns what it returns: the value as it is stored, half precision as float.
template <class Use>
decltype(auto) with_element(ElementType type, const char* from, Use&& use) {
  const auto load = [from](auto value) {  // need not be aligned
    std::memcpy(&value, from, sizeof value);
    return value;
  };
  switch (type) {
    case ElementType::u8:
      return use(load(std::uint8_t{}));
    case ElementType::u16:
      return use(load(std::uint16_t{}));
    case ElementType::u32:
      return use(load(std::uint32_t{}));
    case ElementType::u64:
      return use(load(std::uint64_t{}));
    case ElementType::i8:
      return use(load(std::int8_t{}));
    case ElementType::i16:
      return use(load(std::int16_t{}));
    case ElementType::i32:
      return use(load(std::int32_t{}));
    case ElementType::i64:
      return use(load(std::int64_t{}));
    case ElementType::f16:
      return use(from_fp16(load(std::uint16_t{})));
    case ElementType::bf16:
      return use(from_bf16(load(std::uint16_t{})));
    case ElementType::f32:
      return use(load(float{}));
    case ElementType::f64:
      return use(load(double{}));
  }
  throw std::logic_error("an element type without a value");
}

std::size_t row_elements(const ArraySource& a) {
  std::size_t n = 1;
  for (std::size_t d = 1; d < a.shape.size(); ++d) n *= std::size_t(a.shape[d]);
  return n;
}

/// Calls use(index in the output, bytes of the element) for the rows, gathering them where they are strided.
template <class Use>
void gather(const ArraySource& a, std::int64_t first, std::int64_t count, Use&& use) {
  const std::size_t inner = row_elements(a), width = std::size_t(element_bytes(a.type)), n = inner * std::size_t(count);
  std::string bytes;
  if (a.row_major()) {
    bytes.resize(n * width);
    a.read(std::uint64_t(first) * inner * width, bytes.data(), bytes.size());
    for (std::size_t i = 0; i < n; ++i) use(i, &bytes[i * width]);
    return;
  }
  char one[8];
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t rest = i;
    std::int64_t offset = 0;
    for (std::size_t d = a.shape.size(); d-- > 0;) {
      const std::size_t size = d == 0 ? std::size_t(count) : std::size_t(a.shape[d]);
      offset += (std::int64_t(rest % size) + (d == 0 ? first : 0)) * a.strides[d];
      rest /= size;
    }
    a.read(std::uint64_t(offset) * width, one, width);
    use(i, one);
  }
}

/// Rows whose type fits into T whatever the value, read as they lie; false if there are none such.
template <class T>
bool read_fitting(const ArraySource& a, std::int64_t first, std::vector<T>& out) {
  const std::size_t width = std::size_t(element_bytes(a.type));
  const bool is_signed = a.type >= ElementType::i8;
  if (!a.row_major() || width > sizeof(T) || (width == sizeof(T) && !is_signed)) return false;
  std::string bytes(out.size() * width, '\0');
  a.read(std::uint64_t(first) * row_elements(a) * width, bytes.data(), bytes.size());
  const auto convert = [&](auto stored) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      std::memcpy(&stored, &bytes[i * sizeof stored], sizeof stored);
      out[i] = T(stored);
    }
    return true;
  };
  return with_element(a.type, "\0\0\0\0\0\0\0", convert);
}

template <class T>
void integers(const ArraySource& a, std::int64_t first, std::int64_t count, std::vector<T>& out) {
  if (!is_integer(a.type))
    throw ConfigError::placed(fmt::format("{}: expected integers, got {}", a.where, name_of(a.type)));
  out.resize(row_elements(a) * std::size_t(count));
  if (read_fitting(a, first, out)) return;
  gather(a, first, count, [&](std::size_t i, const char* from) {
    out[i] = with_element(a.type, from, [&](auto v) -> T {
      if constexpr (std::is_integral_v<decltype(v)>)
        if (std::in_range<T>(v)) return T(v);
      throw ConfigError::placed(fmt::format("{}: element {} is {}, too large for an id", a.where, i, v));
    });
  });
}
}  // namespace

int element_bytes(ElementType type) {
  switch (type) {
    case ElementType::u8:
    case ElementType::i8:
      return 1;
    case ElementType::u16:
    case ElementType::i16:
    case ElementType::f16:
    case ElementType::bf16:
      return 2;
    case ElementType::u32:
    case ElementType::i32:
    case ElementType::f32:
      return 4;
    case ElementType::u64:
    case ElementType::i64:
    case ElementType::f64:
      return 8;
  }
  throw std::logic_error("a type of elements has no size");
}
bool is_integer(ElementType type) { return type <= ElementType::i64; }

std::int64_t ArraySource::elements() const {
  std::int64_t n = 1;
  for (const std::int64_t size : shape) n *= size;
  return n;
}

bool ArraySource::row_major() const {
  std::int64_t expected = 1;
  for (std::size_t d = shape.size(); d-- > 0; expected *= shape[d])
    if (shape[d] > 1 && strides[d] != expected) return false;
  return true;
}

std::string ArraySource::shape_text() const { return fmt::format("[{}]", fmt::join(shape, ", ")); }

void ArraySource::read_integers(std::int64_t first, std::int64_t count, std::vector<std::int32_t>& out) const {
  integers(*this, first, count, out);
}
void ArraySource::read_integers(std::int64_t first, std::int64_t count, std::vector<std::int64_t>& out) const {
  integers(*this, first, count, out);
}

void ArraySource::read_reals(std::int64_t first, std::int64_t count, std::vector<double>& out) const {
  out.resize(row_elements(*this) * std::size_t(count));
  gather(*this, first, count,
         [&](std::size_t i, const char* from) { out[i] = with_element(type, from, [](auto v) { return double(v); }); });
}

std::vector<std::int64_t> packed_strides(const std::vector<std::int64_t>& shape, bool fortran) {
  std::vector<std::int64_t> out(shape.size(), 1);
  for (std::size_t i = 1; i < shape.size(); ++i) {
    const std::size_t d = fortran ? i : shape.size() - 1 - i, before = fortran ? d - 1 : d + 1;
    out[d] = out[before] * shape[before];
  }
  return out;
}
}  // namespace moesim::formats
