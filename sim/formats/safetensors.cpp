#include "formats/safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/utf8.h"
#include "formats/checked.h"
#include "formats/json.h"
#include "formats/memory_array.h"

namespace moesim::formats {
namespace {
constexpr std::int64_t kLargestHeader = 100'000'000;  // the format's own limit

[[noreturn]] void fail(const std::string& file, const std::string& problem) {
  throw ConfigError::placed(fmt::format("{}: {}", file, one_line(problem)));
}

std::span<const std::byte> map_file(const std::string& file, const OpenFile& open) {
  const auto size = std::size_t(open.size);
  if (size < 8) fail(file, fmt::format("not a safetensors file: expected at least 8 bytes, got {}", size));
  void* start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, open.descriptor.number(), 0);
  if (start == MAP_FAILED) fail(file, fmt::format("cannot be mapped ({})", std::strerror(errno)));
  return {static_cast<const std::byte*>(start), size};
}

/// A non-negative whole number, or -1.
std::int64_t whole(const JsonValue& value) {
  if (value.is_number_unsigned() && value.get<std::uint64_t>() <= std::uint64_t(INT64_MAX))
    return std::int64_t(value.get<std::uint64_t>());
  return -1;
}

/// One tensor of a header, checked against the bytes of data that the file holds.
class Entry {
 public:
  Entry(const std::string& file, const std::string& name, const JsonValue& json, std::int64_t data_bytes)
      : file_(file), name_(name) {
    if (!json.is_object() || !json.contains("dtype") || !json.contains("shape") || !json.contains("data_offsets"))
      wrong("expected dtype, shape and data_offsets in the header");
    read_type(json["dtype"]);
    read_offsets(json["data_offsets"], data_bytes);
    read_shape(json["shape"]);
  }
  StoredTensor tensor;  // without its bytes
  std::int64_t begin = 0, end = 0;

 private:
  [[noreturn]] void wrong(const std::string& problem) const {
    fail(file_, fmt::format("tensor {}: {}", name_, problem));
  }
  void read_type(const JsonValue& dtype) {
    bool known = false;
    for (const auto& [word, type] : enum_names(StoredType{}))
      if (dtype.is_string() && dtype.get_ref<const std::string&>() == word) known = true, tensor.type = type;
    if (!known) wrong(fmt::format("unknown dtype {}", shown(dtype)));
  }
  void read_offsets(const JsonValue& offsets, std::int64_t data_bytes) {
    if (!offsets.is_array() || offsets.size() != 2 || whole(offsets[0]) < 0 || whole(offsets[1]) < whole(offsets[0]))
      wrong(fmt::format("expected two ascending data_offsets, got {}", shown(offsets)));
    begin = whole(offsets[0]), end = whole(offsets[1]);
    if (end > data_bytes)
      wrong(fmt::format("data_offsets end at byte {}, but the file holds {} bytes of data (truncated?)", end,
                        data_bytes));
  }
  void read_shape(const JsonValue& shape) {
    if (!shape.is_array() || shape.size() > 8) wrong("expected a shape of at most 8 sizes");
    const std::int64_t bytes = end - begin;
    for (const JsonValue& size : shape) {
      const std::int64_t n = whole(size);
      if (n < 0) wrong(fmt::format("shape {} holds something that is not a size", shown(shape)));
      tensor.shape.push_back(n);
    }
    const std::uint64_t needed = product_of(elements_of(tensor.shape), std::uint64_t(stored_bytes(tensor.type)));
    if (!sizes_fit(tensor.shape) || needed > std::uint64_t(INT64_MAX))
      wrong(fmt::format("shape {} needs more than the {} bytes its data_offsets give", shown(shape), bytes));
    if (needed != std::uint64_t(bytes))
      wrong(fmt::format("shape {} of {} takes {} bytes, but its data_offsets give {}", shape_text(tensor.shape),
                        name_of(tensor.type), needed, bytes));
  }
  const std::string &file_, &name_;
};
}  // namespace

std::int64_t stored_bytes(StoredType type) {
  switch (type) {
    case StoredType::f64:
    case StoredType::i64:
      return 8;
    case StoredType::f32:
    case StoredType::i32:
      return 4;
    case StoredType::f16:
    case StoredType::bf16:
    case StoredType::i16:
      return 2;
    case StoredType::f8_e4m3:
    case StoredType::f8_e5m2:
    case StoredType::i8:
    case StoredType::u8:
    case StoredType::boolean:
      return 1;
  }
  throw std::logic_error("a stored type without a size");
}

