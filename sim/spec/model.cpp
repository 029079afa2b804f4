#include "spec/model.h"

#include <algorithm>
#include <filesystem>

#include "spec/catalogue.h"
#include "spec/check_model.h"
#include "spec/extend.h"
#include "spec/hugging_face.h"
#include "spec/release/release_entry.h"
#include "spec/scale.h"

namespace moesim::spec {
namespace {
bool is_unpublished(const Config& config) { return config.has("unpublished"); }

/// What belongs to one release and not to its architecture.
void forget_release(Model& m) {
  m.title.clear();
  m.hugging_face.clear();
  m.source.clear();
  m.published = {};
}

/// Scales `m` by the `scale` block of `config`; what is wrong is reported where it is written.
void apply_scale(const Config& config, Model& m) {
  const Scale scale = read<Scale>(config.at("scale"));
  m = config.placed([&] { return scaled(m, scale); });
}

void finish_model(const Config& config, Model& m, bool extends) {
  if (!m.unpublished.empty() || !m.unsupported.empty()) return;
  if (!extends) (void)config.at("attention");
  check_model(m, [&](std::string_view key, std::string_view problem) { fail_at(config, key, problem); });
  if (config.has("scale")) apply_scale(config, m);
}

constexpr EntryKind<Model> kModel = {"models",     "model", forget_release, is_unpublished,
                                     finish_model, "scale", model_of_entry};

/// The config.json that `name` stands for, or "".
std::string config_json(const std::string& name, const std::string& beside) {
  namespace fs = std::filesystem;
  std::error_code error;
  for (const fs::path path : candidate_paths(name, {beside})) {
    if (name.ends_with(".json") && fs::is_regular_file(path, error)) return path.string();
    if (fs::is_regular_file(path / "config.json", error)) return (path / "config.json").string();
  }
  if (fs::is_directory(name, error)) throw ConfigError(fmt::format("{}: this folder has no config.json", name));
  return name.ends_with(".json") ? name : "";
}
bool in_catalogue(const std::string& name) {
  const std::vector<std::string> names = catalogue_names("models");
  return std::ranges::find(names, name) != names.end();
}
/// What a scenario's value says, without noting it.
Model model_at(const Config& config) {
  if (config.is_map() && config.has("name")) {
    config.only({"name", "scale"});
    Model model = model_at(config.at("name"));
    if (config.has("scale")) apply_scale(config, model);
    return model;
  }
  if (config.is_map()) return entry_at(kModel, config);
  const std::string name = config.text();
  const std::string file = in_catalogue(name) ? "" : config_json(name, config.file());
  if (file.empty()) return entry_at(kModel, config);
  config.resolve("", name);
  return read_hugging_face(file);
}
}  // namespace

Model load_model(const std::string& name, const std::string& beside) {
  if (!in_catalogue(name))
    if (const std::string file = config_json(name, beside); !file.empty()) return read_hugging_face(file);
  return load_entry(kModel, name, beside);
}
Model read_model(const Config& config) {
  const Model model = model_at(config);
  note_fields(config, model);
  return model;
}
}  // namespace moesim::spec
