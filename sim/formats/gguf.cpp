#include "formats/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "formats/byte_file.h"
#include "formats/checked.h"

namespace moesim::formats {
namespace {
constexpr std::uint64_t kMostName = 1 << 16, kMostText = 1 << 24;

/// Reads one thing after the other.
class Reader {
 public:
  explicit Reader(const std::string& file) : file_(std::make_shared<const ByteFile>(file)) {}
  template <class T>
  T number(std::string_view what) {
    const T out = file_->value<T>(at_, what);
    at_ += sizeof out;
    return out;
  }
  std::string text(std::uint64_t most, std::string_view what) {
    const auto n = number<std::uint64_t>(what);
    if (n > most) file_->fail(at_ - 8, fmt::format("{} claims {} bytes, expected at most {}", what, n, most));
    const std::string out = file_->read(at_, n, what);
    at_ += n;
    return out;
  }
  void skip(std::uint64_t n, std::string_view what) {
    if (n > file_->size() - at_) file_->fail(at_, fmt::format("the file ends within {}", what));
    at_ += n;
  }
  /// A value of GGUF's type: as text; arrays are skipped.
  std::string value(std::uint32_t type) {
    constexpr std::uint64_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    switch (type) {
      case 0:
        return fmt::to_string(number<std::uint8_t>("a value"));
      case 4:
        return fmt::to_string(number<std::uint32_t>("a value"));
      case 5:
        return fmt::to_string(number<std::int32_t>("a value"));
      case 8:
        return text(kMostText, "a text value");
      case 10:
        return fmt::to_string(number<std::uint64_t>("a value"));
      case 11:
        return fmt::to_string(number<std::int64_t>("a value"));
      case 9: {
        const auto inner = number<std::uint32_t>("an array's type");
        const auto n = number<std::uint64_t>("an array's length");
        if (inner == 9 || inner > 12) file_->fail(at_, fmt::format("an array holds values of type {}", inner));
        if (inner != 8) {
          if (n > file_->size() / sizes[inner]) file_->fail(at_, fmt::format("an array claims {} values", n));
          skip(n * sizes[inner], "an array");
        }
        for (std::uint64_t i = 0; inner == 8 && i < n; ++i) (void)text(kMostText, "a text value");
        return "";
      }
      default:
        if (type > 12) file_->fail(at_, fmt::format("a value has the unknown type {}", type));
        skip(sizes[type], "a value");
        return "";
    }
  }
  std::uint64_t at() const { return at_; }
  const std::shared_ptr<const ByteFile>& file() const { return file_; }

 private:
  std::shared_ptr<const ByteFile> file_;
  std::uint64_t at_ = 0;
};

struct Found {
  std::string name;
  std::vector<std::int64_t> shape;
  std::uint32_t type = 0;
  std::uint64_t offset = 0, at = 0;  // of the numbers, among all tensors' numbers; of this entry, in the file
};

Found read_tensor(Reader& in) {
  Found f;
  f.at = in.at();
  f.name = in.text(kMostName, "a tensor's name");
  const auto rank = in.number<std::uint32_t>("a tensor's rank");
  if (rank > 4) in.file()->fail(f.at, fmt::format("tensor \"{}\" has {} dimensions, expected at most 4", f.name, rank));
  for (std::uint32_t d = 0; d < rank; ++d) f.shape.push_back(std::int64_t(in.number<std::uint64_t>("a tensor's size")));
  std::reverse(f.shape.begin(), f.shape.end());  // GGUF gives the fastest dimension first
  f.type = in.number<std::uint32_t>("a tensor's type");
  f.offset = in.number<std::uint64_t>("a tensor's offset");
  return f;
}

/// data: where the tensors' numbers begin in the file.
ArraySource array_of(const Found& f, const std::shared_ptr<const ByteFile>& file, std::uint64_t data) {
  const std::uint64_t size = file->size();
  const std::uint64_t room = size < data || f.offset > size - data ? 0 : (size - data - f.offset) / 4;
  if (elements_of(f.shape) > room || !sizes_fit(f.shape))
    file->fail(f.at, fmt::format("tensor \"{}\" reaches past the end of the file; is it cut off", f.name));
  ArraySource out;
  out.where = fmt::format("{}: {}", file->name(), f.name);
  out.type = ElementType::f32;
  out.shape = f.shape;
  out.strides = packed_strides(f.shape);
  out.read = [file, begin = data + f.offset](std::uint64_t at, void* to, std::uint64_t count) {
    file->read(sum_of(begin, at), to, count, "a tensor");
  };
  return out;
}

std::uint64_t alignment_of(const GgufFile& file, const Reader& in) {
  const auto given = file.values.find("general.alignment");
  const std::uint64_t out = given == file.values.end() ? 32 : std::strtoull(given->second.c_str(), nullptr, 10);
  if (out == 0 || out > 1 << 20) in.file()->fail(0, fmt::format("the alignment is {}", out));
  return out;
}
}  // namespace

GgufFile read_gguf(const std::string& file) {
  Reader in(file);
  if (in.number<std::uint32_t>("a GGUF file") != 0x46554747) in.file()->fail(0, "is not a GGUF file");
  const auto version = in.number<std::uint32_t>("the version");
  if (version != 2 && version != 3) in.file()->fail(4, fmt::format("expected GGUF version 2 or 3, got {}", version));
  const auto tensors = in.number<std::uint64_t>("the number of tensors"),
             values = in.number<std::uint64_t>("the number of values");
  GgufFile out;
  for (std::uint64_t i = 0; i < values; ++i) {
    const std::string key = in.text(kMostName, "a key");
    const std::string value = in.value(in.number<std::uint32_t>("a value's type"));
    if (!value.empty() && !out.values.emplace(key, value).second)
      in.file()->fail(in.at(), fmt::format("key \"{}\" appears twice", key));
  }
  std::vector<Found> found;
  for (std::uint64_t i = 0; i < tensors; ++i) found.push_back(read_tensor(in));
  const std::uint64_t alignment = alignment_of(out, in), data = (in.at() + alignment - 1) / alignment * alignment;
  std::uint64_t numbers = 0;  // of all tensors: so many entries could share their bytes that reading them never ends
  for (const Found& f : found) {
    if (f.type != 0) continue;  // not F32: nothing of ours
    const auto [at, fresh] = out.tensors.emplace(f.name, array_of(f, in.file(), data));
    numbers += elements_of(f.shape);
    if (!fresh) in.file()->fail(f.at, fmt::format("tensor \"{}\" appears twice", f.name));
    if (numbers > in.file()->size() / 4)
      in.file()->fail(f.at, fmt::format("tensor \"{}\" shares its bytes with others", f.name));
  }
  return out;
}
}  // namespace moesim::formats
