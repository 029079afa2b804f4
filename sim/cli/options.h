// Option values that several verbs share.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/units.h"
#include "runs/affordable.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace moesim::cli {

/// "I/N" of --shard.  Throws ConfigError for anything else.
std::pair<int, int> parse_shard(const std::string& text);
/// "key.path=value" each.  Throws ConfigError.
std::vector<Config::Override> parse_overrides(const std::vector<std::string>& texts);
/// "1ms:5ms"; either side may be empty.  Throws ConfigError.
std::pair<Time, Time> parse_window(const std::string& text);
/// "0-7,16" as a set.  Throws ConfigError naming `option`.
std::set<std::uint32_t> parse_ranges(const std::string& text, std::string_view option);
/// The value of an option as one word of YAML, whatever stands in it: quoted.
std::string in_quotes(std::string_view text);
/// An option that names a file or folder to create.  Refuses "", which a script gives for a variable that is not set,
/// and "-", which is not standard output here.
CLI::Option* add_output(CLI::App& verb, const char* names, std::string& value, const std::string& help);
/// --limit-memory and --dry-run, as they are written.
struct LimitOptions {
  std::optional<std::string> memory;
  bool dry_run = false;
};
void add_limits(CLI::App& verb, LimitOptions& options);
/// Throws ConfigError naming the option.
runs::Limits limits_of(const LimitOptions& options);
/// Runs f, which uses what options say; a ConfigError of f at key "gpu_slots" becomes one of "--gpu-slots".
template <class F>
decltype(auto) as_options(F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (const ConfigError& e) {
    if (e.has_place() || e.key().empty()) throw;
    std::string option = "--" + e.key();
    std::replace(option.begin(), option.end(), '_', '-');
    throw ConfigError::placed(option + ": " + e.problem());
  }
}
}  // namespace moesim::cli
