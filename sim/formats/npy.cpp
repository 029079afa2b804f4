#include "formats/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "core/config_error.h"
#include "core/utf8.h"
#include "formats/checked.h"
#include "formats/memory_array.h"

namespace moesim::formats {
namespace {
constexpr std::string_view kMagic = "\x93NUMPY";
/// NumPy itself refuses headers of over 10,000 bytes (numpy.lib.format, max_header_size); plain numbers need 128.
constexpr std::uint32_t kMostHeader = 1 << 16;

/// An array of `size` bytes from byte `offset` on of what `read` reads.
class NpyParser {
 public:
  using Read = std::function<void(std::uint64_t offset, void* out, std::uint64_t count)>;
  NpyParser(const std::string& where, std::uint64_t offset, std::uint64_t size, Read read)
      : offset_(offset), size_(size), read_(std::move(read)) {
    out_.where = where;
  }

  ArraySource parse() {
    static_assert(std::endian::native == std::endian::little);
    read_header();
    const std::string_view description = value_of("descr");
    if (!description.starts_with("'")) fail(offset_, "expected an array of plain numbers");
    out_.type = type_of(description.substr(1, description.find('\'', 1) - 1));
    read_shape();
    out_.strides = packed_strides(out_.shape, value_of("fortran_order").starts_with("True"));
    out_.read = [read = std::move(read_), begin = offset_ + data_](std::uint64_t at, void* to, std::uint64_t n) {
      read(sum_of(begin, at), to, n);
    };
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(std::uint64_t offset, std::string_view problem) const {
    throw ConfigError::placed(fmt::format("{}: byte {}: {}", out_.where, offset, one_line(problem)));
  }

  void read_header() {
    char start[12];
    if (size_ < 12) fail(offset_, fmt::format("{} bytes are too few for a .npy array", size_));
    read_(offset_, start, 12);
    if (!is_npy({start, 12})) fail(offset_, "is not a .npy array");
    const bool wide = start[6] >= 2;
    std::uint32_t length = 0;
    std::memcpy(&length, start + 8, wide ? 4 : 2);
    const std::uint64_t begin = wide ? 12 : 10;
    data_ = begin + length;
    if (data_ > size_)
      fail(offset_ + 8, fmt::format("the header claims {} bytes, but {} follow", length, size_ - begin));
    if (length > kMostHeader)
      fail(offset_ + 8, fmt::format("the header claims {} bytes, expected at most {}", length, kMostHeader));
    header_.resize(length);
    read_(offset_ + begin, header_.data(), length);
  }

  /// What follows 'key': in the header's Python dictionary.
  std::string_view value_of(std::string_view key) const {
    const std::size_t at = header_.find(fmt::format("'{}'", key));
    const std::size_t colon = at == std::string::npos ? at : header_.find(':', at);
    if (colon == std::string::npos) return {};
    std::string_view rest = std::string_view(header_).substr(colon + 1);
    rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(' ')));
    return rest;
  }

  /// description: "<i8", byte order, kind, width.
  ElementType type_of(std::string_view description) const {
    constexpr std::pair<std::string_view, ElementType> known[] = {
        {"u1", ElementType::u8},  {"u2", ElementType::u16}, {"u4", ElementType::u32}, {"u8", ElementType::u64},
        {"i1", ElementType::i8},  {"i2", ElementType::i16}, {"i4", ElementType::i32}, {"i8", ElementType::i64},
        {"f2", ElementType::f16}, {"f4", ElementType::f32}, {"f8", ElementType::f64}};
    if (!description.empty() && std::string_view("<|=").find(description[0]) != std::string_view::npos)
      for (const auto& [word, type] : known)
        if (description.substr(1) == word) return type;
    fail(offset_, fmt::format("expected little-endian integers or floats, got dtype \"{}\"", description));
  }

  void read_shape() {
    std::string_view shape = value_of("shape");
    if (!shape.starts_with("(") || shape.find(')') == std::string_view::npos) fail(offset_, "the header has no shape");
    shape = shape.substr(1, shape.find(')') - 1);
    const std::uint64_t width = std::uint64_t(element_bytes(out_.type)), bytes = size_ - data_, room = bytes / width;
    while (!shape.empty()) {
      std::int64_t n = -1;
      const auto [end, error] = std::from_chars(shape.data(), shape.data() + shape.size(), n);
      if (error != std::errc{} || n < 0 || out_.shape.size() == 8)
        fail(offset_, "the header's shape is not a list of up to 8 sizes");
      out_.shape.push_back(n);
      shape.remove_prefix(std::size_t(end - shape.data()));
      shape.remove_prefix(std::min(shape.size(), shape.find_first_not_of(", L")));
    }
    const std::uint64_t count = elements_of(out_.shape);
    if (count == room && bytes % width == 0) {
      if (!sizes_fit(out_.shape)) fail(offset_, fmt::format("the sizes {} are too large", out_.shape_text()));
      return;
    }
    const std::string needed = count > room ? "more" : fmt::format("{}", count * width);
    fail(offset_ + data_, fmt::format("an array {} of {} needs {} bytes, but {} follow", out_.shape_text(),
                                      name_of(out_.type), needed, bytes));
  }

  std::uint64_t offset_, size_, data_ = 0;  // data: where the numbers begin, from offset on
  Read read_;
  std::string header_;
  ArraySource out_;
};
}  // namespace

bool is_npy(std::string_view head) { return head.starts_with(kMagic); }

ArraySource npy_array(std::shared_ptr<const ByteFile> file, std::uint64_t offset, std::uint64_t size) {
  const std::string name = file->name();
  const std::uint64_t room = std::min(size, file->size() - std::min(offset, file->size()));
  const auto read = [file](std::uint64_t at, void* out, std::uint64_t n) { file->read(at, out, n, "an array"); };
  return NpyParser(name, offset, room, read).parse();
}

ArraySource npy_array(const std::string& file) { return npy_array(std::make_shared<const ByteFile>(file)); }

ArraySource npy_array(std::shared_ptr<const std::string> bytes, const std::string& where) {
  return NpyParser(where, 0, bytes->size(), read_memory(*bytes, 0, where, bytes)).parse();
}
}  // namespace moesim::formats
