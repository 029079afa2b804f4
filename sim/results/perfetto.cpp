#include "results/perfetto.h"

#include <fmt/format.h>

#include <algorithm>

namespace moesim::results {
namespace {
constexpr std::size_t kFirstGroup = 1'000'000;  // above any GPU's number, so what is no GPU comes last

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (std::uint8_t(c) < 0x20)
      out += fmt::format("\\u{:04x}", int(c));
    else
      out += c;
  }
  return out + '"';
}
/// Microseconds with all picoseconds, exactly.
std::string microseconds(Time t) { return fmt::format("{}.{:06}", t.v / 1'000'000, t.v % 1'000'000); }

/// Processes of tracks: a GPU each, and one for each group of the others, in the order they came.
class Processes {
 public:
  explicit Processes(const SpanLog& log) {
    for (const SpanLog::Track& t : log.tracks())
      if (!t.gpu && std::ranges::find(groups_, t.group) == groups_.end()) groups_.push_back(t.group);
  }
  std::size_t of(const SpanLog::Track& t) const {
    return t.gpu ? index(*t.gpu) : kFirstGroup + std::size_t(std::ranges::find(groups_, t.group) - groups_.begin());
  }

 private:
  std::vector<std::string> groups_;
};

void describe_tracks(const SpanLog& log, const Processes& processes, std::string& out) {
  std::vector<bool> used(log.tracks().size());
  for (const auto& s : log.spans()) used[index(s.track)] = true;
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    const SpanLog::Track& t = log.tracks()[i];
    const std::string process = t.gpu ? fmt::format("GPU {}", *t.gpu) : t.group;
    out += fmt::format(R"({{"ph":"M","name":"process_name","pid":{},"args":{{"name":{}}}}},)", processes.of(t),
                       json_string(process));
    out += fmt::format(R"({{"ph":"M","name":"process_sort_index","pid":{},"args":{{"sort_index":{}}}}},)",
                       processes.of(t), processes.of(t));
    out += fmt::format(R"({{"ph":"M","name":"thread_name","pid":{},"tid":{},"args":{{"name":{}}}}},)", processes.of(t),
                       i, json_string(t.stream));
    out += '\n';
  }
}
}  // namespace

std::string perfetto_json(const SpanLog& log) {
  std::string out = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n";
  const Processes processes(log);
  describe_tracks(log, processes, out);
  for (const auto& s : log.spans()) {
    const SpanLog::Track& t = log.tracks()[index(s.track)];
    out += fmt::format(R"({{"ph":"X","name":{},"pid":{},"tid":{},"ts":{},"dur":{})", json_string(log.text(s.name)),
                       processes.of(t), index(s.track), microseconds(s.start), microseconds(s.end - s.start));
    if (s.layer >= 0) out += fmt::format(R"(,"args":{{"layer":{}}})", s.layer);
    out += "},\n";
  }
  std::size_t id = 0;
  for (const auto& f : log.flows()) {
    const auto arrow = [&](const char* kind, TrackId track, Time when) {
      out += fmt::format(R"({{"ph":"{}","cat":"flow","name":{},"id":{},"pid":{},"tid":{},"ts":{}{}}},)", kind,
                         json_string(log.text(f.name)), id, processes.of(log.tracks()[index(track)]), index(track),
                         microseconds(when), *kind == 'f' ? R"(,"bp":"e")" : "");
      out += '\n';
    };
    arrow("s", f.from, f.leaves);
    arrow("f", f.to, f.arrives);
    ++id;
  }
  if (out.ends_with(",\n")) out.erase(out.size() - 2);
  return out + "\n]}\n";
}

void store_spans(const SpanLog& log, Results& results) {
  for (const auto& s : log.spans()) {
    const SpanLog::Track& t = log.tracks()[index(s.track)];
    const Results::Value gpu = t.gpu ? Results::Value(index(*t.gpu)) : Results::null();
    results.add(Table::span, {gpu, t.stream, log.text(s.name), s.layer < 0 ? Results::null() : Results::Value(s.layer),
                              s.start, s.end});
  }
}
}  // namespace moesim::results
