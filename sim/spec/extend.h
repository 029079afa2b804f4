// Reading one catalogue entry of any kind: by name or in place, with `extends:` an entry that it differs from.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/paths.h"
#include "core/read_once.h"

namespace moesim::spec {

/// Notes every field of `value`, nested ones as `key.field`, in the resolved form of `config`.
class FieldNoter {
 public:
  FieldNoter(const Config& config, std::string prefix) : config_(config), prefix_(std::move(prefix)) {}
  template <class T>
  void operator()(std::string_view key, const T& value, std::string_view) {
    const std::string path = prefix_.empty() ? std::string(key) : fmt::format("{}.{}", prefix_, key);
    if constexpr (FieldList<T>)
      note(path, value);
    else
      leaf(path, value);
  }
  template <class T>
  void required(std::string_view key, const T& value, std::string_view help) {
    (*this)(key, value, help);
  }
  void skip(std::string_view) {}

 private:
  template <class T>
  void note(const std::string& path, const T& value) {
    FieldNoter inner(config_, path);
    T::fields(inner, value);
  }
  template <class T>
  void leaf(const std::string& path, const T& value) {
    config_.resolve(path, to_text(value));
  }
  template <class T>
  requires FieldList<T>
  void leaf(const std::string& path, const std::optional<T>& value) {
    config_.resolve(path, to_text(value));
    if (value) note(path, *value);
  }
  const Config& config_;
  std::string prefix_;
};

template <class T>
void note_fields(const Config& config, const T& value, const std::string& prefix = "") {
  FieldNoter noter(config, prefix);
  T::fields(noter, value);
}

/// Throws ConfigError at key path `path` below `config`, or at the nearest part of it that is written there (the rest
/// came from the entry it extends).
[[noreturn]] inline void fail_at(const Config& config, std::string_view path, std::string_view problem) {
  const std::size_t dot = path.find('.');
  const std::string_view key = path.substr(0, dot);
  if (!config.is_map() || !config.has(key)) config.fail(fmt::format("{}: {}", path, problem));
  const Config value = config.at(key);
  if (dot == std::string_view::npos) value.fail(problem);
  fail_at(value, path.substr(dot + 1), problem);
}

/// What differs between kinds of entries.
template <class T>
struct EntryKind {
  std::string_view catalogue;                       // folder: "models"
  std::string_view what;                            // in messages, and the `type` in the file: "gpu"
  void (*forget)(T&);                               // clears what an extending entry does not inherit
  bool (*nothing_required)(const Config&);          // an entry that may leave all out
  void (*finish)(const Config&, T&, bool extends);  // reads what has no plain field, and checks
  std::string_view also = "";                       // a key that finish() reads
  bool (*other_form)(const Config&, T&) = nullptr;  // reads a file that is written in another way
};

template <class T>
T load_entry(const EntryKind<T>& kind, const std::string& name, const std::string& beside,
             std::vector<std::string> chain = {});

/// Fills a T from a map, over the entry it extends.  chain: files being read, to find circles.
template <class T>
T entry_from(const EntryKind<T>& kind, const Config& config, const std::vector<std::string>& chain) {
  T out{};
  const bool extends = config.has("extends");
  if (extends) {
    const Config base = config.at("extends");
    const std::string file =
        base.placed([&] { return catalogue_file(kind.catalogue, base.text(), kind.what, base.named_by()); });
    if (std::ranges::find(chain, file) != chain.end()) base.fail(fmt::format("\"{}\" extends itself", base.text()));
    out = load_entry(kind, file, "", chain);
    kind.forget(out);
  }
  FieldReader reader(config, extends || kind.nothing_required(config));
  reader.skip("extends");
  if (!kind.also.empty()) reader.skip(kind.also);
  T::fields(reader, out);
  reader.finish();
  kind.finish(config, out, extends);
  return out;
}

template <class T>
T load_entry(const EntryKind<T>& kind, const std::string& name, const std::string& beside,
             std::vector<std::string> chain) {
  const std::string file = catalogue_file(kind.catalogue, name, kind.what, {beside});
  static ReadOnce<T> read_once;  // a search reads the same entries for every candidate
  return read_once(file, [&] {
    const Config config = Config::load(file);
    if (T out{}; kind.other_form && kind.other_form(config, out)) return out;
    if (config.has("type") && config.at("type").text() != kind.what)
      config.at("type").fail(fmt::format("expected a {}, got a {}", kind.what, config.at("type").text()));
    chain.push_back(file);
    T out = entry_from(kind, config, chain);
    out.name = std::filesystem::path(file).stem().string();
    if (out.title.empty()) out.title = out.name;
    return out;
  });
}

/// A scenario's value: a name, or a map in place.
template <class T>
T entry_at(const EntryKind<T>& kind, const Config& config) {
  if (config.is_map()) {
    T out = entry_from(kind, config, {});
    if (out.name.empty()) out.name = kind.what;
    if (out.title.empty()) out.title = out.name;
    return out;
  }
  const std::string name = config.text();
  config.resolve("", name);
  const std::string file =
      config.placed([&] { return catalogue_file(kind.catalogue, name, kind.what, config.named_by()); });
  return load_entry(kind, file, "");
}
/// The same, noting every value in force.
template <class T>
T read_entry(const EntryKind<T>& kind, const Config& config) {
  T out = entry_at(kind, config);
  note_fields(config, out);
  return out;
}
}  // namespace moesim::spec
