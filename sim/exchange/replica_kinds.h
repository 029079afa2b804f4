// The replica choices that replica_choices.cpp lists, and what they share.
#pragma once
#include "exchange/replica_choice.h"

namespace moesim::exchange {

ReplicaStrategy choose_nearest(), choose_round_robin(), choose_least_loaded(), choose_balanced();

/// Of choices without parameters.
struct NoParams {
  static void fields(auto&, auto&) {}
};

struct BalancedParams {
  // "The solver takes ~100 us for intra-node optimization (longer for inter-node)": README of deepseek-ai/LPLB, 2025,
  // an interior point method on one SM.  assumed: as long between nodes, of which no figure is published.
  Time solve_time = 100_us;
  static void fields(auto& f, auto& p) {
    f("solve_time", p.solve_time,
      "from when all GPUs have chosen their experts until rows leave; published: about 100 us within a node, longer "
      "between nodes");
  }
};

template <class Choice>
ReplicaStrategy replica_choice(std::string_view kind, std::string_view summary) {
  return strategy<Choice, ReplicaChoice, const ExpertMap&, const spec::GroupShape&>(kind, summary);
}

/// Calls use(source, rows, the slots of the expert) for every source and expert with rows, in that order.
template <class Use>
void each_share(const routing::Traffic& traffic, const CopyTable& copies, Use use) {
  const auto experts = std::size_t(traffic.gate.experts);
  for (std::size_t source = 0; source < std::size_t(traffic.sources); ++source)
    for (std::size_t e = 0; e < experts; ++e) {
      const std::int32_t rows = traffic.rows[source * experts + e];
      const auto first = std::size_t(copies.first[e]), last = std::size_t(copies.first[e + 1]);
      if (rows > 0) use(source, rows, std::span(copies.slots).subspan(first, last - first));
    }
}
}  // namespace moesim::exchange
