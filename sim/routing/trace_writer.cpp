#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "core/check.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/new_file.h"
#include "core/replacing.h"
#include "results/blob.h"
#include "results/output.h"
#include "results/program.h"
#include "results/store.h"
#include "routing/trace.h"
#include "routing/trace_layout.h"

namespace moesim::routing {
using namespace trace_layout;

namespace {
void check_header(const TraceHeader& h) {
  check(h.experts > 0 && h.experts <= INT16_MAX, "a trace has 1 to {} experts, got {}", INT16_MAX, h.experts);
  check(h.top_k > 0 && h.top_k <= h.experts, "a trace of {} experts has top-k {}", h.experts, h.top_k);
  check(!h.layers.empty(), "a trace needs a MoE layer");
  check(std::adjacent_find(h.layers.begin(), h.layers.end(), std::greater_equal<>()) == h.layers.end(),
        "the layers of a trace must ascend");
  check(h.groups > 0 && h.groups_used > 0 && h.groups_used <= h.groups, "a trace uses {} of {} groups", h.groups_used,
        h.groups);
  check(!h.domains.empty() && h.domains.size() <= 256, "a trace has 1 to 256 domains, got {}", h.domains.size());
}
}  // namespace

struct TraceWriter::State {
  NewFile target;
  TraceHeader header;
  results::Database db;
  results::Statement add_tokens, add_experts, add_load;
  std::vector<TraceToken> tokens;                  // of the block being filled
  std::vector<std::vector<std::int16_t>> experts;  // by layer
  std::vector<std::vector<float>> weights;         // by layer
  std::vector<std::uint32_t> counts;               // (layers, experts) before the block being filled
  std::int64_t blocks = 0, passes = 0;
  std::int32_t last_pass = -1;
  bool finished = false;
  std::mutex mutex;  // of all above: held for single calls, and by a signal's end
  std::unique_ptr<Unfinished> unfinished;

  State(const std::string& file, TraceHeader h)
      : target(file),
        header(std::move(h)),
        db(create(target.path())),
        add_tokens(db.prepare("INSERT INTO trace_tokens VALUES(?, ?, ?)")),
        add_experts(db.prepare("INSERT INTO trace_experts VALUES(?, ?, ?, ?)")),
        add_load(db.prepare("INSERT INTO trace_load VALUES(?, ?)")),
        experts(header.layers.size()),
        weights(header.layers.size()),
        counts(header.layers.size() * std::size_t(header.experts)) {
    db.exec("BEGIN");
  }

  static results::Database create(const std::string& part) {
    results::Database db = results::Database::open_existing(part);
    db.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");  // nobody reads it before it has its name
    db.exec(kSchema);
    return db;
  }

  void add_running_counts() {
    const std::size_t layers = header.layers.size(), e = std::size_t(header.experts);
    for (std::size_t m = 0; m < layers; ++m)
      add_load.bind(0, blocks * std::int64_t(layers) + std::int64_t(m))
          .bind(1, results::compress(std::as_bytes(std::span(counts).subspan(m * e, e)), 1))
          .run();
  }

  void flush() {
    if (tokens.empty()) return;
    add_running_counts();
    add_tokens.bind(0, blocks)
        .bind(1, std::int64_t(tokens.size()))
        .bind(2, results::compress(pack_tokens(tokens), 1))
        .run();
    const std::size_t layers = header.layers.size();
    for (std::size_t m = 0; m < layers; ++m) {
      const int width = id_width(header.experts, experts[m]);
      add_experts.bind(0, blocks * std::int64_t(layers) + std::int64_t(m)).bind(1, width);
      add_experts.bind(2, results::compress(pack_ids(experts[m], width), 1));
      header.weights ? add_experts.bind(3, results::compress(std::as_bytes(std::span(weights[m])), 1))
                     : add_experts.bind_null(3);
      add_experts.run();
      std::uint32_t* const count = &counts[m * std::size_t(header.experts)];
      for (const std::int16_t id : experts[m])
        if (id >= 0) ++count[id];
      experts[m].clear();
      weights[m].clear();
    }
    tokens.clear();
    if (++blocks % 64 == 0) db.exec("COMMIT; BEGIN");  // a transaction's changed pages stay in memory
  }

