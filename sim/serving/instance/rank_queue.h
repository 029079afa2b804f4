// The requests of one attention rank: those that wait for a place, and how many have one.
#pragma once
#include <cstdint>
#include <deque>
#include <utility>

namespace moesim::serving {

/// kv: tokens of KV cache that a request ends with.  prompt: tokens to compute before its next token comes out.
class RankQueue {
 public:
  bool empty() const { return waiting_.empty(); }
  std::uint32_t front() const { return waiting_.front(); }
  int placed() const { return placed_; }                           ///< requests that have a place
  int requests() const { return placed_ + int(waiting_.size()); }  ///< and those that wait
  std::int64_t prompt_tokens() const { return prompt_tokens_; }    ///< still to be computed
  std::int64_t promised() const { return promised_; }              ///< KV tokens of those that wait

  void push(std::uint32_t slot, std::int64_t kv, std::int64_t prompt) {
    waiting_.push_back(slot);
    promised_ += kv;
    prompt_tokens_ += prompt;
  }
  /// The front has found a place.
  void place_front(std::int64_t kv) {
    waiting_.pop_front();
    promised_ -= kv;
    ++placed_;
  }
  /// A request with a place waits again, before all others.
  void displace(std::uint32_t slot, std::int64_t kv, std::int64_t prompt) {
    --placed_;
    waiting_.push_front(slot);
    promised_ += kv;
    prompt_tokens_ += prompt;
  }
  /// A request with a place has gone.
  void leave() { --placed_; }
  void computed(std::int64_t tokens) { prompt_tokens_ -= tokens; }
  /// The rank is lost: nobody waits here any more.  Returns those that did, in order.
  std::deque<std::uint32_t> abandon() {
    promised_ = prompt_tokens_ = 0;
    return std::exchange(waiting_, {});
  }

 private:
  std::deque<std::uint32_t> waiting_;
  int placed_ = 0;
  std::int64_t prompt_tokens_ = 0, promised_ = 0;
};
}  // namespace moesim::serving
