#include "placement/from_trace.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "core/check.h"

namespace moesim::placement {

Loads loads_of_trace(const routing::Trace& trace, routing::TokenRange range) {
  const routing::TraceHeader& header = trace.header();
  if (range.first < 0 || range.end > trace.tokens() || range.first >= range.end)
    throw ConfigError::placed(
        fmt::format("{}: holds tokens 0 to {}, not {} to {}", trace.file(), trace.tokens(), range.first, range.end));
  Loads out;
  out.name = std::filesystem::path(trace.file()).stem().string();
  out.experts = header.experts;
  out.hidden_layers = header.hidden_layers;
  std::vector<std::int64_t> counts(std::size_t(header.experts));
  for (int ordinal = 0; ordinal < trace.layers(); ++ordinal) {
    trace.load(ordinal, range.first, range.end - range.first, counts);
    const int layer = header.layers[std::size_t(ordinal)];
    if (std::ranges::all_of(counts, [](std::int64_t c) { return c == 0; })) {
      out.skipped.push_back(layer);
      continue;
    }
    out.layers.push_back(layer);
    for (const std::int64_t c : counts) out.counts.push_back(double(c));
  }
  if (out.layers.empty())
    throw ConfigError::placed(fmt::format("{}: no token of the range has an expert", trace.file()));
  return out;
}

routing::TokenRange window_of(const std::string& window, std::int64_t tokens) {
  routing::TokenRange out{0, tokens};
  if (window.empty()) return out;
  const std::size_t colon = window.find(':');
  const auto part = [&](std::string_view text, std::int64_t& value) {
    if (text.empty()) return true;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
  };
  const std::string_view text = window;
  if (colon == std::string::npos || !part(text.substr(0, colon), out.first) || !part(text.substr(colon + 1), out.end))
    throw ConfigError(fmt::format("a window of tokens is written FIRST:END, got \"{}\"", window));
  return out;
}

RoutingSample sample_of_trace(const routing::Trace& trace, routing::TokenRange range, const Loads& loads,
                              std::int64_t tokens) {
  const std::vector<routing::TokenRange> runs = routing::spread_runs(range, tokens);
  RoutingSample out;
  out.top_k = trace.header().top_k;
  out.dealt = trace.header().sampled;
  for (const routing::TokenRange& run : runs) out.tokens += std::size_t(run.end - run.first);
  std::vector<std::int16_t> experts;
  for (const int layer : loads.layers) {
    const int ordinal = trace.ordinal(layer);
    check(ordinal >= 0, "layer {} is not in {}", layer, trace.file());
    for (const routing::TokenRange& run : runs) {
      trace.read_experts(ordinal, run.first, run.end - run.first, experts);
      out.ids.insert(out.ids.end(), experts.begin(), experts.end());
    }
  }
  return out;
}

std::optional<RoutingSample> sample_of_source(const routing::TrafficSource& source, std::span<const int> layers,
                                              int top_k) {
  const std::vector<std::int16_t> ids = source.sample(layers, kSampleTokens);
  if (ids.empty()) return std::nullopt;
  check(ids.size() % (layers.size() * std::size_t(top_k)) == 0, "a sample of {} layers has {} ids", layers.size(),
        ids.size());
  return RoutingSample{
      ids.size() / layers.size() / std::size_t(top_k), top_k, {ids.begin(), ids.end()}, source.dealt()};
}
}  // namespace moesim::placement
