#include <algorithm>

#include "serving/batcher.h"

namespace moesim {
namespace {
struct Limits {
  int max_requests = 256;
  int max_tokens = 8192;
  static void fields(auto& f, auto& p) {
    f("max_requests", p.max_requests, "most requests of a rank at once");
    f("max_tokens", p.max_tokens, "most tokens of a rank in a step");
  }
};

class Limited : public Batcher {
 public:
  explicit Limited(const Limits& limits) : limits_(limits) {
    if (limits.max_requests < 1) throw ConfigError("batcher.max_requests: must be at least 1");
    if (limits.max_tokens < 1) throw ConfigError("batcher.max_tokens: must be at least 1");
  }
  int max_requests() const final { return limits_.max_requests; }

 protected:
  /// Starts waiting requests with whole prompts while the budget lasts; a prompt longer than it goes alone.
  bool start_whole(StepBuilder& rank, int budget) const {
    bool any = false;
    while (const auto tokens = rank.waiting()) {
      if ((any && *tokens > budget) || !rank.admit(*tokens)) break;
      budget -= *tokens;
      any = true;
    }
    return any;
  }
  Limits limits_;
};

/// Prompts first, whole; requests decode in the steps between (Orca's iteration-level scheduling, as vLLM first did
/// it).
class Continuous final : public Limited {
 public:
  using Params = Limits;
  using Limited::Limited;
  void plan(StepBuilder& rank) const override {
    if (!start_whole(rank, limits_.max_tokens)) rank.decode();
  }
};

/// Every step decodes all and fills the token budget with pieces of prompts (Sarathi-Serve).
class Chunked final : public Limited {
 public:
  using Params = Limits;
  using Limited::Limited;
  void plan(StepBuilder& rank) const override {
    int budget = limits_.max_tokens - rank.decoding() * rank.queries();
    rank.decode();
    while (budget > 0) {
      const auto left = rank.started();
      if (!left) break;
      const int tokens = std::min(budget, *left);
      rank.continue_prompt(tokens);
      budget -= tokens;
    }
    while (budget > 0) {
      const auto next = rank.waiting();
      if (!next) break;
      const int tokens = std::min(budget, *next);
      if (!rank.admit(tokens)) break;
      budget -= tokens;
    }
  }
};

/// A batch is filled once and runs until its last request has ended.
class Static final : public Limited {
 public:
  using Params = Limits;
  using Limited::Limited;
  void plan(StepBuilder& rank) const override {
    if (rank.decoding() > 0 || !start_whole(rank, limits_.max_tokens)) rank.decode();
  }
};
}  // namespace

const Family<Batcher>& batchers() {
  static const Family<Batcher> family(
      "batcher", {strategy<Chunked, Batcher>("chunked", "decodes in every step and fills it up with pieces of prompts"),
                  strategy<Continuous, Batcher>("continuous", "whole prompts as soon as they fit, decoding between"),
                  strategy<Static, Batcher>("static", "a new batch only when the last has ended")});
  return family;
}
}  // namespace moesim
