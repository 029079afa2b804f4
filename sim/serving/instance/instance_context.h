// What the ranks of an instance share: the world around it, and the books they keep together.
#pragma once
#include <cstdint>
#include <vector>

#include "core/engine.h"
#include "core/random.h"
#include "serving/instance/batcher.h"
#include "serving/instance/instance_owner.h"
#include "serving/instance/instance_shape.h"
#include "serving/requests/live.h"

namespace moesim::serving {

struct InstanceTotals {
  std::int64_t steps = 0, preemptions = 0, prefill_tokens = 0, decode_tokens = 0, verified_tokens = 0;
  std::int64_t prompt_tokens = 0, cached_tokens = 0;  ///< of admitted prompts; of these, found in the prefix cache
  std::int64_t prompt_outputs = 0;                    ///< tokens that came out of prompts, not of decoding
  Time busy{};
  InstanceTotals& operator+=(const InstanceTotals& other) {
    steps += other.steps;
    preemptions += other.preemptions;
    prefill_tokens += other.prefill_tokens;
    decode_tokens += other.decode_tokens;
    verified_tokens += other.verified_tokens;
    prompt_tokens += other.prompt_tokens;
    cached_tokens += other.cached_tokens;
    prompt_outputs += other.prompt_outputs;
    busy += other.busy;
    return *this;
  }
  InstanceTotals& operator-=(const InstanceTotals& other) {
    steps -= other.steps;
    preemptions -= other.preemptions;
    prefill_tokens -= other.prefill_tokens;
    decode_tokens -= other.decode_tokens;
    verified_tokens -= other.verified_tokens;
    prompt_tokens -= other.prompt_tokens;
    cached_tokens -= other.cached_tokens;
    prompt_outputs -= other.prompt_outputs;
    busy -= other.busy;
    return *this;
  }
};

/// Ranks that decode in step have the same gaps between tokens: they are told together.
class TokenGaps {
 public:
  void add(InstanceOwner& owner, Time gap, std::int64_t tokens) {
    if (tokens_ > 0 && gap_ != gap) tell(owner);
    gap_ = gap;
    tokens_ += tokens;
  }
  void tell(InstanceOwner& owner) {
    owner.token_gap(gap_, tokens_);
    tokens_ = 0;
  }

 private:
  Time gap_{};
  std::int64_t tokens_ = 0;  // not yet told
};

/// The ranks whose load has changed since somebody asked.
class ChangedRanks {
 public:
  explicit ChangedRanks(int ranks) : touched_(std::size_t(ranks)) {}
  void touch(int rank) {
    if (!touched_[std::size_t(rank)]) changed_.push_back(rank);
    touched_[std::size_t(rank)] = true;
  }
  /// Each of them once, in the order of their first change, into `ranks`.
  void take(std::vector<int>& ranks) {
    ranks.swap(changed_);
    changed_.clear();
    for (int r : ranks) touched_[std::size_t(r)] = false;
  }

 private:
  std::vector<bool> touched_;
  std::vector<int> changed_;
};

struct InstanceContext {
  Engine& engine;
  Requests& requests;
  InstanceOwner& owner;
  InstanceShape shape;
  const Batcher& batcher;
  Random drafts;  ///< how many are accepted
  ChangedRanks changed;
  TokenGaps gaps{};
  InstanceTotals totals{};
  Time stall{};  ///< delay of the next step

  Live& live(std::uint32_t slot) { return requests[slot]; }
};
}  // namespace moesim::serving
