// A family is a table of interchangeable strategies (gates, placements, ...) that YAML picks from by `kind`.
#pragma once
#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/key_help.h"
#include "core/names.h"

namespace moesim::core {

/// Args: what every strategy of the family is built from besides its parameters, for example Engine&.
template <class Interface, class... Args>
struct Strategy {
  std::string_view kind, summary;
  std::function<std::unique_ptr<Interface>(const Config&, Args...)> make;
  std::string parameters;                    // one line each: key, default, help
  std::vector<KeyHelp> (*keys)() = nullptr;  // the same as a table
};

/// Finds the first key of a field list that must be given, nested ones with their path.
class FirstRequired {
 public:
  template <class T>
  void operator()(std::string_view key, const T& value, std::string_view /*help*/) {
    if constexpr (FieldList<T>) {
      FirstRequired inner;
      T::fields(inner, value);
      if (!inner.key().empty()) take(std::string(key) + "." + inner.key());
    }
  }
  template <class T>
  void required(std::string_view key, const T& /*value*/, std::string_view /*help*/) {
    take(std::string(key));
  }
  void skip(std::string_view) {}
  const std::string& key() const { return key_; }  // empty if none must

 private:
  void take(std::string key) {
    if (key_.empty()) key_ = std::move(key);
  }
  std::string key_;
};

/// The parameters of a strategy named by a word alone: all have their defaults.  Throws ConfigError if one has none.
template <class Params>
Params defaults_of(const Config& word) {
  Params out{};
  FirstRequired first;
  Params::fields(first, std::as_const(out));
  if (const std::string& key = first.key(); !key.empty())
    word.fail("missing key \"" + key + "\", as in {kind: " + word.text() + ", " + key + ": ...}");
  return out;
}

/// One line of a family's table.  Impl has a nested `Params` with a field list and a constructor Impl(Params, Args...).
template <class Impl, class Interface, class... Args>
Strategy<Interface, Args...> strategy(std::string_view kind, std::string_view summary) {
  using Params = typename Impl::Params;
  return {kind, summary,
          [](const Config& c, Args... args) -> std::unique_ptr<Interface> {
            return std::make_unique<Impl>(c.is_scalar() ? defaults_of<Params>(c) : read<Params>(c), args...);
          },
          help_of<Params>(), keys_of<Params>};
}

/// What `moesim list` needs of any family.
struct FamilyHelp {
  struct Entry {
    std::string_view kind, summary;
    std::string parameters;
    std::vector<KeyHelp> (*keys)();
  };
  std::string_view name;
  std::vector<Entry> entries;
};

template <class Interface, class... Args>
class Family {
 public:
  Family(std::string_view name, std::vector<Strategy<Interface, Args...>> table)
      : name_(name), table_(std::move(table)) {}

  /// Builds the strategy that `config` names: a map with `kind` and its parameters, or just the kind as a word (then
  /// every parameter has its default).  Throws ConfigError, naming the nearest kind or listing all, if there is none.
  /// What the strategy's constructor refuses is said at `config`.
  std::unique_ptr<Interface> make(const Config& config, Args... args) const {
    const Config kind = config.is_scalar() ? config : config.at("kind");
    config.resolve(config.is_scalar() ? "" : "kind", kind.text());
    const auto& entry = kind.placed([&]() -> decltype(auto) { return find(kind.text()); });
    return config.placed([&] { return entry.make(config, args...); });
  }
  /// The same with a kind to use when `parent` has no key `key`.
  std::unique_ptr<Interface> make_or(const Config& parent, std::string_view key, std::string_view fallback,
                                     Args... args) const {
    const Config config = parent.at_or_empty(key);
    if (parent.has(key) && (config.is_scalar() || config.has("kind"))) return make(config, args...);
    config.resolve("kind", fallback);
    return config.placed([&] { return find(fallback).make(config, args...); });
  }
  /// The strategy of this kind with every parameter at its default, for strategies that build on others.  Throws
  /// ConfigError without a place if there is none.
  std::unique_ptr<Interface> of_kind(const std::string& kind, Args... args) const {
    return find(kind).make(Config::from_option(std::string(name_), kind), args...);
  }
  const std::vector<Strategy<Interface, Args...>>& table() const { return table_; }
  std::string_view name() const { return name_; }
  FamilyHelp help() const {
    FamilyHelp out{name_, {}};
    for (const auto& s : table_) out.entries.push_back({s.kind, s.summary, s.parameters, s.keys});
    return out;
  }

 private:
  const Strategy<Interface, Args...>& find(std::string_view kind) const {
    std::vector<std::string_view> kinds;
    for (const auto& s : table_) {
      if (s.kind == kind) return s;
      kinds.push_back(s.kind);
    }
    throw ConfigError(fmt::format("no {} is called \"{}\"{}", name_, kind, suggestion(kind, kinds, "there are")));
  }
  std::string_view name_;
  std::vector<Strategy<Interface, Args...>> table_;
};
}  // namespace moesim::core
