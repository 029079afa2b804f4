#include "routing/importers/array.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace moesim {
namespace {
constexpr std::pair<std::string_view, int> kTypes[] = {{"uint8", 1},   {"uint16", 2},   {"uint32", 4},  {"uint64", 8},
                                                       {"int8", 1},    {"int16", 2},    {"int32", 4},   {"int64", 8},
                                                       {"float16", 2}, {"bfloat16", 2}, {"float32", 4}, {"float64", 8}};

template <class T>
T load(const char* from) {
  T out;
  std::memcpy(&out, from, sizeof out);
  return out;
}
double half(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const double magnitude = exponent == 31  ? (mantissa != 0 ? std::nan("") : HUGE_VAL)
                           : exponent == 0 ? std::ldexp(mantissa, -24)
                                           : std::ldexp(mantissa + 1024, exponent - 25);
  return bits >> 15 != 0 ? -magnitude : magnitude;
}

template <class From, class To>
void convert(const char* from, std::size_t n, To* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = To(load<From>(from + i * sizeof(From)));
}
}  // namespace

int element_bytes(ElementType type) { return kTypes[int(type)].second; }
bool is_integer(ElementType type) { return type <= ElementType::i64; }
std::string_view name_of(ElementType type) { return kTypes[int(type)].first; }

double element(ElementType type, const char* from) {
  switch (type) {
    case ElementType::u8:
      return load<std::uint8_t>(from);
    case ElementType::u16:
      return load<std::uint16_t>(from);
    case ElementType::u32:
      return load<std::uint32_t>(from);
    case ElementType::u64:
      return double(load<std::uint64_t>(from));
    case ElementType::i8:
      return load<std::int8_t>(from);
    case ElementType::i16:
      return load<std::int16_t>(from);
    case ElementType::i32:
      return load<std::int32_t>(from);
    case ElementType::i64:
      return double(load<std::int64_t>(from));
    case ElementType::f16:
      return half(load<std::uint16_t>(from));
    case ElementType::bf16:
      return std::bit_cast<float>(std::uint32_t(load<std::uint16_t>(from)) << 16);
    case ElementType::f32:
      return load<float>(from);
    case ElementType::f64:
      return load<double>(from);
  }
  throw std::logic_error("an element type without a value");
}

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

namespace {
/// Calls use(index in the output, bytes of the element) for the rows, gathering them where they are strided.
template <class Use>
void gather(const ArraySource& a, std::int64_t first, std::int64_t count, Use&& use) {
  std::size_t inner = 1;
  for (std::size_t d = 1; d < a.shape.size(); ++d) inner *= std::size_t(a.shape[d]);
  const std::size_t width = std::size_t(element_bytes(a.type)), n = inner * std::size_t(count);
  std::string bytes;
  if (a.row_major()) {
    bytes.resize(n * width);
    a.read(std::uint64_t(first) * inner * width, bytes.data(), bytes.size());
    for (std::size_t i = 0; i < n; ++i) use(i, &bytes[i * width]);
    return;
  }
  std::vector<std::int64_t> at(a.shape.size());
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
std::size_t row_elements(const ArraySource& a) {
  std::size_t n = 1;
  for (std::size_t d = 1; d < a.shape.size(); ++d) n *= std::size_t(a.shape[d]);
  return n;
}
}  // namespace

void ArraySource::read_integers(std::int64_t first, std::int64_t count, std::vector<std::int32_t>& out) const {
  if (!is_integer(type)) throw ConfigError(fmt::format("{}: expected integers, got {}", where, name_of(type)));
  out.resize(row_elements(*this) * std::size_t(count));
  if (row_major() && element_bytes(type) <= 4 && type != ElementType::u32) {  // fits without looking
    std::string bytes(out.size() * std::size_t(element_bytes(type)), '\0');
    read(std::uint64_t(first) * row_elements(*this) * std::uint64_t(element_bytes(type)), bytes.data(), bytes.size());
    switch (type) {
      case ElementType::u8:
        return convert<std::uint8_t>(bytes.data(), out.size(), out.data());
      case ElementType::i8:
        return convert<std::int8_t>(bytes.data(), out.size(), out.data());
      case ElementType::u16:
        return convert<std::uint16_t>(bytes.data(), out.size(), out.data());
      case ElementType::i16:
        return convert<std::int16_t>(bytes.data(), out.size(), out.data());
      default:
        return convert<std::int32_t>(bytes.data(), out.size(), out.data());
    }
  }
  gather(*this, first, count, [&](std::size_t i, const char* from) {
    const double v = element(type, from);
    if (!(v >= INT32_MIN && v <= INT32_MAX))
      throw ConfigError(fmt::format("{}: element {} is {}, too large for an id", where, i, v));
    out[i] = std::int32_t(v);
  });
}

void ArraySource::read_reals(std::int64_t first, std::int64_t count, std::vector<double>& out) const {
  out.resize(row_elements(*this) * std::size_t(count));
  gather(*this, first, count, [&](std::size_t i, const char* from) { out[i] = element(type, from); });
}

namespace {
[[noreturn]] void fail(const std::string& where, std::uint64_t offset, std::string_view problem) {
  throw ConfigError(fmt::format("{}: byte {}: {}", where, offset, problem));
}

/// What follows 'key': in the header's Python dictionary.
std::string_view value_of(std::string_view header, std::string_view key) {
  const std::size_t at = header.find(fmt::format("'{}'", key));
  const std::size_t colon = at == std::string_view::npos ? at : header.find(':', at);
  if (colon == std::string_view::npos) return {};
  std::string_view rest = header.substr(colon + 1);
  rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(' ')));
  return rest;
}

