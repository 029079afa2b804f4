#include "routing/trace_summary.h"

#include <fmt/format.h>

#include <charconv>

#include "core/ceil_div.h"
#include "core/utf8.h"
#include "routing/trace_layout.h"
#include "routing/trace_limits.h"

namespace moesim::routing {
using namespace trace_layout;

namespace {
/// A trace's header in texts: names of text and notes.  assumed: far beyond what any recording says.
constexpr std::size_t kMostTexts = 10'000, kMostText = 1 << 16;

class SummaryReader {
 public:
  explicit SummaryReader(const results::Database& database) : db(database) {}

  [[noreturn]] void damaged(std::string_view what) const { trace_damaged(db.file(), what); }
  std::string text(const char* key) const {
    results::Statement get = trace_statement(db, "SELECT value FROM trace WHERE key = ?");
    if (!get.bind(0, std::string_view(key)).step()) damaged(fmt::format("\"{}\" is missing", key));
    return words(get, 0, key);
  }
  /// A text that can be written into any report.
  std::string words(const results::Statement& row, int column, const char* what) const {
    std::string out = row.text(column);
    if (out.size() > kMostText) damaged(fmt::format("{} is a text of {} bytes", what, out.size()));
    if (!is_utf8(out)) damaged(fmt::format("{} is not UTF-8", what));
    return out;
  }
  std::int64_t number(const char* key, std::int64_t low, std::int64_t high) const {
    const std::string value = text(key);
    std::int64_t out = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
    if (error != std::errc() || end != value.data() + value.size() || out < low || out > high)
      damaged(fmt::format("{} is \"{}\"", key, value));
    return out;
  }
  std::vector<std::string> list(const char* table) const {
    std::vector<std::string> out;
    for (results::Statement get = trace_statement(db, fmt::format("SELECT * FROM {} ORDER BY 1", table)); get.step();) {
      if (get.columns() < 2 || out.size() == kMostTexts) damaged(fmt::format("its table {} is too large", table));
      out.push_back(words(get, 1, table));
    }
    return out;
  }
  /// Every block is there, once, and no other: then what follows asks for nothing that is not.
  void check_tables() const {
    const std::int64_t layers = std::int64_t(summary.header.layers.size());
    const auto expect = [&](const char* table, const char* id, std::int64_t rows) {
      results::Statement get =
          trace_statement(db, fmt::format("SELECT COUNT(*), MIN({0}), MAX({0}) FROM {1}", id, table));
      if (get.step() && get.integer(0) > 0 && get.integer(1) > 0)
        damaged(fmt::format("block 0 is missing in {}", table));
      if (get.integer(0) != rows || get.integer(1) != 0 || get.integer(2) != rows - 1)
        damaged(fmt::format("{} has {} rows, numbered {} to {}, but {} tokens in {} layers need 0 to {}", table,
                            get.integer(0), get.integer(1), get.integer(2), summary.tokens, layers, rows - 1));
    };
    expect("trace_tokens", "block", summary.blocks);
    expect("trace_experts", "id", summary.blocks * layers);
    expect("trace_load", "id", (summary.blocks + 1) * layers);
  }
  TraceSummary read() {
    if (const std::int64_t version = number("version", 0, INT32_MAX); version != kVersion)
      throw ConfigError::placed(fmt::format("{}: is a trace of version {}, expected {}", db.file(), version, kVersion));
    if (!db.has_tables_of(kSchema)) damaged("its tables have other columns");
    const std::string state = text("state");
    if (state != "complete" && state != "incomplete") damaged(fmt::format("its state is \"{}\"", state));
    summary.complete = state == "complete";
    summary.tokens = number("tokens", 1, std::int64_t{1} << 40);
    summary.passes = number("passes", 1, summary.tokens);
    summary.blocks = ceil_div(summary.tokens, kBlock);
    read_header(summary.header);
    check_tables();
    return std::move(summary);
  }

 private:
  void read_header(TraceHeader& h) const {
    h.model = text("model");
    h.source = text("source");
    h.hidden_layers = int(number("hidden_layers", 0, kMostLayers));
    h.experts = int(number("experts", 1, INT16_MAX));
    h.top_k = int(number("top_k", 1, h.experts));
    h.groups = int(number("groups", 1, h.experts));
    h.groups_used = int(number("groups_used", 1, h.groups));
    h.weights = number("weights", 0, 1) != 0;
    h.token_ids = number("token_ids", 0, 1) != 0;
    h.requests = number("requests", 0, 1) != 0;
    h.phases = number("phases", 0, 1) != 0;
    h.sampled = number("sampled", 0, 1) != 0;
    for (results::Statement get = trace_statement(db, "SELECT layer FROM trace_layer ORDER BY ordinal"); get.step();) {
      const std::int64_t layer = get.integer(0);
      if (layer < 0 || layer > kMostLayers || (!h.layers.empty() && layer <= h.layers.back()))
        damaged(fmt::format("it lists layer {} after {}", layer, h.layers.empty() ? -1 : h.layers.back()));
      h.layers.push_back(int(layer));
    }
    if (h.layers.empty()) damaged("it lists no layer");
    if (const auto n = std::int64_t(h.layers.size()); n * h.experts > kMostLoads || n * h.top_k > kMostTokenChoices)
      damaged(fmt::format("it has {} layers of {} experts with top-{}", n, h.experts, h.top_k));
    h.domains = list("trace_domain");
    if (h.domains.empty() || h.domains.size() > 256) damaged(fmt::format("it lists {} domains", h.domains.size()));
    h.notes = list("trace_note");
  }

  const results::Database& db;
  TraceSummary summary;
};
}  // namespace

TraceSummary read_trace_summary(const results::Database& db) { return SummaryReader(db).read(); }

results::Statement trace_statement(const results::Database& db, const std::string& sql) {
  try {
    return db.prepare(sql);
  } catch (const std::logic_error&) {  // right for every trace, so the tables are not a trace's
    trace_damaged(db.file(), "its tables have other columns");
  }
}

void trace_damaged(const std::string& file, std::string_view what) {
  throw ConfigError::placed(fmt::format("{}: the trace is damaged: {}", file, what));
}
}  // namespace moesim::routing
