// A request on its way through the deployment.
#pragma once
#include <cstdint>
#include <vector>

#include "serving/requests/request.h"

namespace moesim::serving {

enum class RequestState : std::uint8_t { waiting, prompt, transfer, decode, finished, rejected };

/// The KV cache a request holds on one rank.
struct Hold {
  std::int32_t instance = -1, rank = -1;
  std::int32_t pinned = 0;  ///< shared prefix blocks
  std::int64_t taken = 0;   ///< private tokens, whole blocks
};

struct Live {
  Request request;
  std::int64_t id = 0;  ///< in order of arrival, from 0
  RequestState state = RequestState::waiting;
  bool started = false;
  bool swapped = false;  ///< its KV cache lies in host memory
  bool remote = false;   ///< its prompt was computed by another instance, which still holds the KV cache
  std::int32_t cached = 0, preemptions = 0, retries = 0;
  std::int32_t computed = 0;  ///< tokens whose KV exists
  std::int32_t target = 0;    ///< tokens to have computed before the next token comes out
  std::int32_t generated = 0;
  Time start{}, first{}, last{}, arrival{};
  Hold hold, source;  ///< source: where a remote request's KV lies
};

/// Tokens of KV cache the request ends with: the last token generated needs none.
inline std::int64_t kv_needed(const Live& live) { return std::int64_t(live.request.input) + live.request.output - 1; }

/// All requests under way, in slots that are used again.
class Requests {
 public:
  Live& operator[](std::uint32_t slot) { return slots_[slot]; }
  const Live& operator[](std::uint32_t slot) const { return slots_[slot]; }
  std::uint32_t add(Live live) {
    if (free_.empty()) {
      slots_.push_back(std::move(live));
      used_.push_back(true);
      return std::uint32_t(slots_.size() - 1);
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    slots_[slot] = std::move(live);
    used_[slot] = true;
    return slot;
  }
  void remove(std::uint32_t slot) {
    slots_[slot].request.hashes = {};
    used_[slot] = false;
    free_.push_back(slot);
  }
  /// Requests under way.
  std::size_t size() const { return slots_.size() - free_.size(); }
  /// Those in use, by slot, ascending.
  template <class F>
  void each(F f) {
    for (std::uint32_t s = 0; s < slots_.size(); ++s)
      if (used_[s]) f(slots_[s]);
  }

 private:
  std::vector<Live> slots_;
  std::vector<bool> used_;
  std::vector<std::uint32_t> free_;
};
}  // namespace moesim::serving
