#include <algorithm>
#include <cmath>

#include "serving/instance/batcher.h"

namespace moesim::serving {
namespace {
struct Limits {
  std::optional<int> max_requests{}, max_tokens{};
  static void fields(auto& f, auto& p) {
    f("max_requests", p.max_requests, "most requests of a rank at once; default 256, or that of the engine asked for");
    f("max_tokens", p.max_tokens, "most tokens of a rank in a step; default 8192, or that of the engine asked for");
  }
};

class Limited : public Batcher {
 public:
  explicit Limited(const Limits& limits) : asked_(limits) {
    if (limits.max_requests.value_or(1) < 1) throw ConfigError("max_requests", "must be at least 1");
    if (limits.max_tokens.value_or(1) < 1) throw ConfigError("max_tokens", "must be at least 1");
    usual({});
  }
  void usual(const BatchLimits& limits) final {
    limits_.requests = asked_.max_requests.value_or(limits.requests);
    limits_.tokens = asked_.max_tokens.value_or(limits.tokens);
  }
  int max_requests() const final { return limits_.requests; }
  int max_tokens() const final { return limits_.tokens; }
  double prompt_tokens(int /*queries*/, double /*context*/) const override { return limits_.tokens; }

 protected:
  /// Starts waiting requests with whole prompts while the budget lasts; a prompt longer than it goes alone.
  bool start_whole(StepBuilder& rank, int budget) const {
    bool any = false;
    while (const auto prompt = rank.waiting()) {
      if ((any && prompt->left > budget) || !rank.admit(prompt->left)) break;
      budget -= prompt->left;
      any = true;
    }
    return any;
  }
  BatchLimits limits_;

 private:
  Limits asked_;
};

/// Prompts first, whole; requests decode in the steps between (Orca's iteration-level scheduling, as vLLM first did
/// it).
class Continuous final : public Limited {
 public:
  using Params = Limits;
  using Limited::Limited;
  void plan(StepBuilder& rank) const override {
    if (!start_whole(rank, limits_.tokens)) rank.decode();
  }
};

/// Every step decodes all and fills the token budget with pieces of prompts (Sarathi-Serve).  With a budget of
/// query-key pairs too, ranks that step together take equally long over their attention: the piece of a prompt far back
/// is shorter.
class Chunked final : public Limited {
 public:
  struct Params : Limits {
    double max_pairs = 0;
    static void fields(auto& f, auto& p) {
      Limits::fields(f, p);
      f("max_pairs", p.max_pairs, "most query-key pairs of a rank's prompts in a step, a layer and head; 0: no limit");
    }
  };
  explicit Chunked(const Params& params) : Limited(params), max_pairs_(params.max_pairs) {
    if (max_pairs_ < 0) throw ConfigError("max_pairs", "must not be negative");
  }
  bool mixes() const override { return true; }
  double prompt_tokens(int queries, double context) const override {
    const double budget = std::max(0, limits_.tokens - queries);
    return max_pairs_ > 0 ? std::min(budget, std::max(1.0, max_pairs_ / std::max(1.0, context))) : budget;
  }
  void plan(StepBuilder& rank) const override {
    int budget = limits_.tokens - rank.decoding() * rank.queries();
    double pairs = max_pairs_;
    rank.decode();
    bool any = false;
    const auto take = [&](const PromptPiece& piece) {
      int tokens = std::min(budget, piece.left);
      if (max_pairs_ > 0) {  // n tokens after c: n c + n^2 / 2 pairs
        const double c = piece.context, most = std::sqrt(c * c + 2 * std::max(0.0, pairs)) - c;
        tokens = std::min(tokens, std::max(int(most), any ? 0 : 1));
        pairs -= double(tokens) * (c + double(tokens) / 2);
      }
      budget -= tokens;
      any = true;
      return tokens;
    };
    while (budget > 0) {
      const auto piece = rank.started();
      const int tokens = piece ? take(*piece) : 0;
      if (tokens == 0) break;
      rank.continue_prompt(tokens);
    }
    while (budget > 0) {
      const auto piece = rank.waiting();
      const int tokens = piece ? take(*piece) : 0;
      if (tokens == 0 || !rank.admit(tokens)) break;
    }
  }

 private:
  double max_pairs_;
};

/// A batch is filled once and runs until its last request has ended.
class Static final : public Limited {
 public:
  using Params = Limits;
  using Limited::Limited;
  void plan(StepBuilder& rank) const override {
    if (rank.decoding() > 0 || !start_whole(rank, limits_.tokens)) rank.decode();
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
}  // namespace moesim::serving
