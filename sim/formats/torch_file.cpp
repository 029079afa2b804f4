#include "formats/torch_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/checked.h"
#include "formats/memory_array.h"

namespace moesim::formats {

TorchFile::TorchFile(const std::string& file) : zip_(std::make_shared<const ByteFile>(file)) {
  std::string pickle;
  for (const auto& [name, entry] : zip_.entries()) {
    if (name != "data.pkl" && !name.ends_with("/data.pkl")) continue;
    if (!pickle.empty()) throw ConfigError::placed(fmt::format("{}: has both {} and {}", file, pickle, name));
    pickle = name;
    folder_ = name.substr(0, name.size() - 8);
  }
  if (pickle.empty()) throw ConfigError::placed(fmt::format("{}: has no data.pkl; it is not a PyTorch file", file));
  if (zip_.entries().contains(folder_ + "byteorder") && zip_.read(folder_ + "byteorder", 100) != "little")
    throw ConfigError::placed(fmt::format("{}: its numbers are big-endian, expected little-endian", file));
  pickle_ = unpickle(zip_.read(pickle), file, zip_.entries().at(pickle).offset, zip_.file()->size());
}

std::uint64_t TorchFile::bytes() const {
  std::uint64_t out = 0;
  for (const auto& [name, entry] : zip_.entries())
    if (name.starts_with(folder_ + "data/"))  // deflate packs no more than 1032 bytes into one
      out = sum_of(out, std::min(entry.size, product_of(1040, entry.stored)));
  return out;
}

ArraySource TorchFile::array(const Pickled* value, const std::string& what) const {
  if (value == nullptr || value->kind != Pickled::Kind::tensor)
    throw ConfigError::placed(fmt::format("{}: {}: expected a tensor", name(), what));
  const std::string key = fmt::format("{}data/{}", folder_, value->text());
  const auto entry = zip_.entries().find(key);
  if (entry == zip_.entries().end())
    throw ConfigError::placed(fmt::format("{}: {}: its storage \"{}\" is not in the file", name(), what, key));
  ArraySource out;
  out.where = fmt::format("{}: {}", name(), what);
  out.type = value->type;
  out.shape = value->extent->shape;
  out.strides = value->extent->strides;
  // Within the storage that the pickle claims it lies already; the claim is held against what is there.
  const std::uint64_t width = std::uint64_t(element_bytes(out.type)),
                      claimed = product_of(std::uint64_t(value->extent->elements), width);
  if (claimed > entry->second.size)
    zip_.file()->fail(entry->second.offset,
                      fmt::format("{} {} of {} needs {} bytes, its storage has {}", what, out.shape_text(),
                                  name_of(out.type), claimed, entry->second.size));
  const std::uint64_t begin = std::uint64_t(value->integer) * width;
  if (out.elements() == 0) {
    out.read = read_memory({}, 0, out.where, nullptr);
  } else if (entry->second.deflated) {
    std::shared_ptr<const std::string>& bytes = unpacked_[key];
    if (!bytes) bytes = std::make_shared<const std::string>(zip_.read(key));
    out.read = read_memory(*bytes, begin, out.where, bytes);
  } else {
    out.read = [file = zip_.file(), start = entry->second.offset + begin](std::uint64_t at, void* to, std::uint64_t n) {
      file->read(sum_of(start, at), to, n, "a tensor");
    };
  }
  return out;
}
}  // namespace moesim::formats
