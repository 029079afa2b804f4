// The family `replica choice`: which copy of an expert computes a source's rows.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/family.h"
#include "core/units.h"
#include "exchange/expert_map.h"
#include "routing/traffic.h"

namespace moesim::exchange {

/// Decides which copy of an expert computes a source's rows.
class ReplicaChoice {
 public:
  virtual ~ReplicaChoice() = default;
  /// by_slot: (sources, slots), already sized and zeroed: how many rows of each source each slot computes.  For every
  /// source and expert the slots holding the expert must add up to traffic.rows.  Same input, same result.
  virtual void split(const routing::Traffic& traffic, std::span<std::int32_t> by_slot) const = 0;
};

/// The family: nearest, round_robin, least_loaded, balanced.
const Family<ReplicaChoice, const ExpertMap&, const spec::GroupShape&>& replica_choices();

/// The default: the copies on the source's own GPU if there are any, else those on its node, else all; equally near
/// copies share evenly, what does not divide starting at a copy that depends on the source.
std::unique_ptr<ReplicaChoice> nearest_replica(const ExpertMap& map, const spec::GroupShape& group);

/// A replica choice as the user names it, to be built for each layer's map.
class ReplicaSpec {
 public:
  /// Not named: nearest; where only sums over all sources are known, even shares.
  ReplicaSpec() = default;
  /// A kind, or a map with `kind` and its parameters.  Throws ConfigError, with its place, if that is no choice.
  explicit ReplicaSpec(const Config& config);

  std::unique_ptr<ReplicaChoice> make(const ExpertMap& map, const spec::GroupShape& group) const;
  /// For closed forms that know an expert's rows but not whose they are: whether its copies take what levels the GPUs
  /// (`balanced`), instead of even shares (round_robin, or none named).  Throws ConfigError, saying that `who` is such
  /// a one, if another choice is named and `copies` (some expert has more than one).
  bool levels_sums(std::string_view who, bool copies) const;
  /// The choice `balanced` is named: a linear programme an exchange.
  bool balanced() const;
  /// What that takes from the moment when all GPUs have chosen their experts until rows can be dispatched; none if the
  /// choice is another, which is arithmetic that systems do on the way, or if no expert has copies.
  Time solve_time(bool copies) const;

 private:
  std::optional<Config> config_;
};

using ReplicaStrategy = Strategy<ReplicaChoice, const ExpertMap&, const spec::GroupShape&>;
}  // namespace moesim::exchange
