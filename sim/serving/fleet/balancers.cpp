#include <algorithm>

#include "serving/fleet/balancer.h"

namespace moesim::serving {
namespace {
struct None {
  static void fields(auto&, auto&) {}
};

class RoundRobin final : public Balancer {
 public:
  using Params = None;
  explicit RoundRobin(const Params&) {}
  std::size_t pick(const Request&, std::span<const RankLoad> ranks) override { return next_++ % ranks.size(); }

 private:
  std::size_t next_ = 0;
};

/// The least by `key`, the first of equals from place `start` on, round the end.
template <class Key>
std::size_t least(std::span<const RankLoad> ranks, std::size_t start, Key key) {
  std::size_t best = start % ranks.size();
  auto lowest = key(ranks[best]);
  const auto look = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i)
      if (auto k = key(ranks[i]); k < lowest) lowest = k, best = i;
  };
  const std::size_t first = best;
  look(first + 1, ranks.size());
  look(0, first);
  return best;
}

/// Fewest prompt tokens to compute, then fewest requests; equals in turn.
class LeastLoaded final : public Balancer {
 public:
  using Params = None;
  explicit LeastLoaded(const Params&) {}
  std::size_t pick(const Request&, std::span<const RankLoad> ranks) override {
    return least(ranks, turn_++, [](const RankLoad& r) { return std::pair(r.tokens, r.requests); });
  }

 private:
  std::size_t turn_ = 0;
};

/// Where the request's KV cache leaves the smallest share in use.
class KvAware final : public Balancer {
 public:
  using Params = None;
  explicit KvAware(const Params&) {}
  std::size_t pick(const Request&, std::span<const RankLoad> ranks) override {
    return least(ranks, 0, [](const RankLoad& r) {
      return std::pair(double(r.kv_used) / double(std::max<std::int64_t>(r.kv_capacity, 1)), r.requests);
    });
  }
};

/// Where most of the prompt is cached, unless that rank is too far behind the least loaded one.
class CacheAware final : public Balancer {
 public:
  struct Params {
    std::int64_t tolerance = 16384;
    static void fields(auto& f, auto& p) {
      f("tolerance", p.tolerance, "prompt tokens a rank may be behind the least loaded one and still be picked");
    }
  };
  explicit CacheAware(const Params& p) : tolerance_(p.tolerance) {}
  bool asks_cache() const override { return true; }
  std::size_t pick(const Request&, std::span<const RankLoad> ranks) override {
    const std::size_t idle = least(ranks, turn_++, [](const RankLoad& r) { return std::pair(r.tokens, r.requests); });
    std::size_t best = idle;
    for (std::size_t i = 0; i < ranks.size(); ++i)
      if (ranks[i].cached > ranks[best].cached && ranks[i].tokens <= ranks[idle].tokens + tolerance_) best = i;
    return best;
  }

 private:
  std::int64_t tolerance_;
  std::size_t turn_ = 0;
};
}  // namespace

const Family<Balancer>& balancers() {
  static const Family<Balancer> family(
      "balancer",
      {strategy<LeastLoaded, Balancer>("least_loaded", "fewest prompt tokens waiting, then fewest requests"),
       strategy<RoundRobin, Balancer>("round_robin", "one after the other"),
       strategy<CacheAware, Balancer>("cache_aware", "longest cached prefix, within a tolerated imbalance"),
       strategy<KvAware, Balancer>("kv_aware", "smallest share of its KV cache in use")});
  return family;
}
}  // namespace moesim::serving
