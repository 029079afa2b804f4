#include "serving/fleet/fleet.h"

namespace moesim::serving {

Fleet::Fleet(Engine& engine, Requests& requests, InstanceOwner& owner, std::vector<PoolShape> pools, std::uint64_t seed)
    : pools_(std::move(pools)) {
  for (std::size_t p = 0; p < pools_.size(); ++p) {
    const PoolShape& pool = pools_[p];
    for (int i = 0; i < pool.instances; ++i) {
      InstanceShape shape = pool.instance;
      shape.number = int(members_.size());
      shape.role = pool.role;
      members_.push_back(
          {.instance = std::make_unique<Instance>(engine, requests, owner, shape, *pool.batcher, pool.cost(i), seed),
           .pool = p,
           .first_gpu = pool.first_of(i)});
    }
    prompters_ = prompters_ || pool.role == Role::prefill;
    decoders_ = decoders_ || pool.role == Role::decode;
    mixed_ = mixed_ || pool.role == Role::both;
  }
}

std::string_view refusal(const Fleet& fleet, const Request& r, std::int64_t context) {
  if (r.input < 1) return "has no input tokens";
  if (r.output < 1) return "asks for no output tokens";
  if (context > 0 && std::int64_t(r.input) + r.output > context) return "is longer than the context";
  bool fits = !fleet.has_prompts(), fits_decode = !fleet.has_decode_instances();
  for (const Fleet::Member& m : fleet) {
    const KvShape& kv = m.instance->shape().kv;
    const std::int64_t largest = kv.fits(kv.capacity / kv.block * kv.block),
                       whole = std::int64_t(r.input) + r.output - 1;
    const Role role = fleet.pool_of(m).role;
    if (role == Role::decode)
      fits_decode = fits_decode || whole <= largest;
    else
      fits = fits || (role == Role::both ? whole : r.input) <= largest;
  }
  return fits && fits_decode ? "" : "is longer than the KV cache can hold";
}
}  // namespace moesim::serving
