// Request traces with one JSON object a line: Mooncake, Qwen-Bailian.
#include <algorithm>
#include <map>

#include "serving/traces/json_lines.h"

namespace moesim::serving {
namespace {
/// Requests with a timestamp, and (in files that replay tools write) later turns of a session, which have a delay after
/// the answer before instead.
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
    if (mentions(p.file.path, {"\"delay\""})) find_turns(p, c);
  }
  int hash_block() const override { return block_; }

 protected:
  std::optional<Row> read() override {
    while (const auto json = advance()) {
      if (is_turn(*json)) continue;  // taken with the first of its session
      Row out = row(json->count("input_length"), json->count("output_length"),
                    moment(json->not_negative("timestamp") / 1000));
      out.request.hashes = hashes_of(*json, out.request.input, block_);
      if (json->has("session_id")) take_session(*json, out);
      return out;
    }
    return std::nullopt;
  }

 private:
  Mooncake(const Params& p, const WorkloadContext& c, bool /*as_reader*/) : JsonLines(p, c), block_(p.hash_block) {}
  static bool is_turn(const formats::JsonObject& json) { return json.has("delay") && !json.has("timestamp"); }
  /// The session's name, a text or a number.
  static std::string session_of(const formats::JsonObject& json) {
    if (!json.has("session_id")) json.fail("has a delay after the turn before, but no session_id");
    return json.at("session_id").dump();
  }
  /// Reads the whole file for the turns that later lines add to a session.
  void find_turns(const Params& p, const WorkloadContext& c) {
    Mooncake file(p, c, true);
    std::map<std::string, std::int64_t> begun;
    while (const auto json = file.advance()) {
      if (!is_turn(*json)) {
        if (json->has("session_id")) begun.emplace(session_of(*json), file.line());
        continue;
      }
      const std::string session = session_of(*json);
      if (!begun.contains(session)) json->fail("has a delay, but is the first of its session: it needs a timestamp");
      const int input = json->count("input_length");
      turns_[session].push_back({.input = input,
                                 .output = json->count("output_length"),
                                 .pause = pause_of(*json, "delay", 1e-3),
                                 .hashes = hashes_of(*json, input, block_),
                                 .row = file.line()});
    }
  }
  void take_session(const formats::JsonObject& json, Row& row) {
    const std::string session = session_of(json);
    row.request.session = sessions_.try_emplace(session, std::int64_t(sessions_.size())).first->second;
    const auto found = turns_.find(session);
    if (found == turns_.end()) return;
    row.later = std::move(found->second);
    turns_.erase(found);
  }

  int block_;
  std::map<std::string, std::vector<Turn>> turns_;  // later ones, by session
  std::map<std::string, std::int64_t> sessions_;
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
    out.request.hashes = hashes_of(json, out.request.input, hash_block());
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
}  // namespace

std::vector<Strategy<Workload, const WorkloadContext&>> jsonl_traces() {
  return {
      workload_kind<Mooncake>("mooncake",
                              "Mooncake JSONL: timestamp in ms (later turns of a session_id: delay in ms after the "
                              "answer before), lengths, hash_ids of 512-token blocks"),
      workload_kind<Bailian>("bailian", "Qwen-Bailian JSONL: timestamp in s, lengths, hash_ids of 16-token blocks")};
}
}  // namespace moesim::serving
