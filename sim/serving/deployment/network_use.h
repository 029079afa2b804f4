// What a deployment puts on its network: KV caches as transfers, and the bytes of everything priced in closed form.
#pragma once
#include <vector>

#include "network/network_report.h"
#include "serving/service/service.h"
#include "serving/step/layered_cost.h"

namespace moesim::serving {

struct Deployment;

/// Instances are taken to lie on whole nodes, or within one.  A pool with nodes of its own has no place in the
/// cluster's network: only its KV caches count.
class NetworkUse final : public KvMover {
 public:
  NetworkUse(const Deployment& deployment, network::Network& network) : d_(deployment), network_(network) {}

  void move(int from, int to, Bytes bytes, double slowed, Action done) override;
  void count(int from, int to, Bytes bytes, Time start, Time until) override;
  void count_outside(int gpu, bool out, Bytes bytes, Time start, Time until) override;
  void slow(int gpu, double share) override;

  /// Counts what the instances' exchanges, all-reduces, stages and moved experts sent since the last call.
  void settle(Time until);
  /// Writes links as simulated, and totals of all instances that the simulated ones stand for.
  void report(results::Results& results, const Service& service);

 private:
  void count_instance(std::size_t pool, int instance, LayeredCost& cost, Time until);
  void add(std::vector<network::Transfer>& transfers, int from, int to, double bytes) const;

  const Deployment& d_;
  network::Network& network_;
  Time since_{};
  std::vector<network::LinkTotals> pools_;  // bytes of each pool's instances
  double departed_ = 0;                     // bytes of KV caches to instances that are not simulated
};
}  // namespace moesim::serving
