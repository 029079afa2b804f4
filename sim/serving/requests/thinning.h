// Which requests of the described stream the simulated instances get, where a few stand for many.
#pragma once
#include <map>
#include <vector>

#include "core/random.h"
#include "serving/requests/request.h"

namespace moesim::serving {

/// From a moment on: the share of all requests whose prompts the simulated instances compute, and the part of these
/// that other, folded instances decode.
struct LoadShare {
  Time from{};
  double prompt = 1, outside = 0;
  bool operator==(const LoadShare&) const = default;
};

/// Takes every n-th request, n = 1 / share, instead of each with a chance: of a stream that a balancer deals out in
/// turn, an instance gets every n-th, at gaps more regular than those of a stream of its own.  Fractions are carried
/// over.  Requests of one session go the same way.
class Thinning {
 public:
  /// shares: in order of time, the first from time zero; empty: every request is taken.
  Thinning(std::vector<LoadShare> shares, std::uint64_t seed);
  /// Arrivals never decrease.  Sets request.outside; false if the request goes to an instance that is folded away.
  bool take(Request& request);

 private:
  struct Fate {
    bool taken = true, outside = false;
  };
  Fate decide(Time at);

  std::vector<LoadShare> shares_;
  std::size_t place_ = 0;
  double taken_ = 0, outside_ = 0;  // carried fractions of a request
  std::map<std::int64_t, Fate> sessions_;
};
}  // namespace moesim::serving
