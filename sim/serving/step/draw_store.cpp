#include "serving/step/draw_store.h"

#include <bit>

#include "core/splitmix.h"

namespace moesim::serving {

NumbersKey key_of(std::span<const double> numbers, NumbersKey begun) {
  NumbersKey out{begun.a ^ numbers.size(), begun.b + kSplitMixStep};
  for (const double number : numbers) {
    const auto bits = std::bit_cast<std::uint64_t>(number);
    out.a = split_mix(out.a ^ bits);
    out.b = split_mix(out.b + bits) + kSplitMixStep;
  }
  return out;
}

bool DrawStore::find(const Key& key, std::vector<double>& shares) const {
  const std::lock_guard lock(mutex_);
  const auto known = draws_.find(key);
  if (known == draws_.end()) return false;
  shares = known->second;
  return true;
}

void DrawStore::add(const Key& key, const std::vector<double>& drawn) {
  const std::lock_guard lock(mutex_);
  draws_.try_emplace(key, drawn);
}

std::optional<ProductStore::Products> ProductStore::find(const NumbersKey& asked) const {
  const std::lock_guard lock(mutex_);
  const auto known = products_.find(asked);
  return known == products_.end() ? std::nullopt : std::optional(known->second);
}

void ProductStore::add(const NumbersKey& asked, Products products) {
  const std::lock_guard lock(mutex_);
  products_.try_emplace(asked, std::move(products));
}
}  // namespace moesim::serving
