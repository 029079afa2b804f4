// A routing trace: which experts every token of a recorded run chose, in a SQLite file.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/config.h"

namespace moesim::routing {

inline constexpr std::int64_t kTokensAtOnce = 16'384;  // of a long trace, read piece by piece

enum class TracePhase : std::uint8_t { prefill, decode };
constexpr auto enum_names(TracePhase) {
  return std::to_array<std::pair<std::string_view, TracePhase>>(
      {{"prefill", TracePhase::prefill}, {"decode", TracePhase::decode}});
}

/// What a trace says about itself.
struct TraceHeader {
  std::string model;        // catalogue name or file; "" if unknown
  std::string source;       // what recorded it: "moesim record", "SGLang per_token", ...
  int hidden_layers = 0;    // of the model, dense ones included; 0 if unknown
  std::vector<int> layers;  // the model's number of each recorded MoE layer, ascending
  int experts = 0;          // routed experts of a layer (logical)
  int top_k = 0;
  int groups = 1, groups_used = 1;  // the router's limit; equal means none, or unknown
  bool weights = false;             // gate weights are stored
  bool token_ids = true;            // tokens carry their vocabulary id
  bool requests = true;             // tokens carry the request they belong to and their position in it
  bool phases = true;               // prefill and decode are told apart
  bool sampled = false;             // drawn from counts: loads are the source's, affinity between layers is not known
  std::vector<std::string> domains{""};  // kinds of text, by TraceToken::domain
  std::vector<std::string> notes;        // what the source lacked, or how it was read; one sentence each
};

/// One token of one forward pass.  Row p of a request is the forward at position p (it predicts token p + 1).
struct TraceToken {
  std::int32_t pass = 0;      // forward passes count up from 0
  std::int32_t request = 0;   // -1 unknown
  std::int32_t position = 0;  // in its request; -1 unknown
  std::int32_t token = -1;    // vocabulary id; -1 unknown
  TracePhase phase = TracePhase::prefill;
  std::uint8_t domain = 0;
};

/// Writes a trace in bounded memory.  Everything goes to a file beside the target, renamed by finish(); an unfinished
/// writer leaves nothing behind.
class TraceWriter {
 public:
  /// What a signal leaves of a trace that is not finished: nothing, or the tokens added so far.
  enum class Partial { dropped, kept };
  /// Throws ConfigError if `file` exists or cannot be made, std::logic_error if the header makes no sense.
  TraceWriter(const std::string& file, TraceHeader header, Partial partial = Partial::dropped);
  ~TraceWriter();
  TraceWriter(const TraceWriter&) = delete;
  TraceWriter& operator=(const TraceWriter&) = delete;

  /// Appends n tokens, a whole pass or part of one; passes come in ascending order.
  /// experts: (layers, n, top_k) row-major, best first, absent = -1.  weights: the same shape, or empty if the header
  /// says there are none.  Throws std::logic_error if sizes differ or an id is outside [-1, experts).
  void add(std::span<const TraceToken> tokens, std::span<const std::int16_t> experts,
           std::span<const float> weights = {});
  std::int64_t tokens() const;

  /// complete: false if the recording was interrupted; the trace then says so.  Throws ConfigError if there is no
  /// token.
  void finish(bool complete = true);
  /// For header fields known only at the end; call before finish().
  TraceHeader& header();

 private:
  struct State;
  std::unique_ptr<State> s_;
};

/// Makes sure that a trace can stand at `file`: one whose recording did not end, or any if the run it is of did not
/// (left_behind), is moved aside.  Throws ConfigError if something else is there or nothing can be written.
void make_way_for_trace(const std::string& file, bool left_behind = false);

/// Reads a trace.  Tokens are numbered 0 .. tokens() - 1 in recorded order, layers by ordinal:
/// header().layers[ordinal]. Not for use by two threads at once.
class Trace {
 public:
  /// Throws ConfigError if `file` is not a trace or of another version.
  explicit Trace(const std::string& file);
  ~Trace();
  Trace(Trace&&) noexcept;
  Trace& operator=(Trace&&) noexcept;

  const std::string& file() const;
  const TraceHeader& header() const;
  std::int64_t tokens() const;
  std::int64_t passes() const;
  bool complete() const;
  int layers() const { return int(header().layers.size()); }
  /// The ordinal of the model's layer `layer`, or -1.
  int ordinal(int layer) const;

  /// Tokens [first, first + count); `out` is resized.  All reading functions throw std::logic_error outside the trace
  /// and ConfigError for a damaged file.
  void read_tokens(std::int64_t first, std::int64_t count, std::vector<TraceToken>& out) const;
  /// Their experts in one layer: (count, top_k), best first, absent = -1.
  void read_experts(int ordinal, std::int64_t first, std::int64_t count, std::vector<std::int16_t>& out) const;
  /// Their gate weights: (count, top_k); empty if the trace has none.
  void read_weights(int ordinal, std::int64_t first, std::int64_t count, std::vector<float>& out) const;
  /// Tokens per expert of a window, out: (experts).  O(experts) whatever the window, from running counts.
  void load(int ordinal, std::int64_t first, std::int64_t count, std::span<std::int64_t> out) const;

 private:
  struct State;
  std::unique_ptr<State> s_;
};

/// Which tokens: unset members select all.
struct TraceFilter {
  std::optional<TracePhase> phase;
  std::optional<int> domain, request;
};
/// The selected tokens as ranges [first, end) in recorded order, neighbours merged.
struct TokenRange {
  std::int64_t first = 0, end = 0;
};
std::vector<TokenRange> select(const Trace& trace, const TraceFilter& filter);
/// At most `tokens` tokens of the range, in runs of neighbours spread evenly over it.
std::vector<TokenRange> spread_runs(const TokenRange& range, std::int64_t tokens);
}  // namespace moesim::routing
