// What one of an instance's batches holds of one rank: requests that decode, prompts under way, and their next step.
#pragma once
#include <cstdint>
#include <vector>

#include "serving/instance/decode_set.h"
#include "serving/instance/rank.h"

namespace moesim::serving {

class RankBatch {
 public:
  RankBatch(InstanceContext& context, Rank& rank) : context_(context), rank_(rank) {}

  /// A remote request whose KV cache is here decodes from the next step on.
  void join(std::uint32_t slot) { arrived_.push_back(slot); }
  /// Requests that decode or are about to.
  std::size_t decoding() const { return decoding_.size() + arrived_.size(); }
  /// Chooses what the rank computes in the next step and sums it up in `batch`, which is empty, and whose tokens they
  /// are in `work`.
  void form(compute::Batch& batch, StepWork& work);
  /// That step has ended: tokens come out.
  void end(InstanceOwner::StepEnd& report);
  /// Gives up all requests, whose slots go to the end of `homeless`; they still hold their KV cache.
  void abandon(std::vector<std::uint32_t>& homeless);
  /// Writes back what the set of decoding requests knows of each: the run ends while they are under way.
  void settle();

 private:
  struct Prompt {
    std::uint32_t slot;
    std::int32_t chunk;  // tokens in the step under way
  };
  class Builder;

  void prepare();
  void make_room(int queries);
  void add_decoding(compute::Batch& batch, StepWork& work);
  bool grow(std::size_t at);
  void preempt(std::size_t at);
  void add_to_decode(std::uint32_t slot);
  void leave_decode(std::size_t at);
  std::int64_t draw_drafts();
  void end_decoding(InstanceOwner::StepEnd& report);
  void end_request(std::size_t at);
  void end_prompts(InstanceOwner::StepEnd& report);
  void end_prompt(std::uint32_t slot);
  Live& live(std::uint32_t slot) { return context_.live(slot); }

  InstanceContext& context_;
  Rank& rank_;
  DecodeSet decoding_;
  std::vector<Prompt> prompts_;
  std::vector<std::uint32_t> arrived_;  // remote requests that join at the next step
  bool decodes_ = false;                // in the step under way
  Time last_decode_{};
};
}  // namespace moesim::serving
