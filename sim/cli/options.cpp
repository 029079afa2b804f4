#include "cli/options.h"

#include <CLI/CLI.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <thread>

#include "cli/numbers.h"
#include "core/replacing.h"
#include "runs/scenario.h"

namespace moesim::cli {

std::pair<int, int> parse_shard(const std::string& text) {
  int number = 0, of = 0;
  const char* const end = text.data() + text.size();
  auto [at, wrong] = std::from_chars(text.data(), end, number);
  if (wrong == std::errc{} && at != end && *at == '/') {
    const auto behind = std::from_chars(at + 1, end, of);
    if (behind.ec == std::errc{} && behind.ptr == end) return {number, of};
  }
  throw ConfigError::placed(fmt::format("--shard: expected I/N, for example 1/4, got \"{}\"", text));
}

std::vector<Config::Override> parse_overrides(const std::vector<std::string>& texts) {
  std::vector<Config::Override> out;
  for (const std::string& t : texts) out.push_back(runs::parse_override(t, "--set"));
  return out;
}

std::string in_quotes(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string_view("''") : std::string_view(&c, 1);
  return out + "'";
}

std::pair<Time, Time> parse_window(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos)
    throw ConfigError::placed(
        fmt::format("--timeline-window: expected FROM:TO, for example 0ms:5ms, got \"{}\"", text));
  const auto side = [&](const std::string& word, Time fallback) {
    if (word.empty()) return fallback;
    Time t{};
    Config::from_option("--timeline-window", in_quotes(word)).parse(t);
    return t;
  };
  const std::pair<Time, Time> out{side(text.substr(0, colon), {0}), side(text.substr(colon + 1), {INT64_MAX})};
  if (out.second <= out.first)
    throw ConfigError::placed(fmt::format("--timeline-window: must end after it begins, got \"{}\"", text));
  return out;
}

std::set<std::uint32_t> parse_ranges(const std::vector<std::string>& words, std::string_view option) {
  std::set<std::uint32_t> out;
  for (const std::string& word : words) {
    std::uint32_t first = 0, last = 0;
    const char* end = word.data() + word.size();
    auto [at, error] = std::from_chars(word.data(), end, first);
    last = first;
    if (error == std::errc{} && at != end && *at == '-') {
      const auto [behind, wrong] = std::from_chars(at + 1, end, last);
      at = behind;
      error = wrong;
    }
    if (error != std::errc{} || at != end || last < first || last - first > 100'000)
      throw ConfigError(
          fmt::format("{}: expected numbers and ranges such as 0-7,16, got \"{}\"", option, fmt::join(words, ",")));
    for (std::uint32_t i = first; i <= last; ++i) out.insert(i);
  }
  return out;
}

CLI::Option* add_list(CLI::App& verb, const char* names, std::vector<std::string>& value, const std::string& help) {
  return verb.add_option(names, value, help)->delimiter(',')->allow_extra_args(true);
}

CLI::Option* add_jobs(CLI::App& verb, int& jobs, std::string_view things) {
  jobs = std::clamp(int(std::thread::hardware_concurrency()), 1, int(kMostJobs));
  return verb.add_option("--jobs", jobs, fmt::format("{} run at the same time, each in memory of its own", things))
      ->check(whole_number(1, kMostJobs))
      ->default_str("one a core");
}

CLI::Option* add_output(CLI::App& verb, const char* names, std::string& value, const std::string& help) {
  if (verb.get_option_no_throw("--force") == nullptr)
    verb.add_flag_callback(
        "--force", [] { allow_replacing(true); }, "overwrite what it creates where that exists already");
  return verb.add_option(names, value, help)->check([](const std::string& name) -> std::string {
    if (name.empty()) return "expected the name of what to create, got \"\"; leave the option out for none";
    if (name == "-") return "\"-\" is not standard output here; leave the option out, or name a file (./-)";
    return "";
  });
}

void add_limits(CLI::App& verb, LimitOptions& options) {
  verb.add_option_function<std::string>(
      "--limit-memory", [&options](const std::string& text) { options.memory = text; },
      "refuse what would need more than this, for example 8GiB (default: the memory that is free)");
  verb.add_flag("--dry-run", options.dry_run, "print what it would take (memory, events, time), and do nothing");
}

runs::Limits limits_of(const LimitOptions& options) {
  runs::Limits out;
  out.dry_run = options.dry_run;
  if (options.memory) Config::from_option("--limit-memory", in_quotes(*options.memory)).parse(out.memory.emplace());
  return out;
}
}  // namespace moesim::cli
