#include "numerics/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/files.h"

namespace moesim {
namespace {
using Json = nlohmann::json;
constexpr std::int64_t kLargestHeader = 100'000'000;  // the format's own limit

[[noreturn]] void fail(const std::string& file, const std::string& problem) {
  throw ConfigError(fmt::format("{}: {}", file, problem));
}

std::span<const std::byte> map_file(const std::string& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    fail(file, errno == ENOENT ? "no such file" : fmt::format("cannot be read ({})", std::strerror(errno)));
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    fail(file, "is not a file");
  }
  const auto size = std::size_t(status.st_size);
  if (size < 8) {
    ::close(descriptor);
    fail(file, fmt::format("not a safetensors file: expected at least 8 bytes, got {}", size));
  }
  void* start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  ::close(descriptor);
  if (start == MAP_FAILED) fail(file, fmt::format("cannot be mapped ({})", std::strerror(errno)));
  return {static_cast<const std::byte*>(start), size};
}

/// A non-negative whole number, or -1.
std::int64_t whole(const Json& value) {
  if (value.is_number_unsigned() && value.get<std::uint64_t>() <= std::uint64_t(INT64_MAX))
    return std::int64_t(value.get<std::uint64_t>());
  return -1;
}

struct Entry {
  StoredTensor tensor;
  std::int64_t begin = 0, end = 0;
};

Entry read_entry(const std::string& file, const std::string& name, const Json& json, std::int64_t data_bytes) {
  Entry e;
  const auto wrong = [&](const std::string& problem) { fail(file, fmt::format("tensor {}: {}", name, problem)); };
  if (!json.is_object() || !json.contains("dtype") || !json.contains("shape") || !json.contains("data_offsets"))
    wrong("expected dtype, shape and data_offsets in the header");
  const Json &dtype = json["dtype"], &shape = json["shape"], &offsets = json["data_offsets"];
  bool known = false;
  for (const auto& [word, type] : EnumNames<StoredType>::table)
    if (dtype.is_string() && dtype.get_ref<const std::string&>() == word) known = true, e.tensor.type = type;
  if (!known) wrong(fmt::format("unknown dtype {}", dtype.dump().substr(0, 40)));
  if (!offsets.is_array() || offsets.size() != 2 || whole(offsets[0]) < 0 || whole(offsets[1]) < whole(offsets[0]))
    wrong(fmt::format("expected two ascending data_offsets, got {}", offsets.dump().substr(0, 60)));
  e.begin = whole(offsets[0]), e.end = whole(offsets[1]);
  if (e.end > data_bytes)
    wrong(fmt::format("data_offsets end at byte {}, but the file holds {} bytes of data (truncated?)", e.end,
                      data_bytes));
  if (!shape.is_array() || shape.size() > 8) wrong("expected a shape of at most 8 sizes");
  const std::int64_t room = (e.end - e.begin) / stored_bytes(e.tensor.type);
  std::int64_t elements = 1;
  for (const Json& size : shape) {
    const std::int64_t n = whole(size);
    if (n < 0) wrong(fmt::format("shape {} holds something that is not a size", shape.dump().substr(0, 60)));
    if (n > 0 && elements > room / n + 1)
      wrong(fmt::format("shape {} needs more than the {} bytes its data_offsets give", shape.dump().substr(0, 60),
                        e.end - e.begin));
    elements *= n;
    e.tensor.shape.push_back(n);
  }
  if (elements * stored_bytes(e.tensor.type) != e.end - e.begin)
    wrong(fmt::format("shape {} of {} takes {} bytes, but its data_offsets give {}", shape_text(e.tensor.shape),
                      name_of(e.tensor.type), elements * stored_bytes(e.tensor.type), e.end - e.begin));
  return e;
}
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

std::string shape_text(std::span<const std::int64_t> shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

SafetensorsFile::SafetensorsFile(const std::string& file) : file_(file), bytes_(map_file(file)) {
  try {
    read_header();
  } catch (...) {
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
    throw;
  }
}

SafetensorsFile::~SafetensorsFile() { ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size()); }

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
  const Json header = Json::parse(text, text + length, nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) fail(file_, "the header is not a JSON object");
  data_ = bytes_.data() + 8 + length;
  const std::int64_t data_bytes = rest - std::int64_t(length);
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      for (const auto& [key, word] : value.items())
        if (word.is_string()) metadata_[key] = word.get<std::string>();
      continue;
    }
    Entry e = read_entry(file_, name, value, data_bytes);
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

void write_safetensors(const std::string& file, const std::map<std::string, StoredTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::int64_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    const auto size = std::int64_t(tensor.bytes.size());
    header[name] = {{"dtype", name_of(tensor.type)}, {"shape", tensor.shape}, {"data_offsets", {at, at + size}}};
    at += size;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data is aligned
  const std::string partial = file + ".partial";
  std::ofstream out(partial, std::ios::binary);
  const std::uint64_t length = text.size();
  out.write(reinterpret_cast<const char*>(&length), 8);
  out << text;
  for (const auto& [name, tensor] : tensors)
    out.write(reinterpret_cast<const char*>(tensor.bytes.data()), std::streamsize(tensor.bytes.size()));
  out.close();
  if (!out || std::rename(partial.c_str(), file.c_str()) != 0) {
    std::remove(partial.c_str());
    fail(file, "cannot be written");
  }
}
}  // namespace moesim