  void put(const char* key, const std::string& value) {
    db.prepare("INSERT INTO trace VALUES(?, ?)").bind(0, std::string_view(key)).bind(1, std::string_view(value)).run();
  }
  void put_list(const char* table, const std::vector<std::string>& list) {
    results::Statement add = db.prepare(fmt::format("INSERT INTO {} VALUES(?, ?)", table));
    for (std::size_t i = 0; i < list.size(); ++i) add.bind(0, std::int64_t(i)).bind(1, std::string_view(list[i])).run();
  }
  void write_header(std::int64_t total, bool complete) {
    put("version", fmt::to_string(kVersion));
    put("state", complete ? "complete" : "incomplete");
    put("tokens", fmt::to_string(total));
    put("passes", fmt::to_string(passes));
    put("model", header.model);
    put("source", header.source);
    put("program", results::program());
    const std::pair<const char*, int> numbers[] = {{"hidden_layers", header.hidden_layers},
                                                   {"experts", header.experts},
                                                   {"top_k", header.top_k},
                                                   {"groups", header.groups},
                                                   {"groups_used", header.groups_used},
                                                   {"weights", header.weights},
                                                   {"token_ids", header.token_ids},
                                                   {"requests", header.requests},
                                                   {"phases", header.phases},
                                                   {"sampled", header.sampled}};
    for (const auto& [key, value] : numbers) put(key, fmt::to_string(value));
    results::Statement add = db.prepare("INSERT INTO trace_layer VALUES(?, ?)");
    for (std::size_t m = 0; m < header.layers.size(); ++m) add.bind(0, std::int64_t(m)).bind(1, header.layers[m]).run();
    put_list("trace_domain", header.domains);
    put_list("trace_note", header.notes);
  }

  std::int64_t added() const { return blocks * kBlock + std::int64_t(tokens.size()); }

  void finish(bool complete) {
    const std::int64_t total = added();
    if (total == 0)
      throw ConfigError(fmt::format("{}: no token was recorded, so there is no trace to write", target.file()));
    check_header(header);
    flush();
    add_running_counts();
    write_header(total, complete);
    db.exec("COMMIT");
    db.close();
    target.keep();
    finished = true;
  }
};

namespace {
/// Not through Trace, which would count as reading what is about to be replaced.
bool is_trace(const std::string& file) {
  try {
    return results::Database::open_existing(file).has_table("trace_tokens");
  } catch (const ConfigError&) {
    return false;
  }
}
}  // namespace

void make_way_for_trace(const std::string& file, bool left_behind) {
  writes_database(file);
  if (may_replace(file)) {
    if (!is_trace(file))
      throw ConfigError::placed(
          fmt::format("{}: holds no routing trace; --force overwrites traces with traces alone", file));
    return check_new_file(file);
  }
  const auto is_left = [&] {
    try {
      const Trace trace(file);
      return left_behind || !trace.complete();
    } catch (const std::exception&) {  // none of ours, or nothing there
      return false;
    }
  };
  if (is_left()) results::set_aside(file);
  check_new_file(file);
  results::set_stray_logs_aside(file);
}

TraceWriter::TraceWriter(const std::string& file, TraceHeader header, Partial partial) {
  check_header(header);
  s_ = std::make_unique<State>(file, std::move(header));
  if (partial == Partial::dropped) return;
  s_->unfinished = std::make_unique<Unfinished>([&s = *s_] {
    const std::lock_guard lock(s.mutex);
    if (!s.finished && s.added() == 0) return std::string();
    if (!s.finished) s.finish(false);
    return fmt::format("{} holds what was recorded", s.target.file());
  });
}

TraceWriter::~TraceWriter() {
  if (s_) s_->unfinished.reset();
}

TraceHeader& TraceWriter::header() { return s_->header; }
std::int64_t TraceWriter::tokens() const { return s_->added(); }

void TraceWriter::add(std::span<const TraceToken> tokens, std::span<const std::int16_t> experts,
                      std::span<const float> weights) {
  State& s = *s_;
  const std::lock_guard lock(s.mutex);
  const std::size_t n = tokens.size(), k = std::size_t(s.header.top_k), layers = s.header.layers.size();
  check(experts.size() == layers * n * k, "{} tokens in {} layers with top-{} need {} expert ids, got {}", n, layers, k,
        layers * n * k, experts.size());
  check(weights.size() == (s.header.weights ? experts.size() : 0), "{} expert ids came with {} gate weights",
        experts.size(), weights.size());
  for (const std::int16_t id : experts)
    check(id >= -1 && id < s.header.experts, "expert id {} is outside 0 to {}", id, s.header.experts - 1);
  for (const TraceToken& t : tokens) {
    check(t.pass >= s.last_pass, "pass {} comes after pass {}", t.pass, s.last_pass);
    check(t.domain < s.header.domains.size(), "domain {} has no name", t.domain);
    if (t.pass != s.last_pass) ++s.passes;
    s.last_pass = t.pass;
  }
  for (std::size_t done = 0; done < n;) {
    const std::size_t part = std::min(n - done, std::size_t(kBlock) - s.tokens.size());
    const auto slice = tokens.subspan(done, part);
    s.tokens.insert(s.tokens.end(), slice.begin(), slice.end());
    for (std::size_t m = 0; m < layers; ++m) {
      const auto ids = experts.subspan((m * n + done) * k, part * k);
      s.experts[m].insert(s.experts[m].end(), ids.begin(), ids.end());
      if (weights.empty()) continue;
      const auto w = weights.subspan((m * n + done) * k, part * k);
      s.weights[m].insert(s.weights[m].end(), w.begin(), w.end());
    }
    done += part;
    if (s.tokens.size() == std::size_t(kBlock)) s.flush();
  }
}

void TraceWriter::finish(bool complete) {
  end_has_begun();
  const std::lock_guard lock(s_->mutex);
  s_->finish(complete);
}
}  // namespace moesim::routing
