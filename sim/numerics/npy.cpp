#include "numerics/npy.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cstring>

#include "core/config.h"
#include "core/files.h"

namespace moesim {
namespace {
struct Header {
  std::string description;
  bool fortran = false;
  std::vector<std::int64_t> shape;
  std::size_t data = 0;  // where the values begin
};

/// The text after `'key':` in the header's dictionary.
std::string_view value_of(std::string_view header, std::string_view key) {
  const std::size_t at = header.find(fmt::format("'{}'", key));
  if (at == std::string_view::npos) return {};
  const std::size_t colon = header.find(':', at);
  if (colon == std::string_view::npos) return {};
  std::string_view rest = header.substr(colon + 1);
  rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(' ')));
  return rest;
}

Header parse_header(const std::string& file, std::string_view bytes) {
  const auto fail = [&](const std::string& problem) { throw ConfigError(fmt::format("{}: {}", file, problem)); };
  if (bytes.size() < 12 || bytes.substr(0, 6) != "\x93NUMPY") fail("not a .npy file");
  const bool wide = bytes[6] >= 2;
  std::uint32_t length = 0;
  std::memcpy(&length, bytes.data() + 8, wide ? 4 : 2);
  Header h;
  h.data = (wide ? 12U : 10U) + std::size_t(length);
  if (h.data > bytes.size()) fail(fmt::format("the header claims {} bytes, but the file has {}", length, bytes.size()));
  const std::string_view text = bytes.substr(wide ? 12 : 10, length);
  const std::string_view description = value_of(text, "descr");
  if (description.size() < 5 || description[0] != '\'') fail("expected an array of plain numbers");
  h.description = description.substr(1, description.find('\'', 1) - 1);
  h.fortran = value_of(text, "fortran_order").starts_with("True");
  std::string_view shape = value_of(text, "shape");
  if (!shape.starts_with("(")) fail("the header has no shape");
  shape = shape.substr(1, shape.find(')') - 1);
  while (!shape.empty()) {
    std::int64_t size = 0;
    const auto [end, error] = std::from_chars(shape.data(), shape.data() + shape.size(), size);
    if (error != std::errc{} || size < 0) fail("the header's shape is not a list of sizes");
    h.shape.push_back(size);
    shape.remove_prefix(std::size_t(end - shape.data()));
    shape.remove_prefix(std::min(shape.size(), shape.find_first_not_of(", ")));
  }
  return h;
}

/// The file's header and the bytes of its values, checked against each other.
struct Array {
  std::string bytes;
  Header header;
  char kind = 'i';
  int width = 8;  // bytes a value
  std::int64_t count = 0;
  const char* values() const { return bytes.data() + header.data; }
};

Array read_array(const std::string& file, std::string_view kinds, std::string_view expected) {
  static_assert(std::endian::native == std::endian::little);
  Array a;
  a.bytes = read_file(file);
  a.header = parse_header(file, a.bytes);
  const Header& h = a.header;
  const auto fail = [&](const std::string& problem) { throw ConfigError(fmt::format("{}: {}", file, problem)); };
  a.kind = h.description[1];
  a.width = h.description[2] - '0';
  if (h.description[0] == '>' || kinds.find(a.kind) == std::string_view::npos || h.description.size() != 3)
    fail(fmt::format("expected little-endian {}, got {}", expected, h.description));
  if (h.fortran && h.shape.size() > 1) fail("expected C order, got Fortran order");
  a.count = 1;
  const auto room = std::int64_t(a.bytes.size() - h.data) / std::max(a.width, 1);
  for (const std::int64_t size : h.shape) {
    if (size > 0 && a.count > room / size)
      fail(fmt::format("the header's shape needs more than the {} values that follow", room));
    a.count *= size;
  }
  if (a.count != room) fail(fmt::format("the header's shape has {} values, but {} follow", a.count, room));
  return a;
}

template <class T, class Out>
std::vector<Out> values_of(const Array& a) {
  std::vector<Out> out(static_cast<std::size_t>(a.count));
  for (std::size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, a.values() + i * sizeof(T), sizeof(T));
    out[i] = Out(value);
  }
  return out;
}

template <class Out>
std::vector<Out> integers_of(const Array& a, const std::string& file) {
  const bool is_signed = a.kind == 'i';
  switch (a.width) {
    case 1:
      return is_signed ? values_of<std::int8_t, Out>(a) : values_of<std::uint8_t, Out>(a);
    case 2:
      return is_signed ? values_of<std::int16_t, Out>(a) : values_of<std::uint16_t, Out>(a);
    case 4:
      return is_signed ? values_of<std::int32_t, Out>(a) : values_of<std::uint32_t, Out>(a);
    case 8:
      return is_signed ? values_of<std::int64_t, Out>(a) : values_of<std::uint64_t, Out>(a);
    default:
      throw ConfigError(fmt::format("{}: expected integers of 1, 2, 4 or 8 bytes, got {}", file, a.header.description));
  }
}
}  // namespace

IntegerArray read_npy_integers(const std::string& file) {
  const Array a = read_array(file, "iu", "integers");
  if (a.header.shape.empty() || a.header.shape.size() > 2)
    throw ConfigError(
        fmt::format("{}: expected [tokens] or [sequences, tokens], got {} dimensions", file, a.header.shape.size()));
  return {a.header.shape, integers_of<std::int64_t>(a, file)};
}

NumberArray read_npy_numbers(const std::string& file) {
  const Array a = read_array(file, "iuf", "numbers");
  if (a.kind != 'f') return {a.header.shape, integers_of<double>(a, file)};
  if (a.width == 4) return {a.header.shape, values_of<float, double>(a)};
  if (a.width == 8) return {a.header.shape, values_of<double, double>(a)};
  throw ConfigError(fmt::format("{}: expected floats of 4 or 8 bytes, got {}", file, a.header.description));
}
}  // namespace moesim
