// A synthetic traffic source is a law: expert weights by layer and step.  This turns a law into a TrafficSource.
#pragma once
#include <algorithm>
#include <numeric>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "core/random.h"
#include "routing/moving.h"
#include "routing/traffic_draw.h"
#include "routing/traffic_kinds.h"

namespace moesim::routing {

/// ConfigError at the parameter `key` of a law.
[[noreturn]] inline void refuse_law(std::string_view key, std::string_view problem) {
  throw ConfigError(std::string(key), std::string(problem));
}

/// What most laws do alike.
struct LawBase {
  TrafficContext c;
  explicit LawBase(const TrafficContext& context) : c(context) {}
  std::int64_t epoch(std::int64_t) const { return 0; }
  std::int64_t lasts() const { return 0; }
  int spread_blocks() const { return 0; }
  void assign(int, std::int64_t, std::span<const std::int32_t> tokens, std::span<std::int32_t> out) const {
    std::copy(tokens.begin(), tokens.end(), out.begin());
  }
  Random random(std::string_view what, int layer, std::int64_t epoch) const {
    return Random(c.seed, fmt::format("traffic {} layer {} epoch {}", what, layer, epoch));
  }
  /// `n` different experts, by chance.
  std::vector<std::size_t> some_experts(int n, std::string_view what, int layer, std::int64_t epoch) const {
    std::vector<std::size_t> all(std::size_t(c.gate.experts));
    std::iota(all.begin(), all.end(), std::size_t{0});
    random(what, layer, epoch).shuffle<std::size_t>(all);
    all.resize(std::size_t(n));
    return all;
  }
};

/// Up to this many rows a step comes as token lists: they are exact and no slower than drawing every count.
inline std::int64_t most_listed_rows(const TrafficContext& c) {
  return std::int64_t{c.group.gpus} * std::int64_t{c.gate.experts};
}

/// A traffic source from a Law: expert weights that depend on the layer and an epoch of steps.  A Law has
///   Params, a constructor Law(Params, const TrafficContext&),
///   int64 epoch(step): steps with the same epoch have the same weights,
///   int64 lasts(): as in MovingTraffic,
///   void weights(layer, epoch, span<double>): one weight an expert, in any scale,
///   int spread_blocks(): as in Traffic,
///   void assign(layer, step, tokens, out): tokens of each source.
template <class Law>
class Synthetic final : public TrafficSource, public MovingTraffic {
 public:
  using Params = typename Law::Params;
  Synthetic(Params p, const TrafficContext& context) : c_(context), law_(p, context) {
    check(c_.gate.experts > 0 && c_.gate.top_k > 0 && c_.gate.top_k <= c_.gate.experts,
          "traffic needs experts and a top-k within them, got {} and {}", c_.gate.experts, c_.gate.top_k);
    scratch_.resize(std::size_t(c_.gate.experts));
    counts_.resize(std::size_t(c_.gate.experts));
    token_.resize(std::size_t(c_.gate.top_k));
  }

  std::int64_t lasts() const override { return law_.lasts(); }

  void shares(int layer, std::int64_t step, std::span<double> out) const override {
    const std::vector<double>& shares = tables(layer, step).shares;
    check(out.size() == shares.size(), "{} experts have room for {} shares", shares.size(), out.size());
    std::copy(shares.begin(), shares.end(), out.begin());
  }

  void draw_load(int layer, std::int64_t step, std::int64_t tokens, std::span<double> out) const override {
    const ShareTables& t = tables(layer, step);
    check(out.size() == t.shares.size(), "{} experts have room for {} loads", t.shares.size(), out.size());
    NoiseBits bits(c_.seed, std::uint64_t(layer), std::uint64_t(step), ~std::uint64_t{0});
    if (tokens * c_.gate.top_k > 2 * std::int64_t{c_.gate.experts}) {
      draw_rows(t, c_.gate.top_k, tokens, bits, scratch_, counts_);
      std::copy(counts_.begin(), counts_.end(), out.begin());
      return;
    }
    std::fill(out.begin(), out.end(), 0);
    for (std::int64_t i = 0; i < tokens; ++i) {
      draw_token(t, c_.gate, law_.spread_blocks(), bits, token_);
      for (const std::int16_t e : token_) ++out[std::size_t(e)];
    }
  }

  void draw(int layer, std::int64_t step, std::span<const std::int32_t> tokens, Traffic& out) const override {
    const ShareTables& t = tables(layer, step);
    out.gate = c_.gate;
    out.sources = int(tokens.size());
    out.spread_blocks = law_.spread_blocks();
    out.sample.clear();
    out.tokens.resize(tokens.size());
    law_.assign(layer, step, tokens, out.tokens);
    const std::int64_t total = std::accumulate(tokens.begin(), tokens.end(), std::int64_t{0});
    const std::size_t k = std::size_t(c_.gate.top_k), experts = std::size_t(c_.gate.experts);
    const bool lists = total * c_.gate.top_k <= most_listed_rows(c_);
    out.choices.resize(lists ? std::size_t(total) * k : 0);
    out.rows.resize(tokens.size() * experts);
    std::int16_t* choice = out.choices.data();
    for (std::size_t source = 0; source < tokens.size(); ++source) {
      NoiseBits bits(c_.seed, std::uint64_t(layer), std::uint64_t(step), source);
      const std::span<std::int32_t> rows(&out.rows[source * experts], experts);
      if (!lists) {
        draw_rows(t, c_.gate.top_k, out.tokens[source], bits, scratch_, rows);
        continue;
      }
      std::fill(rows.begin(), rows.end(), 0);
      for (std::int32_t i = 0; i < out.tokens[source]; ++i, choice += k) {
        draw_token(t, c_.gate, out.spread_blocks, bits, {choice, k});
        for (std::size_t j = 0; j < k; ++j) ++rows[std::size_t(choice[j])];
      }
    }
  }

 private:
  struct Cached {
    std::int64_t epoch = -1;
    ShareTables tables;
  };
  const ShareTables& tables(int layer, std::int64_t step) const {
    check(layer >= 0 && step >= 0, "layer {} and step {} must not be negative", layer, step);
    if (cached_.size() <= std::size_t(layer)) cached_.resize(std::size_t(layer) + 1);
    Cached& cached = cached_[std::size_t(layer)];
    if (const std::int64_t epoch = law_.epoch(step); cached.epoch != epoch) {
      std::vector<double> weights(std::size_t(c_.gate.experts), 1);
      law_.weights(layer, epoch, weights);
      cached = {epoch, share_tables(weights, c_.gate)};
    }
    return cached.tables;
  }

  TrafficContext c_;
  Law law_;
  mutable std::vector<Cached> cached_;  // by layer: what follows from (seed, layer, epoch)
  mutable std::vector<float> scratch_;
  mutable std::vector<std::int32_t> counts_;
  mutable std::vector<std::int16_t> token_;
};

/// The family's line of a law.
template <class Law>
TrafficStrategy law_strategy(std::string_view kind, std::string_view summary) {
  return strategy<Synthetic<Law>, TrafficSource, const TrafficContext&>(kind, summary);
}
}  // namespace moesim::routing
