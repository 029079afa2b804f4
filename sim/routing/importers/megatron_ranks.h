// What the numbers of a Megatron-Core router trace mean: which ranks hold the same tokens, which layers are which.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "spec/model.h"

namespace moesim::routing {

/// What a rank holds of a pass: by layer a number that stands for all of it.
using HeldPass = std::map<int, std::uint64_t>;

/// Sees every pass of every rank once.  A rank repeats another if that one holds all that it does, of the same tokens:
/// the same in every pass but its last, and there some of the layers at least, as where it was stopped in the middle.
class RepeatedRanks {
 public:
  explicit RepeatedRanks(std::size_t ranks);
  /// The passes of one moment, by rank, of those that have one.
  void add(const std::map<std::size_t, HeldPass>& passes);
  /// (ranks): itself, or the rank that it repeats: one that repeats no further one.  Of those that hold the same, the
  /// first is repeated by the others.
  std::vector<std::size_t> first() const;
  /// What to say of it; "" if none repeats another.
  std::string note() const;

 private:
  struct Candidate {
    std::size_t rank;
    bool ended = false;  // the one that repeats it lacked layers of the last pass that both have
  };
  const Candidate* find(std::size_t rank, std::size_t other) const;
  /// Whether `rank` lacks something that `other`, which it repeats, has.
  bool ends_earlier(std::size_t rank, std::size_t other) const;
  std::vector<std::vector<Candidate>> candidates_;  // (ranks): others that it may repeat, ascending
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
