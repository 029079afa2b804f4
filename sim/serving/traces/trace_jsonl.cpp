// Request traces with one JSON object a line: Mooncake, Qwen-Bailian, LLMServingSim.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/ceil_div.h"
#include "formats/json.h"
#include "serving/traces/recorded.h"

namespace moesim::serving {
namespace {
class JsonLines : public Recorded {
 public:
  JsonLines(const Recording& recording, const WorkloadContext& context)
      : Recorded(recording, context), rows_(recording.file.path) {
    if (rows_.empty()) throw ConfigError::placed(fmt::format("{}: is empty", rows_.name()));
  }

 protected:
  [[noreturn]] void fail(std::string_view problem) const final { rows_.fail(problem); }
  /// The next line's object, valid until the next call; nothing at the end.
  std::optional<formats::JsonObject> advance() {
    if (!rows_.next()) return std::nullopt;
    line_ = formats::parse_json(rows_);
    return formats::JsonObject(line_, rows_.where());
  }
  std::int64_t line() const { return std::int64_t(rows_.number()); }
  Row row(int input, int output, Moment when) const { return row_of(line(), input, output, when); }
  /// hash_ids stand for ceil(input / block) blocks; the last, if partial, is not shared as a whole and is left out.
  static void hash(Row& row, const formats::JsonObject& json, int block) {
    row.request.hashes = json.ids("hash_ids");
    const std::size_t full = std::size_t(row.request.input / block),
                      all = std::size_t(ceil_div(row.request.input, block));
    if (row.request.hashes.size() > all)
      json.fail("hash_ids", fmt::format("expected at most {} ids for {} tokens in blocks of {}, got {}", all,
                                        row.request.input, block, row.request.hashes.size()));
    if (row.request.hashes.size() > full) row.request.hashes.resize(full);
  }

 private:
  formats::LineFile rows_;
  formats::JsonValue line_;
};

class Mooncake final : public JsonLines {
 public:
  struct Params : Recording {
    int hash_block = 512;
    static void fields(auto& f, auto& p) {
      Recording::fields(f, p);
      f("hash_block", p.hash_block, "tokens of the block one hash id stands for");
    }
  };
  Mooncake(const Params& p, const WorkloadContext& c) : JsonLines(p, c), block_(p.hash_block) {
    if (block_ < 1) throw ConfigError("hash_block", "must be above 0");
  }
  int hash_block() const override { return block_; }

 protected:
  std::optional<Row> read() override {
    const auto object = advance();
    if (!object) return std::nullopt;
    const formats::JsonObject& json = *object;
    Row out =
        row(json.count("input_length"), json.count("output_length"), moment(json.not_negative("timestamp") / 1000));
    hash(out, json, block_);
    return out;
  }

 private:
  int block_;
};

/// Turns of a chat name the one before; their kind of task may name a routing domain.
class Bailian final : public JsonLines {
 public:
  struct Params : Recording, DomainNames {
    static void fields(auto& f, auto& p) {
      Recording::fields(f, p);
      DomainNames::fields(f, p);  // of the key type
    }
  };
  Bailian(const Params& p, const WorkloadContext& c) : JsonLines(p, c), domains_(p) {}
  int domains() const override { return std::max(1, int(domains_.names.size())); }
  int hash_block() const override { return 16; }

 protected:
  std::optional<Row> read() override {
    const auto object = advance();
    if (!object) return std::nullopt;
    const formats::JsonObject& json = *object;
    Row out = row(json.count("input_length"), json.count("output_length"), moment(json.not_negative("timestamp")));
    out.request.turn = json.has("turn") ? std::max(0, json.count("turn") - 1) : 0;
    if (json.has("chat_id")) out.request.session = chat(json);
    if (!domains_.names.empty()) out.request.domain = domain(domains_, json.text("type"));
    hash(out, json, hash_block());
    return out;
  }

 private:
  /// The chat's first turn names the session.
  std::int64_t chat(const formats::JsonObject& json) {
    const std::int64_t id = json.integer("chat_id");
    const std::int64_t parent = json.has("parent_chat_id") ? json.integer("parent_chat_id") : -1;
    const auto first = first_.find(parent);
    return first_.try_emplace(id, first == first_.end() ? id : first->second).first->second;
  }
  DomainNames domains_;
  std::map<std::int64_t, std::int64_t> first_;
};

/// One request a line, or one agent session a line whose sub-requests follow each other after a tool's time.
class LlmServingSim final : public JsonLines {
 public:
  using Params = Recording;
  LlmServingSim(const Params& p, const WorkloadContext& c) : JsonLines(p, c) {}
  std::optional<Request> follow_up(const Request& done, Time end) override {
    std::int64_t row = done.row - 1;  // all turns of a session stand on one line
    return sessions_.follow(done, end, row);
  }

 protected:
  std::optional<Row> read() override {
    const auto object = advance();
    if (!object) return std::nullopt;
    const formats::JsonObject& json = *object;
    const Moment when = moment(json.not_negative("arrival_time_ns") * 1e-9);
    if (!json.has("sub_requests")) return row(json.count("input_toks"), json.count("output_toks"), when);
    const formats::JsonValue& list = json.list_at("sub_requests");
    if (list.empty()) json.fail("sub_requests", "expected a list of at least one request");
    std::vector<Turn> turns;
    Time pause{};
    for (const formats::JsonValue& element : list) {
      const formats::JsonObject sub(element, json.where());
      turns.push_back({.input = sub.count("input_toks"), .output = sub.count("output_toks"), .pause = pause});
      pause = sub.has("tool_duration_ns") ? pause_of(sub) : Time{};
    }
    Row out = row(turns[0].input, turns[0].output, when);
    turns.erase(turns.begin());
    if (!turns.empty()) out.request.session = line();
    sessions_.open(line(), {}, std::move(turns));
    return out;
  }

 private:
  static Time pause_of(const formats::JsonObject& sub) {
    constexpr double kLongest = 4.6e6;  // seconds: two of them, one after the other, are within the clock's reach
    const double pause = sub.not_negative("tool_duration_ns") * 1e-9;
    if (pause > kLongest) sub.fail("tool_duration_ns", "is longer than 53 days");
    return from_seconds(pause);
  }
  Sessions sessions_;
};
}  // namespace

std::vector<Strategy<Workload, const WorkloadContext&>> jsonl_traces() {
  return {workload_kind<Mooncake>("mooncake", "Mooncake JSONL: timestamp in ms, lengths, hash_ids of 512-token blocks"),
          workload_kind<Bailian>("bailian", "Qwen-Bailian JSONL: timestamp in s, lengths, hash_ids of 16-token blocks"),
          workload_kind<LlmServingSim>("llmservingsim", "LLMServingSim JSONL, single requests or agent sessions")};
}
}  // namespace moesim::serving
