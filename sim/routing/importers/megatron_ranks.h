// Which of the ranks of a Megatron-Core router trace hold the same tokens, as tensor-parallel ones do.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace moesim::routing {

/// Sees every pass of every rank once.  A rank repeats an earlier one if it holds the same in every pass that both have
/// and nothing that the earlier one lacks: then its tokens are the same tokens.
class RepeatedRanks {
 public:
  explicit RepeatedRanks(std::size_t ranks);
  /// The passes of one moment: by rank a number that stands for all it holds, for those that have one.
  void add(const std::map<std::size_t, std::uint64_t>& passes);
  /// (ranks): the first rank that each repeats, or itself.
  std::vector<std::size_t> first() const;

 private:
  std::vector<std::set<std::size_t>> candidates_;  // (ranks): earlier ranks that it may repeat
  std::vector<bool> seen_;
};

/// Mixes one more number into one that stands for those before.
std::uint64_t mixed(std::uint64_t before, std::uint64_t more);
}  // namespace moesim::routing
