#include "numerics/weights/parents.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/ceil_div.h"
#include "core/files.h"
#include "formats/json.h"
#include "numerics/weights/tensor_values.h"

namespace moesim::numerics {
namespace {
constexpr std::string_view kScale = "_scale_inv";

/// Keys that say nothing about what the model computes.
bool is_incidental(const std::string& key) {
  for (const std::string_view k :
       {"transformers_version", "torch_dtype", "dtype", "use_cache", "bos_token_id", "eos_token_id", "pad_token_id",
        "auto_map", "architectures", "initializer_range", "attention_dropout", "pretraining_tp"})
    if (key == k) return true;
  return key.starts_with("_");
}

formats::JsonValue read_config(const std::string& folder) {
  const std::string file = folder + "/config.json";
  formats::JsonValue json = formats::read_json(file, kMostWritten);
  if (!json.is_object()) throw ConfigError(fmt::format("{}: expected a JSON object", file));
  return json;
}

void compare_configs(const std::string& first, const std::string& other) {
  const formats::JsonValue a = read_config(first), b = read_config(other);
  const auto text = [](const formats::JsonValue& json, const std::string& key) {
    return json.contains(key) ? json[key].dump().substr(0, 120) : std::string("absent");
  };
  const auto compare = [&](const std::string& key) {
    if (!is_incidental(key) && text(a, key) != text(b, key))
      throw ConfigError(fmt::format("{}/config.json: {} is {}, but {} in {}/config.json", other, key, text(b, key),
                                    text(a, key), first));
  };
  for (const auto& [key, value] : a.items()) compare(key);
  for (const auto& [key, value] : b.items()) compare(key);
}

std::string describe(const formats::StoredTensor& t) {
  return fmt::format("{} {}", name_of(t.type), formats::shape_text(t.shape));
}
}  // namespace

Parents::Parents(const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) {
    folders_.push_back(std::make_unique<formats::SafetensorsFolder>(folder));
    compare_configs(folders.front(), folder);
    compare_tensors(*folders_.back());
    check_scales(*folders_.back());
  }
}

void Parents::compare_tensors(const formats::SafetensorsFolder& other) const {
  for (const auto& [name, found] : first().tensors()) {
    const formats::SafetensorsFolder::Found there = other.find(name);
    if (there.tensor == nullptr)
      throw ConfigError(fmt::format("{}: tensor {} is missing; {} has it as {}", other.folder(), name,
                                    found.file->file(), describe(*found.tensor)));
    if (there.tensor->shape != found.tensor->shape || there.tensor->type != found.tensor->type)
      throw ConfigError(fmt::format("{}: tensor {} is {}, but {} in {}", there.file->file(), name,
                                    describe(*there.tensor), describe(*found.tensor), found.file->file()));
  }
  for (const auto& [name, found] : other.tensors())
    if (first().find(name).tensor == nullptr)
      throw ConfigError(fmt::format("{}: tensor {}, {}, is not in {}", found.file->file(), name,
                                    describe(*found.tensor), first().folder()));
}

void Parents::check_scales(const formats::SafetensorsFolder& folder) const {
  for (const auto& [name, found] : folder.tensors()) {
    const formats::StoredTensor& t = *found.tensor;
    if (t.type != formats::StoredType::f8_e4m3) continue;
    const formats::StoredTensor* scales = folder.find(name + std::string(kScale)).tensor;
    if (t.shape.size() != 2 || scales == nullptr)
      throw ConfigError(
          fmt::format("{}: tensor {}, {}, has no {}{}", found.file->file(), name, describe(t), name, kScale));
    const std::vector<std::int64_t> expected{ceil_div(t.shape[0], kScaleBlock), ceil_div(t.shape[1], kScaleBlock)};
    if (scales->type != formats::StoredType::f32 || scales->shape != expected)
      throw ConfigError(fmt::format("{}: tensor {}{}: expected F32 {}, one scale a 128x128 block, got {}",
                                    found.file->file(), name, kScale, formats::shape_text(expected),
                                    describe(*scales)));
  }
}

const formats::StoredTensor& Parents::tensor(int parent, const std::string& name) const {
  return *folders_.at(std::size_t(parent))->find(name).tensor;
}

const formats::StoredTensor* Parents::scales(int parent, const std::string& name) const {
  if (tensor(parent, name).type != formats::StoredType::f8_e4m3) return nullptr;
  return folders_.at(std::size_t(parent))->find(name + std::string(kScale)).tensor;
}

bool Parents::is_scale(const std::string& name) const {
  if (!name.ends_with(kScale)) return false;
  const formats::StoredTensor* matrix = first().find(name.substr(0, name.size() - kScale.size())).tensor;
  return matrix != nullptr && matrix->type == formats::StoredType::f8_e4m3;
}

void Parents::check_whole() const {
  for (const auto& folder : folders_) folder->check_whole();
}
}  // namespace moesim::numerics
