// Which expert follows which from layer to layer, counted in memory that does not grow with the experts' square.
#pragma once
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace moesim::routing {

class Transitions {
 public:
  /// Tables of up to `most` counts are kept whole; beyond that only the pairs that occur are.
  Transitions(std::size_t layers, std::size_t experts, std::size_t most = kMostCounts);
  void add(std::size_t layer, std::int16_t here, std::int16_t next) {
    const std::size_t pair = std::size_t(here) * experts_ + std::size_t(next);
    whole_.empty() ? ++pairs_[layer][std::uint32_t(pair)] : ++whole_[layer * experts_ * experts_ + pair];
  }
  /// Share of a layer's transitions that go to the likeliest expert after theirs; 0 if there are none.
  double likeliest_share(std::size_t layer) const;

 private:
  /// 64 MiB; the largest models (94 layers of 512 experts) keep pairs, DeepSeek-V3's 58 of 256 take 15 MiB.
  static constexpr std::size_t kMostCounts = std::size_t{1} << 24;
  std::size_t experts_;
  std::vector<std::uint32_t> whole_;                                     // (layers, experts, experts), or empty
  std::vector<std::unordered_map<std::uint32_t, std::uint32_t>> pairs_;  // by layer: summed up only, in any order
};
}  // namespace moesim::routing
