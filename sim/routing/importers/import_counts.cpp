#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/interrupt.h"
#include "core/log.h"
#include "core/random.h"
#include "routing/importers/import_layers.h"

namespace moesim::routing {
namespace {
constexpr std::int64_t kPiece = 4096;
/// Choices of a pass that are drawn at once, each 2 bytes: by default, and if more tokens are asked for.  By default
/// they are 65,536 tokens of 128 layers with top-8, so only files of more layers than any model get fewer tokens.
constexpr std::int64_t kMostChoices = 1 << 26, kMostAskedChoices = 1 << 30;

double total(std::span<const double> counts) { return std::accumulate(counts.begin(), counts.end(), 0.0); }

/// Whole numbers in proportion to `counts` that add up to `rows`, each at most `most`.
std::vector<std::int64_t> whole_counts(std::span<const double> counts, std::int64_t rows, std::int64_t most,
                                       const std::string& where) {
  const double sum = total(counts);
  std::vector<std::int64_t> out(counts.size());
  double at = 0;
  std::int64_t given = 0;
  for (std::size_t e = 0; e < counts.size(); ++e) {
    at += counts[e];
    const auto upto = std::min(rows, std::int64_t(std::floor(at / sum * double(rows) + 0.5)));
    out[e] = upto - given;
    given = upto;
  }
  for (std::size_t e = 0; e < out.size(); ++e)
    if (out[e] > most)
      throw ConfigError(
          fmt::format("{}: expert {} has {} choices of {} tokens; is top-k right", where, e, out[e], most));
  return out;
}

/// Rounds of trades between tokens.  Two experts that were dealt together stay so in half of all trades: what is left
/// of the deal's order halves a round, so that pairs 500 times as frequent as by chance are within 1 % of it.
constexpr int kTradingRounds = 16;

/// Two tokens put what they do not share together, and each takes as many as it gave, at random.
class Trades {
 public:
  Trades(std::size_t experts, Random& random) : holder_(experts, 0), shared_(experts, 0), random_(random) {}
  void trade(std::span<std::int16_t> a, std::span<std::int16_t> b) {
    ++trade_;
    pool_.clear();
    places_.clear();
    for (const std::int16_t e : a)
      if (e >= 0) holder_[std::size_t(e)] = trade_;
    for (const std::int16_t e : b)
      if (e >= 0 && holder_[std::size_t(e)] == trade_) shared_[std::size_t(e)] = trade_;
    offer(a);
    const std::size_t from_a = pool_.size();
    offer(b);
    if (from_a == 0 || from_a == pool_.size()) return;
    for (std::size_t i = 0; i < from_a; ++i) std::swap(pool_[i], pool_[i + random_.below(pool_.size() - i)]);
    for (std::size_t i = 0; i < pool_.size(); ++i) *places_[i] = pool_[i];
  }

