// What crosses an instance's ports beside its exchanges - KV caches on their way, experts' weights that move - and how
// much of the ports the exchanges of a step keep.
#pragma once
#include <span>
#include <vector>

#include "network/exchanges/exchange.h"

namespace moesim::serving {

/// The port-level form of sharing: what crosses a port in a step takes, evenly over the step, that part of its rate
/// from the exchanges, at most half; what is left over crosses in the next step.  This is the most that the exchanges
/// can lose: with fair sharing among flows they are many and lose less.
class PortUse {
 public:
  PortUse() = default;  ///< nothing is shared
  /// Ports as the group's exchanges use them: adapters if it spans nodes, else NVLink.
  PortUse(const network::ExchangeGroup& group, const network::NetworkCalibration& calibration);

  bool nvlink() const { return nvlink_; }
  /// Bytes a second of one GPU's port; 0 if nothing is shared.
  double rate(int gpu) const { return rate_.empty() ? 0 : rate_[std::size_t(gpu)]; }
  /// `bytes` begin to cross now: as fast as the port lets them, or evenly over `seconds`.
  void add(int gpu, double bytes, double seconds = 0);

  struct Left {
    int gpu = 0;
    double share = 1;  ///< of its rate that the exchanges keep
  };
  /// The ports that lose a hundredth of their rate or more, by GPU, in a step as long as the last one.
  std::span<const Left> left();
  /// A step has taken so long.
  void stepped(double seconds);

 private:
  struct Stream {
    int gpu;
    double bytes, rate;  // left; a second
  };
  bool nvlink_ = false;
  std::vector<double> rate_, wanted_;  // (gpus): of the port; bytes that want to cross in the step
  std::vector<Stream> streams_;        // as they began
  std::vector<Left> left_;
  double last_ = 0;  // s, length of the last step
};
}  // namespace moesim::serving
