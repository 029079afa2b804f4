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
/// "0-7" and "16" as a set.  Throws ConfigError naming `option`.
std::set<std::uint32_t> parse_ranges(const std::vector<std::string>& words, std::string_view option);
/// A list as people type it: "a,b,c", or "a b c" up to the next option.
CLI::Option* add_list(CLI::App& verb, const char* names, std::vector<std::string>& value, const std::string& help);
/// Of such a list, what cannot be an element (`own` says so) was meant for the verb's positional argument behind it:
/// takes the first such word out, or returns "".
template <class Own>
std::string take_stray(std::vector<std::string>& words, const Own& own) {
  const auto stray = std::find_if_not(words.begin(), words.end(), own);
  if (stray == words.end()) return "";
  std::string out = std::move(*stray);
  words.erase(stray);
  return out;
}
/// Whether `word` begins as a number does, or is nothing at all: of lists of numbers, ranges and lengths.
inline bool begins_as_number(const std::string& word) {
  return word.empty() || word[0] == '-' || (word[0] >= '0' && word[0] <= '9');
}
/// The value of an option as one word of YAML, whatever stands in it: quoted.
std::string in_quotes(std::string_view text);
/// An option that names a file or folder to create; with the verb's first one comes --force.  Refuses "", which a
/// script gives for a variable that is not set, and "-", which is not standard output here.
CLI::Option* add_output(CLI::App& verb, const char* names, std::string& value, const std::string& help);
/// --jobs: how many `things` run at the same time; where it is not given, one a core of the machine.  No answer depends
/// on it.
CLI::Option* add_jobs(CLI::App& verb, int& jobs, std::string_view things);
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
