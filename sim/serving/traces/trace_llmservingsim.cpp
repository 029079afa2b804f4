// LLMServingSim's request traces: one request a line, or one agent session a line whose sub-requests follow each other
// after a tool's time.
#include <algorithm>

#include "core/splitmix.h"
#include "serving/traces/json_lines.h"

namespace moesim::serving {
namespace {
/// A block is known by its tokens and all before them, where the file has them (input_tok_ids); in sessions without,
/// by the turn it was new in: a turn repeats the whole conversation if it is at least as long, or what its
/// prefix_reuse_toks say.
class LlmServingSim final : public JsonLines {
 public:
  struct Params : Recording {
    int hash_block = 64;
    static void fields(auto& f, auto& p) {
      Recording::fields(f, p);
      f("hash_block", p.hash_block, "tokens of a prefix block");
    }
  };
  LlmServingSim(const Params& p, const WorkloadContext& c) : JsonLines(p, c), block_(p.hash_block) {
    if (block_ < 1) throw ConfigError("hash_block", "must be above 0");
    hashed_ = mentions(p.file.path, {"\"input_tok_ids\"", "\"sub_requests\""});
    set_hash_block(block_);
  }
  int hash_block() const override { return hashed_ ? block_ : 0; }

 protected:
  std::optional<Row> read() override {
    const auto object = advance();
    if (!object) return std::nullopt;
    const formats::JsonObject& json = *object;
    const Moment when = moment(json.not_negative("arrival_time_ns") * 1e-9);
    if (json.has("sub_requests")) return session(json, when);
    Row out = row(json.count("input_toks"), json.count("output_toks"), when);
    if (json.has("input_tok_ids")) out.request.hashes = of_tokens(json, out.request.input, out.request.output);
    return out;
  }

 private:
  Row session(const formats::JsonObject& json, Moment when) const {
    const formats::JsonValue& list = json.list_at("sub_requests");
    if (list.empty()) json.fail("sub_requests", "expected a list of at least one request");
    std::vector<Turn> turns;
    Time pause{};
    for (const formats::JsonValue& element : list) {
      const formats::JsonObject sub(element, json.where());
      Turn turn{.input = sub.count("input_toks"), .output = sub.count("output_toks"), .pause = pause, .row = line()};
      if (sub.has("input_tok_ids"))
        turn.hashes = of_tokens(sub, turn.input, turn.output);
      else
        turn.again = turns.empty() ? 0 : repeated(sub, turns.back(), turn);
      turns.push_back(std::move(turn));
      pause = sub.has("tool_duration_ns") ? pause_of(sub, "tool_duration_ns", 1e-9) : Time{};
    }
    Row out = row(turns[0].input, turns[0].output, when);
    out.request.hashes = std::move(turns[0].hashes);
    out.fresh = turns[0].again == 0;
    turns.erase(turns.begin());
    if (!turns.empty()) out.request.session = line();
    out.later = std::move(turns);
    return out;
  }

  /// Tokens of the turn before that a turn repeats whose tokens are not known.
  static int repeated(const formats::JsonObject& json, const Turn& before, const Turn& turn) {
    const int said = before.input + before.output;
    const int again = json.has("prefix_reuse_toks") ? json.count("prefix_reuse_toks") : turn.input >= said ? said : 0;
    return std::min({again, said, turn.input});
  }

  /// Ids of the full blocks of prompt and, where the file has it, answer.
  std::vector<std::uint64_t> of_tokens(const formats::JsonObject& json, int input, int output) const {
    std::vector<std::uint64_t> tokens = json.ids("input_tok_ids");
    if (tokens.size() != std::size_t(input))
      json.fail("input_tok_ids", fmt::format("expected as many as input_toks, {}, got {}", input, tokens.size()));
    if (json.has("output_tok_ids")) {
      const std::vector<std::uint64_t> answer = json.ids("output_tok_ids");
      if (answer.size() > std::size_t(output))
        json.fail("output_tok_ids", fmt::format("expected at most output_toks, {}, got {}", output, answer.size()));
      tokens.insert(tokens.end(), answer.begin(), answer.end());
    }
    std::vector<std::uint64_t> out;
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      all = split_mix(all * kSplitMixStep + tokens[i] + 1);
      if ((i + 1) % std::size_t(block_) == 0) out.push_back(all);
    }
    return out;
  }

  int block_;
  bool hashed_ = false;
};
}  // namespace

Strategy<Workload, const WorkloadContext&> llmservingsim() {
  return workload_kind<LlmServingSim>(
      "llmservingsim", "LLMServingSim JSONL: single requests or agent sessions, prefixes by their token ids");
}
}  // namespace moesim::serving