std::int64_t StoredTensor::elements() const { return std::int64_t(bytes.size()) / stored_bytes(type); }

ArraySource array_of(const StoredTensor& tensor, const std::string& where) {
  constexpr std::pair<StoredType, ElementType> known[] = {
      {StoredType::f64, ElementType::f64},   {StoredType::f32, ElementType::f32}, {StoredType::f16, ElementType::f16},
      {StoredType::bf16, ElementType::bf16}, {StoredType::i64, ElementType::i64}, {StoredType::i32, ElementType::i32},
      {StoredType::i16, ElementType::i16},   {StoredType::i8, ElementType::i8},   {StoredType::u8, ElementType::u8}};
  const auto type = std::ranges::find(known, tensor.type, [](const auto& pair) { return pair.first; });
  if (type == std::end(known))
    throw ConfigError::placed(fmt::format("{}: expected numbers, got {}", where, name_of(tensor.type)));
  ArraySource out;
  out.where = where;
  out.type = type->second;
  out.shape = tensor.shape;
  out.strides = packed_strides(tensor.shape);
  out.read = read_memory({reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()}, 0, where, nullptr);
  return out;
}

std::string shape_text(std::span<const std::int64_t> shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

SafetensorsFile::SafetensorsFile(const std::string& file) : file_(file), open_(open_file(file)) {
  try {
    bytes_ = map_file(file, open_);
    read_header();
  } catch (...) {
    unmap();
    throw;
  }
}

SafetensorsFile::~SafetensorsFile() { unmap(); }

void SafetensorsFile::unmap() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void SafetensorsFile::check_whole() const {
  struct stat status {};
  if (::fstat(open_.descriptor.number(), &status) != 0 || std::size_t(status.st_size) < bytes_.size())
    fail(file_, fmt::format("became shorter than its {} bytes while it was read", bytes_.size()));
}

void SafetensorsFile::read_header() {
  std::uint64_t length = 0;
  std::memcpy(&length, bytes_.data(), 8);
  const auto rest = std::int64_t(bytes_.size()) - 8;
  if (length > std::uint64_t(rest))
    fail(file_, fmt::format("the header claims {} bytes, but only {} follow (truncated, or not a safetensors file)",
                            length, rest));
  if (length > std::uint64_t(kLargestHeader))
    fail(file_, fmt::format("the header claims {} bytes; the format allows {}", length, kLargestHeader));
  const auto* text = reinterpret_cast<const char*>(bytes_.data()) + 8;
  const JsonValue header = parse_json({text, length}, file_ + ": the header");
  if (!header.is_object()) fail(file_, "the header is not a JSON object");
  data_ = bytes_.data() + 8 + length;
  const std::int64_t data_bytes = rest - std::int64_t(length);
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      for (const auto& [key, word] : value.items())
        if (word.is_string()) metadata_[key] = word.get<std::string>();
      continue;
    }
    Entry e(file_, name, value, data_bytes);
    e.tensor.bytes = {data_ + e.begin, std::size_t(e.end - e.begin)};
    tensors_.emplace(name, std::move(e.tensor));
  }
  check_coverage(data_bytes);
}

void SafetensorsFile::check_coverage(std::int64_t data_bytes) const {
  struct Range {
    std::int64_t begin, end;
    const std::string* name;
  };
  std::vector<Range> ranges;
  for (const auto& [name, tensor] : tensors_) {
    const std::int64_t begin = tensor.bytes.data() - data_;
    ranges.push_back({begin, begin + std::int64_t(tensor.bytes.size()), &name});
  }
  std::ranges::sort(ranges,
                    [](const Range& a, const Range& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  std::int64_t at = 0;
  for (const Range& r : ranges) {
    if (r.begin < at)
      fail(file_, fmt::format("tensor {}: starts at byte {} inside another that ends at {}", *r.name, r.begin, at));
    if (r.begin > at)
      fail(file_, fmt::format("tensor {}: starts at byte {}, but the one before ends at {}", *r.name, r.begin, at));
    at = r.end;
  }
  if (at != data_bytes) fail(file_, fmt::format("the tensors end at byte {} of {} bytes of data", at, data_bytes));
}
}  // namespace moesim::formats
