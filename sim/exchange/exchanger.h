// Turns traffic into what an exchange moves, once experts have places.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "exchange/exchange_load.h"
#include "exchange/fan_out.h"
#include "exchange/replica_choice.h"

namespace moesim::exchange {

/// Turns traffic into exchange loads under one placement; keeps its tables and buffers, so the loop allocates nothing.
class Exchanger {
 public:
  /// choice: null for nearest_replica.  Throws std::logic_error if the map does not fit the group.
  Exchanger(const ExpertMap& map, const spec::GroupShape& group, std::unique_ptr<ReplicaChoice> choice = nullptr);

  /// Exact with token lists (a replicated expert's tokens go to its copies in turn); O(tokens * top_k).
  /// Otherwise O(sources * (slots + gpus)): rows are exact, and the distinct counts are expectations.  A set of slots
  /// with rows per token p_i, sum P, is missed by (1 - P/k)^k * prod (1 - p_i) e^(p_i) of the tokens: exact in the
  /// limits of many equal experts (k draws without replacement) and of one expert that every token takes.  Under a
  /// limit of groups this holds within a selected group, and groups are selected in the same way.
  void operator()(const routing::Traffic& traffic, ExchangeLoad& out);

  const ExpertMap& map() const { return map_; }
  const spec::GroupShape& group() const { return group_; }

 private:
  void exact(const routing::Traffic& traffic, ExchangeLoad& out);
  void estimate(const routing::Traffic& traffic, ExchangeLoad& out);
  void measure(const routing::Traffic& traffic);  // fan_out_ from traffic.sample

  ExpertMap map_;
  spec::GroupShape group_;
  std::unique_ptr<ReplicaChoice> choice_;
  CopyTable copies_;
  std::vector<std::int32_t> by_slot_;    // (sources, slots)
  std::vector<std::uint32_t> stamp_;     // exact(), measure(): the last token that reached each GPU, then each node
  std::vector<double> slot_total_;       // estimate(): (slots) rows of all sources, or per token of the sample
  std::vector<double> node_total_;       // estimate(): (nodes) the same
  std::vector<std::int32_t> node_rows_;  // estimate(): (nodes) of one source
  FanOut fan_out_;                       // estimate(): of all sources together
  struct Curve {
    std::vector<float> scale, miss, power;
  };
  Curve gpu_curve_, node_curve_;  // (gpus), (nodes)
};
}  // namespace moesim::exchange
