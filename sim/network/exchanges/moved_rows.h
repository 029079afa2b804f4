// What exchanges in closed form moved: rows summed over many exchanges, and put on links only when somebody looks.
#pragma once
#include <functional>
#include <vector>

#include "network/exchanges/exchange.h"
#include "network/network.h"

namespace moesim::network {

/// All exchanges of one group and one spec.
class MovedRows {
 public:
  /// calibration: must outlive this.
  MovedRows(const ExchangeGroup& group, const ExchangeSpec& spec, const NetworkCalibration& calibration);
  bool of(const ExchangeGroup& group, const ExchangeSpec& spec) const;

  /// One exchange.  O(gpus * gpus), a microsecond for 64 GPUs.
  void add(const exchange::ExchangeLoad& load);
  /// Many exchanges, their sums added up: every source sends a member an equal part of what it takes in.  O(gpus).
  void add(const exchange::ExchangeSums& sums);
  /// Hands over what these would have sent as flows, one transfer a pair and kind of link, and forgets it.
  void take(const std::function<void(const Transfer&)>& each);

 private:
  using Pair = std::function<void(int from, int to, double rows, bool nvlink)>;
  double rows_to(int source, int member) const;
  double tokens_to(int source, int node) const;
  ExchangeMix mix() const;
  void relayed(const Pair& pair) const;
  void straight(const Pair& pair) const;
  void gather(double tokens, double exchanges);

  ExchangeGroup group_;
  ExchangeSpec spec_;
  const NetworkCalibration* calibration_;
  double exchanges_ = 0, slots_ = 0;  // how many, and of how many slots the last one
  // Whole numbers: rows (low latency) or distinct tokens (normal) of [source][member], and of [source][node].
  std::vector<double> to_member_, to_node_;
  std::vector<double> member_sum_, node_sum_;  // of all sources, in equal parts
  std::vector<Transfer> sent_;                 // by gathers, each between another pair
};
}  // namespace moesim::network