 private:
  void offer(std::span<std::int16_t> token) {
    for (std::int16_t& e : token)
      if (e >= 0 && shared_[std::size_t(e)] != trade_) pool_.push_back(e), places_.push_back(&e);
  }
  std::vector<std::uint64_t> holder_, shared_;  // (experts): last trade where the first token, or both, had it
  std::uint64_t trade_ = 0;
  std::vector<std::int16_t> pool_;
  std::vector<std::int16_t*> places_;
  Random& random_;
};

/// One layer's choices of `tokens` tokens: (tokens, top_k).  Every way to give the experts these counts, none of them
/// twice to a token, is as likely as any other: a deal that keeps both, then trades (the "curveball" chain, Strona et
/// al. 2014, whose stationary law is uniform: Carstens 2015).
void deal(const std::vector<std::int64_t>& counts, std::int64_t tokens, std::size_t k, Random& random,
          std::int16_t* out) {
  std::vector<std::size_t> order(counts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  random.shuffle<std::size_t>(order);
  std::vector<std::int16_t> row(std::size_t(tokens) * k, -1);
  std::size_t at = 0;
  for (const std::size_t e : order)
    for (std::int64_t i = 0; i < counts[e]; ++i) row[at++] = std::int16_t(e);
  std::vector<std::size_t> place(static_cast<std::size_t>(tokens));
  std::iota(place.begin(), place.end(), std::size_t{0});
  random.shuffle<std::size_t>(place);
  for (std::size_t t = 0; t < place.size(); ++t)
    for (std::size_t j = 0; j < k; ++j) out[t * k + j] = row[j * std::size_t(tokens) + place[t]];
  if (k == 1) return;
  Trades trades(counts.size(), random);
  for (int round = 0; round < kTradingRounds; ++round) {
    stop_if_interrupted();
    random.shuffle<std::size_t>(place);
    for (std::size_t i = 0; i + 1 < place.size(); i += 2)
      trades.trade({out + place[i] * k, k}, {out + place[i + 1] * k, k});
  }
}

/// The tokens that a pass counted: of the layer with most, since a layer may have dropped some.
double tokens_of(const CountedSource& s, const CountedPass& p, int top_k) {
  double most = 0;
  for (int a = 0; a < s.axis_size; ++a)
    most = std::max(most, total(std::span(p.counts).subspan(std::size_t(a * s.experts), std::size_t(s.experts))));
  return most / top_k;
}
/// (axis): whether a row counted anything.  Throws ConfigError for a count that cannot be, or if all are zero.
std::vector<bool> used_rows(const CountedSource& s) {
  std::vector<bool> used(std::size_t(s.axis_size), false);
  for (const CountedPass& p : s.passes)
    for (std::size_t i = 0; i < p.counts.size(); ++i) {
      if (!(p.counts[i] >= 0 && p.counts[i] < 1e15))
        throw ConfigError(fmt::format("{}: layer {}, expert {}: a count of {} cannot be", s.file,
                                      i / std::size_t(s.experts), i % std::size_t(s.experts), p.counts[i]));
      if (p.counts[i] > 0) used[i / std::size_t(s.experts)] = true;
    }
  if (std::find(used.begin(), used.end(), true) == used.end())
    throw ConfigError(fmt::format("{}: every count is zero", s.file));
  return used;
}

TraceHeader header_of(const ImportContext& context, const CountedSource& s, const LayerPlan& plan) {
  TraceHeader h = begin_header(s.name, s.notes, plan);
  if (context.options.experts > 0 && context.options.experts != s.experts)
    throw ConfigError::placed(
        fmt::format("--experts: {} counts {} experts, not {}", s.file, s.experts, context.options.experts));
  h.experts = s.experts;
  h.top_k = context.options.top_k > 0 ? context.options.top_k
            : s.top_k > 0             ? s.top_k
            : context.model           ? context.model->moe->top_k
                                      : 1;
  if (h.top_k == 1 && context.options.top_k == 0 && s.top_k == 0 && !context.model)
    h.notes.push_back(
        "how many experts a token uses is not known (give --model or --top-k): every counted choice is a token");
  if (h.top_k > h.experts)
    throw ConfigError(fmt::format("{}: {} experts with top-{} cannot be", s.file, h.experts, h.top_k));
  h.token_ids = h.requests = h.phases = false;
  h.sampled = true;
  h.notes.push_back("the tokens were drawn from counts: loads are right, which choices belong together is not known");
  describe_model(context, s.file, h);
  return h;
}

/// A pass's choices, (layers, tokens, top_k), drawn so that its loads are those counted.
/// counted: the tokens the pass counted; scale 1 means that they are all drawn.
std::vector<std::int16_t> draw_pass(const CountedSource& s, const CountedPass& p, const LayerPlan& plan,
                                    const TraceHeader& h, double counted, double scale, std::int64_t tokens,
                                    Random& random) {
  const std::size_t k = std::size_t(h.top_k), experts = std::size_t(s.experts);
  std::vector<std::int16_t> ids(h.layers.size() * std::size_t(tokens) * k);
  for (std::size_t a = 0; a < plan.ordinal.size(); ++a) {
    if (plan.ordinal[a] < 0) continue;
    const auto counts = std::span(p.counts).subspan(a * experts, experts);
    const double sum = total(counts);
    const auto rows = scale == 1 ? std::int64_t(sum + 0.5)
                                 : std::int64_t(sum / (counted * double(k)) * double(tokens) * double(k) + 0.5);
    std::vector<std::int64_t> whole(experts);
    if (sum > 0)
      whole = whole_counts(counts, rows, tokens,
                           fmt::format("{}: layer {}", s.file, h.layers[std::size_t(plan.ordinal[a])]));
    deal(whole, tokens, k, random, &ids[std::size_t(plan.ordinal[a]) * std::size_t(tokens) * k]);
  }
  return ids;
}

/// Writes a pass's choices piece by piece.
void write_pass(TraceWriter& writer, Progress& progress, std::size_t pass, std::span<const std::int16_t> ids,
                std::int64_t tokens, std::size_t k) {
  const std::size_t layers = ids.size() / (std::size_t(tokens) * k);
  for (std::int64_t first = 0; first < tokens; first += kPiece) {
    stop_if_interrupted();
    const std::size_t n = std::size_t(std::min(kPiece, tokens - first));
    const std::vector<TraceToken> meta(n, {std::int32_t(pass), -1, -1, -1, TracePhase::prefill, 0});
    std::vector<std::int16_t> piece(layers * n * k);
    for (std::size_t m = 0; m < layers; ++m)
      std::copy_n(&ids[(m * std::size_t(tokens) + std::size_t(first)) * k], n * k, &piece[m * n * k]);
    writer.add(meta, piece);
    progress.at(std::uint64_t(writer.tokens()));
  }
}
}  // namespace

void import_counts(const ImportContext& context, const CountedSource& s) {
  check_sizes(s.file, s.axis_size, s.experts);
  const LayerPlan plan = plan_layers(context, s.file, s.axis, s.layers, used_rows(s));
  TraceHeader h = header_of(context, s, plan);
  double counted = 0;
  for (const CountedPass& p : s.passes) counted += tokens_of(s, p, h.top_k);
  double scale = 1;
  check_sizes(s.file, std::int64_t(h.layers.size()), h.experts, h.top_k);
  const std::int64_t a_token = std::int64_t(h.layers.size()) * h.top_k;
  if (context.options.tokens > kMostAskedChoices / a_token)
    throw ConfigError::placed(fmt::format("--tokens: expected at most {} for {} layers with top-{}, got {}",
                                          kMostAskedChoices / a_token, h.layers.size(), h.top_k,
                                          context.options.tokens));
  const double most = double(std::clamp<std::int64_t>(kMostChoices / a_token, 1, kMostSampled));
  const double wanted = context.options.tokens > 0 ? double(context.options.tokens) : std::min(counted, most);
  if (std::abs(wanted - counted) > 0.5) {
    scale = wanted / counted;
    h.notes.push_back(fmt::format("{:.0f} tokens stand for the {:.0f} that were counted", wanted, counted));
  }
  TraceWriter writer(context.options.output, h);
  Progress progress("drawing", std::uint64_t(wanted), "tokens");
  Random random(context.options.seed, "tokens from counts");
  double upto = 0;
  std::int64_t given = 0;
  for (std::size_t pass = 0; pass < s.passes.size(); ++pass) {
    const double here = tokens_of(s, s.passes[pass], h.top_k);
    upto += here * scale;
    const std::int64_t tokens = scale == 1 ? std::int64_t(std::ceil(here - 1e-6)) : std::int64_t(upto + 0.5) - given;
    given += tokens;
    if (tokens == 0) continue;
    const std::vector<std::int16_t> ids = draw_pass(s, s.passes[pass], plan, h, here, scale, tokens, random);
    write_pass(writer, progress, pass, ids, tokens, std::size_t(h.top_k));
  }
  writer.finish();
}
}  // namespace moesim::routing
