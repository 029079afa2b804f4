#include "spec/release/release_entry.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <vector>

#include "core/config.h"
#include "core/paths.h"
#include "formats/json.h"
#include "spec/hugging_face.h"
#include "spec/keys.h"
#include "spec/release/as_model.h"
#include "spec/release/described.h"
#include "spec/release/run_formats.h"

namespace moesim::spec {
namespace {
/// What a publisher says of a release beside its config.json.
struct Words {
  std::string title, family, hugging_face, license, source;
  Published published;
  static void fields(auto& f, auto& p) {
    f("title", p.title, "the model's full name");
    f("family", p.family, "models that are listed together");
    f("hugging_face", p.hugging_face, "repository of the weights");
    f("license", p.license, "licence of the weights");
    f("source", p.source, "where the figures come from");
    f("published", p.published, "the publisher's own counts, held against ours");
  }
};

struct Entry {
  Words words;
  formats::Json config;
};

template <class T>
bool whole_text(const std::string& text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

formats::Json to_json(const Config& c) {
  if (c.is_map()) {
    formats::Json out = formats::Json::object();
    for (const std::string& key : c.keys()) out[key] = to_json(c.at(key));
    return out;
  }
  if (c.is_list()) {
    formats::Json out = formats::Json::array();
    for (const Config& item : c.items()) out.push_back(to_json(item));
    return out;
  }
  if (!c.is_scalar()) return nullptr;
  const std::string text = c.text();
  if (text == "null" || text == "~") return nullptr;
  if (text == "true" || text == "false") return text == "true";
  std::int64_t whole = 0;
  if (whole_text(text, whole)) return whole;
  double real = 0;
  if (whole_text(text, real)) return real;
  return text;
}

/// chain: files being read, to find circles.
std::optional<Entry> read_entry(const Config& config, std::vector<std::string> chain = {}) {
  if (!config.is_map()) return {};
  std::optional<Entry> base;
  if (config.has("extends")) {
    const Config name = config.at("extends");
    const std::string other =
        name.placed([&] { return catalogue_file("models", name.text(), "model", name.named_by()); });
    chain.push_back(config.file());
    if (std::ranges::find(chain, other) != chain.end()) return {};  // said where its fields are read
    base = read_entry(Config::load(other), chain);
  }
  if (!base && !config.has("config")) return {};
  if (!base && config.has("extends"))
    config.at("config").fail("the entry it extends has no config of its own to change");
  Entry out;
  FieldReader reader(config, true);
  reader.skip("extends");
  reader.skip("config");
  Words::fields(reader, out.words);
  reader.finish();
  if (base) out.config = base->config;
  if (base && out.words.family.empty()) out.words.family = base->words.family;
  if (config.has("config")) {
    if (!config.at("config").is_map()) config.at("config").fail("expected the keys of a config.json");
    const formats::Json own = to_json(config.at("config"));
    if (base)
      out.config.merge_patch(own);
    else
      out.config = own;
  }
  return out;
}

Described described(const Entry& entry, const std::string& file) {
  Described out = describe_text(entry.config.dump(), file + ": config");
  out.release.name = std::filesystem::path(file).stem().string();
  return out;
}

/// What was read without an error and cannot be run says why.
void run_as_release(const Described& d, Model& out) {
  try {
    out = model_of_release(d);
  } catch (const ConfigError& e) {
    out = Model{};
    out.unsupported = e.problem();
    const std::string place = d.release.file + ": ";
    if (out.unsupported.starts_with(place)) out.unsupported.erase(0, place.size());
  }
}
}  // namespace

std::vector<KeyHelp> release_keys() { return keys_of<Words>(); }

std::optional<Release> release_of_entry(const std::string& file) {
  const std::optional<Entry> entry = read_entry(Config::load(file));
  if (!entry) return {};
  Release out = described(*entry, file).release;
  out.file = file;
  return out;
}

bool model_of_entry(const Config& file, Model& out) {
  const std::optional<Entry> entry = read_entry(file);
  if (!entry) return false;
  const Described d = described(*entry, file.file());
  if (std::optional<Model> family = read_family(*d.document, d.release.file)) {
    out = *std::move(family);
    set_formats(out, run_formats(d.release));
  } else {
    run_as_release(d, out);
  }
  out.name = d.release.name;
  out.title = entry->words.title.empty() ? out.name : entry->words.title;
  out.family = entry->words.family;
  out.hugging_face = entry->words.hugging_face;
  out.license = entry->words.license;
  out.source = entry->words.source;
  out.published = entry->words.published;
  return true;
}
}  // namespace moesim::spec
