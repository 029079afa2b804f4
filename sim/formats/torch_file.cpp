#include "formats/torch_file.h"

#include <fmt/format.h>

#include <cstring>

namespace moesim::formats {

TorchFile::TorchFile(const std::string& file) : zip_(std::make_shared<const ByteFile>(file)) {
  for (const auto& [name, entry] : zip_.entries())
    if (name == "data.pkl" || name.ends_with("/data.pkl")) folder_ = name.substr(0, name.size() - 8);
  const std::string pickle = folder_ + "data.pkl";
  if (!zip_.entries().contains(pickle))
    throw ConfigError::placed(fmt::format("{}: has no data.pkl; it is not a PyTorch file", file));
  if (zip_.entries().contains(folder_ + "byteorder") && zip_.read(folder_ + "byteorder", 100) != "little")
    throw ConfigError::placed(fmt::format("{}: its numbers are big-endian, expected little-endian", file));
  pickle_ = unpickle(zip_.read(pickle), file, zip_.entries().at(pickle).offset);
}

ArraySource TorchFile::array(const Pickled* value, const std::string& what) const {
  if (value == nullptr || value->kind != Pickled::Kind::tensor)
    throw ConfigError::placed(fmt::format("{}: {}: expected a tensor", name(), what));
  const std::string key = fmt::format("{}data/{}", folder_, value->text);
  const auto entry = zip_.entries().find(key);
  if (entry == zip_.entries().end())
    throw ConfigError::placed(fmt::format("{}: {}: its storage \"{}\" is not in the file", name(), what, key));
  ArraySource out;
  out.where = fmt::format("{}: {}", name(), what);
  out.type = value->type;
  out.shape = value->shape;
  out.strides = value->strides;
  std::uint64_t last = 0;
  for (std::size_t d = 0; d < out.shape.size(); ++d)
    last += std::uint64_t(out.shape[d] > 0 ? out.shape[d] - 1 : 0) * std::uint64_t(out.strides[d]);
  const std::uint64_t width = std::uint64_t(element_bytes(out.type)), begin = std::uint64_t(value->integer) * width;
  if (out.elements() > 0 && begin + (last + 1) * width > entry->second.size)
    zip_.file()->fail(entry->second.offset,
                      fmt::format("{} {} of {} needs {} bytes, its storage has {}", what, out.shape_text(),
                                  name_of(out.type), begin + (last + 1) * width, entry->second.size));
  if (!entry->second.deflated) {
    out.read = [file = zip_.file(), start = entry->second.offset + begin](std::uint64_t at, void* to, std::uint64_t n) {
      file->read(start + at, to, n, "a tensor");
    };
    return out;
  }
  auto bytes = std::make_shared<const std::string>(zip_.read(key));
  out.read = [bytes, begin](std::uint64_t at, void* to, std::uint64_t n) {
    std::memcpy(to, bytes->data() + begin + at, n);
  };
  return out;
}
}  // namespace moesim::formats