ElementType type_of(std::string_view description, const std::string& where, std::uint64_t offset) {
  // '<i8': byte order, kind, width.
  constexpr std::pair<std::string_view, ElementType> known[] = {
      {"u1", ElementType::u8},  {"u2", ElementType::u16}, {"u4", ElementType::u32}, {"u8", ElementType::u64},
      {"i1", ElementType::i8},  {"i2", ElementType::i16}, {"i4", ElementType::i32}, {"i8", ElementType::i64},
      {"f2", ElementType::f16}, {"f4", ElementType::f32}, {"f8", ElementType::f64}};
  if (!description.empty() && description[0] != '>')
    for (const auto& [word, type] : known)
      if (description.substr(1) == word) return type;
  fail(where, offset, fmt::format("expected little-endian integers or floats, got dtype \"{}\"", description));
}

/// size: bytes from `offset` on that the array may use.
ArraySource parse_npy(const std::string& where, std::uint64_t offset, std::uint64_t size,
                      std::function<void(std::uint64_t, void*, std::uint64_t)> read) {
  char start[12];
  if (size < 12) fail(where, offset, fmt::format("{} bytes are too few for a .npy array", size));
  read(offset, start, 12);
  if (std::string_view(start, 6) != "\x93NUMPY") fail(where, offset, "is not a .npy array");
  const bool wide = start[6] >= 2;
  const std::uint64_t length = wide ? load<std::uint32_t>(start + 8) : load<std::uint16_t>(start + 8);
  const std::uint64_t data = (wide ? 12U : 10U) + length;
  if (data > size)
    fail(where, offset + 8, fmt::format("the header claims {} bytes, but {} follow", length, size - (wide ? 12 : 10)));
  std::string text(length, '\0');
  read(offset + (wide ? 12 : 10), text.data(), length);
  ArraySource out;
  out.where = where;
  const std::string_view description = value_of(text, "descr");
  if (!description.starts_with("'")) fail(where, offset, "expected an array of plain numbers");
  out.type = type_of(description.substr(1, description.find('\'', 1) - 1), where, offset);
  std::string_view shape = value_of(text, "shape");
  if (!shape.starts_with("(") || shape.find(')') == std::string_view::npos)
    fail(where, offset, "the header has no shape");
  shape = shape.substr(1, shape.find(')') - 1);
  const std::uint64_t room = (size - data) / std::uint64_t(element_bytes(out.type));
  std::uint64_t count = 1;
  while (!shape.empty()) {
    std::int64_t n = -1;
    const auto [end, error] = std::from_chars(shape.data(), shape.data() + shape.size(), n);
    if (error != std::errc{} || n < 0 || out.shape.size() == 8)
      fail(where, offset, "the header's shape is not a list of up to 8 sizes");
    if (n > 0 && count > room / std::uint64_t(n) + 1)
      count = room + 1;  // too large already; no overflow
    else
      count *= std::uint64_t(n);
    out.shape.push_back(n);
    shape.remove_prefix(std::size_t(end - shape.data()));
    shape.remove_prefix(std::min(shape.size(), shape.find_first_not_of(", L")));
  }
  if (count != room || (size - data) % std::uint64_t(element_bytes(out.type)) != 0)
    fail(where, offset + data,
         fmt::format("an array {} of {} needs {} {}bytes, but {} follow", out.shape_text(), name_of(out.type),
                     count > room ? "more" : fmt::format("{}", count * std::uint64_t(element_bytes(out.type))),
                     count > room ? "" : "", size - data));
  const bool fortran = value_of(text, "fortran_order").starts_with("True");
  out.strides.assign(out.shape.size(), 1);
  for (std::size_t i = 1; i < out.shape.size(); ++i) {
    const std::size_t d = fortran ? i : out.shape.size() - 1 - i, before = fortran ? d - 1 : d + 1;
    out.strides[d] = out.strides[before] * out.shape[before];
  }
  out.read = [read = std::move(read), begin = offset + data](std::uint64_t at, void* to, std::uint64_t n) {
    read(begin + at, to, n);
  };
  return out;
}
}  // namespace

ArraySource npy_array(std::shared_ptr<const ByteFile> file, std::uint64_t offset, std::uint64_t size) {
  const std::string name = file->name();
  const std::uint64_t room = size > 0 ? size : file->size() - std::min(offset, file->size());
  return parse_npy(name, offset, room,
                   [file](std::uint64_t at, void* out, std::uint64_t n) { file->read(at, out, n, "an array"); });
}

ArraySource npy_array(std::shared_ptr<const std::string> bytes, const std::string& where) {
  return parse_npy(where, 0, bytes->size(),
                   [bytes](std::uint64_t at, void* out, std::uint64_t n) { std::memcpy(out, bytes->data() + at, n); });
}
}  // namespace moesim
