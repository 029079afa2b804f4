// What the numbers of a Megatron-Core router trace mean: which ranks hold the same tokens, which layers are which.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "spec/model.h"

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

/// The model's numbers of the layers that are written as these, ascending.  Megatron counts all layers from 0, or from
/// 1 where it names modules by their layer_number, or the MoE layers alone from 0 where it hands over a buffer: the
/// first of these that fits the model, and a note if it is not the first.  Without a model, as written.
std::vector<int> model_layers(const std::vector<int>& written, const std::optional<spec::Model>& model,
                              std::vector<std::string>& notes);

/// Mixes one more number into one that stands for those before.
std::uint64_t mixed(std::uint64_t before, std::uint64_t more);
}  // namespace moesim::routing
