#include "serving/instance/prefix_store.h"

namespace moesim::serving {

void PrefixStore::put(std::uint64_t hash) {
  const auto [entry, fresh] = by_hash_.try_emplace(hash);
  if (!fresh) return order_.splice(order_.end(), order_, entry->second);
  entry->second = order_.insert(order_.end(), hash);
  if (blocks() <= most_) return;
  by_hash_.erase(order_.front());
  order_.pop_front();
}
}  // namespace moesim::serving
