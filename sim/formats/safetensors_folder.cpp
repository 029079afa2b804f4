#include <fmt/format.h>

#include <filesystem>

#include "formats/json.h"
#include "formats/safetensors.h"

namespace moesim::formats {
namespace {
namespace fs = std::filesystem;
}  // namespace

SafetensorsFolder::SafetensorsFolder(const std::string& folder) : folder_(folder) {
  std::error_code unknown;  // a name that cannot be looked up is none that is there
  if (!fs::is_directory(folder, unknown)) throw ConfigError::placed(fmt::format("{}: no such folder", folder));
  const std::string single = folder + "/model.safetensors", index = folder + "/model.safetensors.index.json";
  if (fs::exists(index, unknown))
    read_index(index);
  else if (fs::exists(single, unknown))
    add(std::make_unique<SafetensorsFile>(single));
  else
    throw ConfigError::placed(
        fmt::format("{}: holds neither model.safetensors nor model.safetensors.index.json", folder));
}

void SafetensorsFolder::add(std::unique_ptr<SafetensorsFile> file) {
  for (const auto& [name, tensor] : file->tensors()) {
    const auto [at, fresh] = tensors_.emplace(name, Found{&tensor, file.get()});
    if (!fresh)
      throw ConfigError::placed(
          fmt::format("{}: tensor {} is also in {}", file->file(), name, at->second.file->file()));
  }
  files_.push_back(std::move(file));
}

void SafetensorsFolder::read_index(const std::string& index) {
  const JsonValue json = read_json(index, kMostWritten);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
    throw ConfigError::placed(fmt::format("{}: expected a JSON object with \"weight_map\"", index));
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [name, shard] : json["weight_map"].items()) {
    if (!shard.is_string() || shard.get<std::string>().find('/') != std::string::npos)
      throw ConfigError::placed(
          fmt::format("{}: weight_map.{}: expected a file name in the same folder, got {}", index, name, shown(shard)));
    shards[shard.get<std::string>()].push_back(name);
  }
  for (const auto& [shard, names] : shards) {
    add(std::make_unique<SafetensorsFile>(folder_ + "/" + shard));
    for (const std::string& name : names)
      if (!files_.back()->tensors().contains(name))
        throw ConfigError::placed(
            fmt::format("{}: tensor {} should be here by {}, but is not", files_.back()->file(), name, index));
  }
}

SafetensorsFolder::Found SafetensorsFolder::find(const std::string& name) const {
  const auto at = tensors_.find(name);
  return at == tensors_.end() ? Found{} : at->second;
}

void SafetensorsFolder::check_whole() const {
  for (const auto& file : files_) file->check_whole();
}
}  // namespace moesim::formats
