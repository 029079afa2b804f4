// Tokens through every port of a group under the relay rule.
#pragma once
#include <vector>

#include "exchange/exchange_load.h"
#include "exchange/fan_out.h"
#include "spec/group_shape.h"

namespace moesim::exchange {

/// Of dispatches; a combine has out and in the other way round.  All (gpus).
struct PortLoad {
  explicit PortLoad(int gpus);
  std::vector<double> nic_out, nic_in, nvlink_out, nvlink_in;

  void add(const ExchangeLoad& load, const spec::GroupShape& group);
  /// Sources send alike, so no GPU sends more than the fullest takes in: only `in` is counted.
  void add(const ExchangeSums& sums, const spec::GroupShape& group);

  double busiest_nic() const;
  double busiest_nvlink() const;
};
}  // namespace moesim::exchange
