#include "forward/engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/in_catalogue.h"
#include "core/names.h"
#include "core/paths.h"
#include "spec/extend.h"

namespace moesim::forward {
namespace {
constexpr std::string_view kPrefix = "engine-";
constexpr spec::EntryKind<Engine> kEngine = {"hardware", "engine", [](Engine& e) { e.title.clear(); },
                                             [](const Config&) { return true; }, [](const Config&, Engine&, bool) {}};

std::vector<std::string> engine_names() {
  std::vector<std::string> out;
  for (const std::string& entry : catalogue_names("hardware"))
    if (entry.starts_with(kPrefix)) out.push_back(entry.substr(kPrefix.size()));
  return out;
}
}  // namespace

Engine load_engine(const std::string& name, const std::string& beside) {
  if (name.find('/') != std::string::npos || name.ends_with(".yaml")) return spec::load_entry(kEngine, name, beside);
  const std::string entry = fmt::format("{}{}", kPrefix, name);
  if (!in_catalogue("hardware", entry)) {
    const std::vector<std::string> names = engine_names();
    throw ConfigError(
        fmt::format("no engine is called \"{}\"{}", name, suggestion(name, {names.begin(), names.end()}, "there are")));
  }
  Engine out = spec::load_entry(kEngine, entry, beside);
  out.name = name;
  return out;
}

Engine read_engine(const Config& config) {
  if (config.is_map()) return spec::read_entry(kEngine, config);
  const std::string name = config.text();
  config.resolve("", name);
  const Engine out = config.placed([&] { return load_engine(name, config.named_by().file); });
  spec::note_fields(config, out);
  return out;
}
}  // namespace moesim::forward
