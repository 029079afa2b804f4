// How pages name figures, and read quantities from settings.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "pages/studies/common.h"

namespace moesim::pages {
namespace {
std::string without(std::string text, std::string_view end) {
  if (text.ends_with(end)) text.resize(text.size() - end.size());
  return text;
}
}  // namespace

std::string spaced(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"gpu", "GPU"},   {"nic", "NIC"}, {"gpus", "GPUs"}, {"kv", "KV"},         {"mfu", "MFU"},
      {"bf16", "BF16"}, {"fp8", "FP8"}, {"ttft", "TTFT"}, {"tpot", "TPOT"},     {"itl", "ITL"},
      {"slo", "SLO"},   {"usd", "USD"}, {"cuda", "CUDA"}, {"tflops", "TFLOP/s"}};
  constexpr std::string_view kNames[] = {"two_batch", "five_stage"};  // as a plan's deployments are named
  std::string out;
  for (std::size_t at = 0; at <= name.size();) {
    std::size_t end = std::min(name.find_first_of("_ ", at), name.size());
    for (const std::string_view whole : kNames)
      if (name.substr(at).starts_with(whole)) end = at + whole.size();
    const std::string_view word = name.substr(at, end - at);
    const auto known = std::ranges::find(kWords, word, &std::pair<std::string_view, std::string_view>::first);
    const bool hours = word == "hours" && out.ends_with("GPU");
    out += (at == 0 ? "" : hours ? "-" : " ") + std::string(known == std::end(kWords) ? word : known->second);
    at = end + 1;
  }
  return out;
}
std::string scope_words(const std::string& scope) {
  const std::size_t colon = scope.find(':');
  if (colon == std::string::npos) return spaced(scope);
  const std::string kind = scope.substr(0, colon), which = scope.substr(colon + 1);
  return kind == "phase" ? spaced(which) : spaced(kind) + " " + which;
}
std::string words_of(std::string_view name) { return spaced(without(without(std::string(name), "_time"), "_share")); }

Html apart(std::string_view a, std::string_view b, Html differ, Html alike) {
  return a == b ? std::move(alike) : std::move(differ);
}

namespace {
/// "85.5 GB" by the units given; nothing if it is none of them.
std::optional<double> quantity(std::string_view text, std::initializer_list<std::pair<const char*, double>> units) {
  const std::string copy(text);
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (end == copy.c_str() || !std::isfinite(value)) return std::nullopt;
  const std::string unit(std::string_view(end).substr(std::min<std::size_t>(1, std::string_view(end).size())));
  for (const auto& [name, factor] : units)
    if (unit == name) return value * factor;
  return std::nullopt;
}
}  // namespace

std::string LongUnit::text(double days) const { return fmt::format("{:.3g} {}", a_day * days, name); }

LongUnit long_unit(const Facts& f, double days) {
  const double run = f.value("run_days"), target = std::strtod(f.setting("size.targets.days").c_str(), nullptr);
  double longest = std::max(target, 0.0);
  for (const double d : {days, run})
    if (std::isfinite(d)) longest = std::max(longest, d);
  return longest > 0 && longest <= 2 ? LongUnit{24, "hours"} : LongUnit{};
}

std::optional<double> bytes_of(std::string_view text) {
  return quantity(text, {{"B", 1.0},
                         {"kB", 1e3},
                         {"MB", 1e6},
                         {"GB", 1e9},
                         {"TB", 1e12},
                         {"KiB", 1024.0},
                         {"MiB", 1048576.0},
                         {"GiB", 1073741824.0},
                         {"TiB", 1099511627776.0}});
}

std::optional<double> seconds_of(std::string_view text) {
  return quantity(text,
                  {{"ps", 1e-12}, {"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1.0}, {"min", 60.0}, {"h", 3600.0}});
}

std::optional<double> gpu_memory(const Facts& f) {
  for (const std::string of : {"", "answer."})
    if (const std::optional<double> all = bytes_of(f.setting(of + "cluster.node.gpu.memory")))
      return *all - bytes_of(f.setting(of + "cluster.node.gpu.reserve")).value_or(0);
  return std::nullopt;
}

std::string gpu_name(const Facts& f) {
  for (const std::string of : {"", "answer."})
    if (const std::string title = f.setting(of + "cluster.node.gpu.title"); !title.empty()) return title;
  return "GPUs";
}
}  // namespace moesim::pages
