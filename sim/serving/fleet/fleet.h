// The simulated instances of all pools, by number, and which of them are on.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "serving/fleet/pool_shape.h"
#include "serving/instance/instance.h"

namespace moesim::serving {

enum class PowerState { off, starting, on, draining };

class Fleet {
 public:
  struct Member {
    std::unique_ptr<Instance> instance;
    std::size_t pool = 0;
    int first_gpu = 0;
    PowerState power = PowerState::on;
    Time since{};  ///< switched on
  };
  /// Numbers the instances pool by pool.
  Fleet(Engine& engine, Requests& requests, InstanceOwner& owner, std::vector<PoolShape> pools, std::uint64_t seed);

  std::size_t size() const { return members_.size(); }
  Member& operator[](std::size_t number) { return members_[number]; }
  const Member& operator[](std::size_t number) const { return members_[number]; }
  auto begin() { return members_.begin(); }
  auto end() { return members_.end(); }
  auto begin() const { return members_.begin(); }
  auto end() const { return members_.end(); }
  /// Where a request's KV cache is held, which must be somewhere.
  Member& of(const Hold& hold) { return members_[std::size_t(hold.instance)]; }
  const Member& of(const Hold& hold) const { return members_[std::size_t(hold.instance)]; }

  const std::vector<PoolShape>& pools() const { return pools_; }
  const PoolShape& pool_of(const Member& member) const { return pools_[member.pool]; }
  /// Whether prompts are computed here; else a request's first token comes with it.
  bool has_prompts() const { return prompters_ || mixed_; }
  /// Whether requests past their prompt can go on here.
  bool can_decode() const { return decoders_ || mixed_; }
  /// Whether there are instances that only decode: KV caches come to them from elsewhere.
  bool has_decode_instances() const { return decoders_; }

 private:
  std::vector<PoolShape> pools_;
  std::vector<Member> members_;
  bool prompters_ = false, decoders_ = false, mixed_ = false;  // which roles there are
};

/// Why a fleet can never serve the request; empty if it can.  context: the longest request, input and output; 0: no
/// limit.
std::string_view refusal(const Fleet& fleet, const Request& request, std::int64_t context);
}  // namespace moesim::serving
