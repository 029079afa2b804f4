// What exchanges in closed form moved: rows summed over many exchanges, and put on links only when somebody looks.
#pragma once
#include <functional>
#include <memory>
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
  /// Rows (sent straight) or distinct tokens (relayed), or the same times how slow their exchange was.
  struct Sums {
    std::vector<double> to_member, to_node;  // of [source][member], and of [source][node]
    std::vector<double> member, node;        // of all sources, in equal parts
    std::vector<double> member_afar;         // as member, of sources from which rows sent straight cross adapters
  };
  struct Moved {
    int from, to;
    bool nvlink;
    double rows;
  };
  double nvlink_slow() const { return rates_.nvlink_work.front(); }
  double nic_slow() const { return rates_.nic_work.front(); }
  std::vector<Moved> straight(const Sums& sums) const;
  std::vector<Moved> relayed(const Sums& sums) const;
  void gather(double tokens, double exchanges);

  std::unique_ptr<ExchangeGroup> group_;
  ExchangeSpec spec_;
  const NetworkCalibration* calibration_;
  ExchangeRates rates_;  // of the last exchange
  bool used_ = false;
  Sums rows_, work_;
  std::vector<Transfer> sent_;  // by gathers, each between another pair
};
}  // namespace moesim::network
