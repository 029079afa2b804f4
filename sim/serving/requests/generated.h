// What all generators of requests share: lengths, shared prefixes, sessions and the length of the stream.
#pragma once
#include "serving/requests/sessions.h"

namespace moesim::serving {

constexpr double kClockEnds = 9.2e6;  // s, where from_seconds() ends: nothing is generated later

struct PrefixSpec {
  int count = 0;      // different shared prefixes; 0 means none
  int tokens = 0;     // length of each
  double share = 1;   // of the requests that start with one
  double skew = 0;    // Zipf exponent of their popularity; 0 is uniform
  bool warm = false;  // all lie in every prefix cache when the run starts
  static void fields(auto& f, auto& p) {
    f("count", p.count, "different prefixes that requests share; 0 means none");
    f("tokens", p.tokens, "length of each, inside the input length");
    f("share", p.share, "part of the requests that start with one");
    f("skew", p.skew, "Zipf exponent of their popularity; 0 is uniform");
    f("warm", p.warm, "they lie in every prefix cache when the run starts, the most popular kept longest");
  }
};

enum class TurnCount { geometric, fixed };
constexpr auto enum_names(TurnCount) {
  return std::to_array<std::pair<std::string_view, TurnCount>>(
      {{"geometric", TurnCount::geometric}, {"fixed", TurnCount::fixed}});
}

/// Turns that answer a tool instead of a person.
struct ToolSpec {
  double share = 0;
  Time time{};  // mean, exponential
  static void fields(auto& f, auto& p) {
    f("share", p.share, "part of the later turns that bring a tool's result instead of a person's question");
    f("time", p.time, "mean time a tool takes from the answer that called it (exponential)");
  }
};

struct SessionSpec {
  double turns = 1;  // mean, at least 1
  TurnCount count = TurnCount::geometric;
  Time pause{};  // mean, exponential
  std::optional<LengthSpec> input;
  ToolSpec tools;
  static void fields(auto& f, auto& p) {
    f("turns", p.turns, "mean turns of a conversation; 1 means single requests");
    f("count", p.count, "how turns vary: geometric, or fixed: every conversation has as many");
    f("pause", p.pause, "mean time from an answer to the next question (exponential)");
    f("input", p.input, "new tokens of each later turn; default: the workload's input");
    f("tools", p.tools, "calls of tools, as agents make them");
  }
};

inline LengthSpec log_normal(double mean) {
  LengthSpec out;
  out.kind = LengthKind::log_normal;
  out.mean = mean;
  return out;
}

/// What is asked for, apart from when.
struct Demand {
  LengthSpec input = log_normal(1000), output = log_normal(200);
  PrefixSpec prefixes;
  SessionSpec sessions;
  int hash_block = 64;
  std::vector<double> domains;
  std::int64_t limit = 0;
  int concurrency = 0;
  double rate_scale = 1;
  static void fields(auto& f, auto& p) {
    f("input", p.input, "tokens of a prompt; of a session's later turns: the new part");
    f("output", p.output, "tokens of an answer");
    f("prefixes", p.prefixes, "system prompts and the like");
    f("sessions", p.sessions, "conversations");
    f("hash_block", p.hash_block, "tokens of a prefix block, where prefixes or sessions are used");
    f("domains", p.domains, "share of the requests in each routing domain; one domain if not given");
    f("limit", p.limit, "stop after so many arrivals, before folding; 0 means no limit");
    f("concurrency", p.concurrency,
      "most requests under way at once; others wait with their senders and count from when they are sent; 0: any "
      "number");
    f("rate_scale", p.rate_scale, "multiplies the rate");
  }
};

/// Draws requests; derived classes draw the times.
class Generated : public Workload {
 public:
  Generated(const Demand& demand, const WorkloadContext& context);
  std::optional<Request> next() final;
  std::optional<Request> follow_up(const Request& done, Time end) override;
  std::optional<Request> refused(const Request& done, Time end) override;
  int concurrency() const final { return demand_.concurrency; }
  int hash_block() const final { return hashed_ ? demand_.hash_block : 0; }
  std::int64_t expected() const final { return demand_.limit; }
  bool cut_off() const final { return cut_off_; }
  std::map<std::string, std::int64_t> dropped() const final;
  std::vector<std::vector<std::uint64_t>> warm_prefixes() const final;
  int domains() const final { return int(std::max<std::size_t>(1, demand_.domains.size())); }

 protected:
  /// The next arrival in seconds, never before the last; infinity at the end.
  virtual double next_time() = 0;
  double scale() const { return demand_.rate_scale; }
  /// One more that arrives at that moment; nothing after the limit or the duration.
  std::optional<Request> another(Time arrival);
  Random& times() { return times_; }

 private:
  bool at_limit() const { return demand_.limit > 0 && arrivals_ == demand_.limit; }
  void fill(Request& request);
  void continue_session(Request& request);
  bool another_turn(int turns);
  Turn next_turn(int total);

  Demand demand_;
  WorkloadContext context_;
  Thinning thinning_;
  bool hashed_;
  Length input_, output_, later_input_;
  std::optional<Discrete> domain_, prefix_;
  Sessions sessions_;
  Random times_, lengths_, shares_, talks_;
  std::int64_t rows_ = 0, arrivals_ = 0, turns_dropped_ = 0, turns_refused_ = 0;
  bool cut_off_ = false;
};

/// Throws ConfigError unless value > 0.
double positive(double value, std::string_view key);
}  // namespace moesim::serving
