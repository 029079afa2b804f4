#include <algorithm>
#include <cmath>

#include "routing/traffic_kinds.h"
#include "routing/traffic_law.h"

namespace moesim {
namespace {
/// Gives the experts of `hot` a load of `factor` times the mean, the others what is left.
void heat(std::span<const std::size_t> hot, double factor, std::span<double> weights) {
  const double n = double(weights.size()), h = double(hot.size());
  const double other = n > h ? std::max(0.0, (n - h * factor) / (n - h)) : 1;
  std::fill(weights.begin(), weights.end(), other);
  for (const std::size_t e : hot) weights[e] = factor;
}

[[noreturn]] void refuse(std::string_view key, std::string_view problem) {
  throw ConfigError(fmt::format("routing.{}: {}", key, problem));
}
void check_hot(int count, double factor, const TrafficContext& c) {
  if (count < 1 || count > c.router.experts)
    refuse("count", fmt::format("expected 1 to {} experts, got {}", c.router.experts, count));
  const double most = double(c.router.experts) / std::max(count, c.router.top_k);
  if (!(factor >= 1 && factor <= most))
    refuse("factor",
           fmt::format("expected 1 to {:.4g}, where the hot experts hold everything that tokens can give them, "
                       "got {}",
                       most, factor));
}

struct Balanced : LawBase {
  struct Params {
    static void fields(auto&, auto&) {}
  };
  Balanced(Params, const TrafficContext& context) : LawBase(context) {}
  void weights(int, std::int64_t, std::span<double>) const {}
};

struct HotExperts : LawBase {
  struct Params {
    int count = 1;
    double factor = 4;
    static void fields(auto& f, auto& p) {
      f("count", p.count, "hot experts of a layer, chosen by chance");
      f("factor", p.factor, "load of a hot expert over the mean");
    }
  };
  Params p;
  HotExperts(Params params, const TrafficContext& context) : LawBase(context), p(params) {
    check_hot(p.count, p.factor, c);
  }
  void weights(int layer, std::int64_t epoch, std::span<double> out) const {
    heat(some_experts(p.count, "hot_experts", layer, epoch), p.factor, out);
  }
};

struct HotRank : LawBase {
  struct Params {
    int rank = 0;
    double factor = 2;
    static void fields(auto& f, auto& p) {
      f("rank", p.rank, "GPU whose experts are hot when experts are placed contiguously");
      f("factor", p.factor, "load of that GPU over the mean");
    }
  };
  Params p;
  HotRank(Params params, const TrafficContext& context) : LawBase(context), p(params) {
    if (p.rank < 0 || p.rank >= c.group.gpus)
      refuse("rank", fmt::format("expected 0 to {}, got {}", c.group.gpus - 1, p.rank));
    if (hot().empty()) refuse("rank", fmt::format("GPU {} holds no expert", p.rank));
    check_hot(int(hot().size()), p.factor, c);
  }
  std::vector<std::size_t> hot() const {
    const ExpertMap map = contiguous_map(c.router.experts, c.group.gpus);
    std::vector<std::size_t> out;
    for (int s = p.rank * map.slots_per_gpu; s < (p.rank + 1) * map.slots_per_gpu; ++s)
      if (map.slot_to_expert[std::size_t(s)] >= 0) out.push_back(std::size_t(map.slot_to_expert[std::size_t(s)]));
    return out;
  }
  void weights(int, std::int64_t, std::span<double> out) const { heat(hot(), p.factor, out); }
};

struct Spread : LawBase {
  struct Params {
    static void fields(auto&, auto&) {}
  };
  Spread(Params, const TrafficContext& context) : LawBase(context) {}
  int spread_blocks() const {
    const int parts = c.group.nodes() > 1 ? c.group.nodes() : c.group.gpus;
    return std::min(parts, c.router.experts);
  }
  void weights(int, std::int64_t, std::span<double>) const {}
};

struct RaggedSource : LawBase {
  struct Params {
    double sigma = 0.5;
    static void fields(auto& f, auto& p) {
      f("sigma", p.sigma, "standard deviation of the logarithm of a source's tokens; their sum stays");
    }
  };
  Params p;
  RaggedSource(Params params, const TrafficContext& context) : LawBase(context), p(params) {
    if (!(p.sigma >= 0 && p.sigma <= 3)) refuse("sigma", fmt::format("expected 0 to 3, got {}", p.sigma));
  }
  void weights(int, std::int64_t, std::span<double>) const {}
  /// The same for all layers of a step: a token stays on its GPU.
  void assign(int, std::int64_t step, std::span<const std::int32_t> tokens, std::span<std::int32_t> out) const {
    Random chance = random("ragged_source", 0, step);
    std::vector<double> part(tokens.size());
    double sum = 0;
    std::int64_t total = 0;
    for (std::size_t s = 0; s < tokens.size(); ++s) {
      sum += part[s] = chance.log_normal(0, p.sigma) * tokens[s];
      total += tokens[s];
    }
    double at = 0;
    std::int64_t given = 0;
    for (std::size_t s = 0; s < tokens.size(); ++s) {
      at += part[s];
      const std::int64_t upto = s + 1 == tokens.size() ? total : std::int64_t(at / sum * double(total) + 0.5);
      out[s] = std::int32_t(upto - given);
      given = upto;
    }
  }
};

struct ZeroLoad : LawBase {
  struct Params {
    double share = 0.25;
    static void fields(auto& f, auto& p) { f("share", p.share, "share of a layer's experts that no token chooses"); }
  };
  Params p;
  int cold = 0;
  ZeroLoad(Params params, const TrafficContext& context) : LawBase(context), p(params) {
    cold = int(p.share * c.router.experts + 0.5);
    if (!(p.share >= 0) || c.router.experts - cold < c.router.top_k)
      refuse("share", fmt::format("expected 0 to {:.4g}, so that top-k experts remain, got {}",
                                  1 - double(c.router.top_k) / c.router.experts, p.share));
  }
  void weights(int layer, std::int64_t epoch, std::span<double> out) const {
    for (const std::size_t e : some_experts(cold, "zero_load", layer, epoch)) out[e] = 0;
  }
};

struct RotatingHotSpot : LawBase {
  struct Params {
    int count = 1, every = 1, stride = 1;
    double factor = 4;
    static void fields(auto& f, auto& p) {
      f("count", p.count, "neighbouring experts that are hot together");
      f("factor", p.factor, "load of a hot expert over the mean");
      f("every", p.every, "steps after which the spot moves on");
      f("stride", p.stride, "experts by which it moves");
    }
  };
  Params p;
  RotatingHotSpot(Params params, const TrafficContext& context) : LawBase(context), p(params) {
    check_hot(p.count, p.factor, c);
    if (p.every < 1) refuse("every", fmt::format("expected at least 1 step, got {}", p.every));
    if (p.stride < 1) refuse("stride", fmt::format("expected at least 1 expert, got {}", p.stride));
  }
  std::int64_t epoch(std::int64_t step) const { return step / p.every; }
  void weights(int, std::int64_t epoch, std::span<double> out) const {
    std::vector<std::size_t> hot;
    const std::size_t first = std::size_t(epoch) * std::size_t(p.stride);
    for (std::size_t i = 0; i < std::size_t(p.count); ++i) hot.push_back((first + i) % out.size());
    heat(hot, p.factor, out);
  }
};

struct Burst : LawBase {
  struct Params {
    int count = 1, period = 100, length = 10;
    double factor = 4;
    static void fields(auto& f, auto& p) {
      f("count", p.count, "experts that a burst makes hot, others each time");
      f("factor", p.factor, "their load over the mean during the burst");
      f("period", p.period, "steps from one burst to the next");
      f("length", p.length, "steps a burst lasts; balanced in between");
    }
  };
  Params p;
  Burst(Params params, const TrafficContext& context) : LawBase(context), p(params) {
    check_hot(p.count, p.factor, c);
    if (p.period < 1) refuse("period", fmt::format("expected at least 1 step, got {}", p.period));
    if (p.length < 0 || p.length > p.period)
      refuse("length", fmt::format("expected 0 to {} steps, got {}", p.period, p.length));
  }
  /// 0 between bursts, else the burst's number and one.
  std::int64_t epoch(std::int64_t step) const { return step % p.period < p.length ? step / p.period + 1 : 0; }
  void weights(int layer, std::int64_t epoch, std::span<double> out) const {
    if (epoch > 0) heat(some_experts(p.count, "burst", layer, epoch), p.factor, out);
  }
};

/// How often a random law draws its loads anew.
std::int64_t redraw_epoch(int every, std::int64_t step) { return every > 0 ? step / every : 0; }

struct LogNormal : LawBase {
  struct Params {
    double sigma = 0.75;  // Gini 0.40 and max/mean about 6 of 256: DeepSeek-V3 serving shows 0.33-0.45 and 5.6-8
    int every = 0;
    static void fields(auto& f, auto& p) {
      f("sigma", p.sigma, "standard deviation of the logarithm of the loads; 0.75 resembles DeepSeek-V3 serving");
      f("every", p.every, "steps after which the loads are drawn anew; 0 for never");
    }
  };
  Params p;
  LogNormal(Params params, const TrafficContext& context) : LawBase(context), p(params) {
    if (!(p.sigma >= 0 && p.sigma <= 5)) refuse("sigma", fmt::format("expected 0 to 5, got {}", p.sigma));
  }
  std::int64_t epoch(std::int64_t step) const { return redraw_epoch(p.every, step); }
  void weights(int layer, std::int64_t epoch, std::span<double> out) const {
    Random chance = random("log_normal", layer, epoch);
    for (double& w : out) w = chance.log_normal(0, p.sigma);
  }
};

struct PowerLaw : LawBase {
  struct Params {
    double exponent = 0.5;
    int every = 0;
    static void fields(auto& f, auto& p) {
      f("exponent", p.exponent, "the r-th hottest expert's load falls with r to this power");
      f("every", p.every, "steps after which the ranks are dealt anew; 0 for never");
    }
  };
  Params p;
  PowerLaw(Params params, const TrafficContext& context) : LawBase(context), p(params) {
    if (!(p.exponent >= 0 && p.exponent <= 5)) refuse("exponent", fmt::format("expected 0 to 5, got {}", p.exponent));
  }
  std::int64_t epoch(std::int64_t step) const { return redraw_epoch(p.every, step); }
  void weights(int layer, std::int64_t epoch, std::span<double> out) const {
    double rank = 1;
    for (const std::size_t e : some_experts(c.router.experts, "power_law", layer, epoch))
      out[e] = std::pow(rank++, -p.exponent);
  }
};

template <class Law>
TrafficStrategy line(std::string_view kind, std::string_view summary) {
  return strategy<Synthetic<Law>, TrafficSource, const TrafficContext&>(kind, summary);
}
}  // namespace

TrafficStrategy balanced_traffic() { return line<Balanced>("balanced", "every expert as likely as any other"); }
TrafficStrategy hot_experts_traffic() {
  return line<HotExperts>("hot_experts", "a few experts take several times the mean");
}
TrafficStrategy hot_rank_traffic() {
  return line<HotRank>("hot_rank", "all experts of one GPU take several times the mean");
}
TrafficStrategy spread_traffic() {
  return line<Spread>("spread",
                      "balanced loads, each token's experts on as many nodes as it can reach: the most traffic");
}
TrafficStrategy ragged_source_traffic() {
  return line<RaggedSource>("ragged_source", "source GPUs hold unequal numbers of tokens");
}
TrafficStrategy zero_load_traffic() { return line<ZeroLoad>("zero_load", "some experts get no token at all"); }
TrafficStrategy rotating_hot_spot_traffic() {
  return line<RotatingHotSpot>("rotating_hot_spot", "neighbouring hot experts that move on as steps pass");
}
TrafficStrategy burst_traffic() {
  return line<Burst>("burst", "balanced, but for some steps of each period with hot experts");
}
TrafficStrategy log_normal_traffic() {
  return line<LogNormal>("log_normal", "loads drawn from a log-normal distribution");
}
TrafficStrategy power_law_traffic() { return line<PowerLaw>("power_law", "loads that fall with the rank to a power"); }
}  // namespace moesim
