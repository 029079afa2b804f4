#include <algorithm>
#include <climits>
#include <memory>
#include <numeric>
#include <optional>

#include "core/elementary.h"
#include "formats/byte_file.h"
#include "formats/npy.h"
#include "routing/laws/law.h"
#include "routing/token_tables.h"
#include "routing/trace.h"

namespace moesim::routing {
namespace {

/// The experts of each id in a layer, (ids, top_k).
std::vector<std::int16_t> dealt_table(const GateShape& gate, std::uint64_t seed, int layer, std::size_t ids) {
  const std::size_t k = std::size_t(gate.top_k);
  // assumed: the table is dealt by chance.  A trained one is of the checkpoint, which is not read here.
  NoiseBits bits(seed, std::uint64_t(layer), 0, ~std::uint64_t{1});
  std::vector<std::int16_t> out(ids * k);
  for (std::size_t id = 0; id < ids; ++id) {
    const std::span<std::int16_t> own(&out[id * k], k);
    for (std::size_t j = 0; j < k;) {
      const auto e = std::int16_t(bits.below(std::uint32_t(gate.experts)));
      if (std::find(own.begin(), own.begin() + std::ptrdiff_t(j), e) == own.begin() + std::ptrdiff_t(j)) own[j++] = e;
    }
  }
  return out;
}

/// Layers whose experts a table gives for each token id, as the first layers of DeepSeek-V4 have it: their loads follow
/// from the text alone, a token has the same experts wherever it stands, and nothing of the context, the phase or the
/// gate moves them.  Layers from `layers` on route as `others` says.
///
///     share(e) = sum over ids with e in their table of frequency(id) / top_k
///
/// Frequencies are those of a file of ids, or fall with the rank r, from 1, as (r + 2.7)^-exponent: Mandelbrot's form
/// of Zipf's law, with his constant for English words ("An informational theory of the statistical structure of
/// language", 1953).
class TokenHash final : public TrafficSource {
 public:
  struct Params {
    int layers = 0;
    std::optional<Config> others;
    int vocabulary = 129'280;  // DeepSeek-V3's and V4's tokenizer
    double exponent = 1;
    DataFile tokens;
    static void fields(auto& f, auto& p) {
      f("layers", p.layers, "the model's layers below this number look experts up by token id; 0: all");
      f("others", p.others, "how the other layers route: a kind, or a map with its parameters");
      f("vocabulary", p.vocabulary, "token ids; where a file of tokens is given, only the ids in it");
      f("exponent", p.exponent, "an id's frequency falls with its rank to this power; 0: all equally frequent");
      f("tokens", p.tokens,
        "file of token ids (.npy), or a routing trace that has them, whose frequencies count instead");
    }
  };
  TokenHash(Params p, const TrafficContext& context);

  void shares(int layer, std::int64_t step, std::span<double> out) const override {
    if (!looks_up(layer)) return others_->shares(layer, step, out);
    const Layer& l = layer_at(layer);
    check(out.size() == l.tables.shares.size(), "{} experts have room for {} shares", l.tables.shares.size(),
          out.size());
    std::copy(l.tables.shares.begin(), l.tables.shares.end(), out.begin());
  }
  void draw_load(int layer, std::int64_t step, std::int64_t tokens, std::span<double> out) const override;
  void draw(int layer, std::int64_t step, std::span<const std::int32_t> tokens, Traffic& out) const override;

 private:
  struct Layer {
    std::vector<std::int16_t> experts;  // (ids, top_k)
    ShareTables tables;
  };
  bool looks_up(int layer) const { return p_.layers == 0 || layer < p_.layers; }
  const Layer& layer_at(int layer) const;
  /// The same ids in every layer of a step: a token is one token.
  std::size_t draw_id(NoiseBits& bits) const {
    const double at = bits.uniform();
    return std::size_t(std::upper_bound(upto_.begin(), upto_.end() - 1, at) - upto_.begin());
  }
  NoiseBits ids_of(std::int64_t step, std::uint64_t source) const {
    return NoiseBits(c_.seed, ~std::uint64_t{0}, std::uint64_t(step), source);
  }
  static std::vector<double> file_frequencies(const std::string& file, int vocabulary);

  Params p_;
  TrafficContext c_;
  std::vector<double> frequency_, upto_;  // (ids): share of the tokens, and of those up to each
  std::unique_ptr<TrafficSource> others_;
  mutable std::vector<std::unique_ptr<Layer>> cached_;  // by layer: what follows from the seed
  mutable std::vector<float> scratch_;
  mutable std::vector<std::int32_t> counts_;
};

TokenHash::TokenHash(Params p, const TrafficContext& context) : p_(std::move(p)), c_(context) {
  if (p_.vocabulary < 1 || p_.vocabulary > 1 << 20)
    refuse_law("vocabulary", fmt::format("expected 1 to {} ids, got {}", 1 << 20, p_.vocabulary));
  if (!(p_.exponent >= 0 && p_.exponent <= 5))
    refuse_law("exponent", fmt::format("expected 0 to 5, got {}", p_.exponent));
  if (p_.layers < 0) refuse_law("layers", fmt::format("must not be negative, got {}", p_.layers));
  if (p_.layers > 0 && !p_.others) refuse_law("layers", "then say how the others route: others: {kind: ...}");
  if (p_.layers == 0 && p_.others) refuse_law("others", "all layers look experts up; say which do: layers: N");
  if (p_.others) others_ = make_traffic(*p_.others, context);
  constexpr double kMandelbrot = 2.7;
  if (p_.tokens.name.empty())
    for (int rank = 1; rank <= p_.vocabulary; ++rank)
      frequency_.push_back(pow_of(double(rank) + kMandelbrot, -p_.exponent));
  else
    frequency_ = file_frequencies(p_.tokens.path, p_.vocabulary);
  const double sum = std::accumulate(frequency_.begin(), frequency_.end(), 0.0);
  double upto = 0;
  for (double& f : frequency_) upto_.push_back(upto += f /= sum);
  scratch_.resize(std::size_t(c_.gate.experts));
  counts_.resize(std::size_t(c_.gate.experts));
}

std::vector<double> TokenHash::file_frequencies(const std::string& file, int vocabulary) {
  std::vector<double> out(std::size_t(vocabulary), 0.0);
  const auto count = [&](std::int32_t id) {
    if (id < 0 || id >= vocabulary)
      refuse_law("tokens", fmt::format("{}: a token has the id {}, but ids end at {}", file, id, vocabulary - 1));
    ++out[std::size_t(id)];
  };
  if (formats::ByteFile(file).head(15).starts_with("SQLite format 3")) {
    const Trace trace(file);
    if (!trace.header().token_ids) refuse_law("tokens", fmt::format("{}: the trace has no token ids", file));
    std::vector<TraceToken> tokens;
    for (std::int64_t first = 0; first < trace.tokens(); first += kTokensAtOnce) {
      trace.read_tokens(first, std::min(kTokensAtOnce, trace.tokens() - first), tokens);
      for (const TraceToken& t : tokens) {
        if (t.token < 0) refuse_law("tokens", fmt::format("{}: the trace has tokens without ids", file));
        count(t.token);
      }
    }
    return out;
  }
  const formats::ArraySource array = formats::npy_array(file);
  if (array.shape.empty() || array.elements() < 1) refuse_law("tokens", fmt::format("{}: holds no token", file));
  std::vector<std::int32_t> ids;
  array.read_integers(0, array.shape[0], ids);
  for (const std::int32_t id : ids) count(id);
  return out;
}

const TokenHash::Layer& TokenHash::layer_at(int layer) const {
  check(layer >= 0, "layer {} must not be negative", layer);
  if (cached_.size() <= std::size_t(layer)) cached_.resize(std::size_t(layer) + 1);
  std::unique_ptr<Layer>& out = cached_[std::size_t(layer)];
  if (out) return *out;
  out = std::make_unique<Layer>();
  const std::size_t k = std::size_t(c_.gate.top_k), ids = frequency_.size();
  out->experts = dealt_table(c_.gate, c_.seed, layer, ids);
  std::vector<double> load(std::size_t(c_.gate.experts), 0.0);
  for (std::size_t i = 0; i < out->experts.size(); ++i) load[std::size_t(out->experts[i])] += frequency_[i / k];
  // Few ids may leave experts without any: there is no gate that would need more.
  out->tables = share_tables(load, {c_.gate.experts, c_.gate.top_k, 1, 1});
  return *out;
}

void TokenHash::draw_load(int layer, std::int64_t step, std::int64_t tokens, std::span<double> out) const {
  if (!looks_up(layer)) return others_->draw_load(layer, step, tokens, out);
  const Layer& l = layer_at(layer);
  check(out.size() == l.tables.shares.size(), "{} experts have room for {} loads", l.tables.shares.size(), out.size());
  const std::size_t k = std::size_t(c_.gate.top_k);
  if (tokens * c_.gate.top_k > most_listed_rows(c_)) {
    NoiseBits bits(c_.seed, std::uint64_t(layer), std::uint64_t(step), ~std::uint64_t{0});
    draw_rows(l.tables, c_.gate.top_k, tokens, bits, scratch_, counts_);
    std::copy(counts_.begin(), counts_.end(), out.begin());
    return;
  }
  std::fill(out.begin(), out.end(), 0);
  NoiseBits bits = ids_of(step, ~std::uint64_t{0});
  for (std::int64_t t = 0; t < tokens; ++t) {
    const std::size_t id = draw_id(bits);
    for (std::size_t j = 0; j < k; ++j) ++out[std::size_t(l.experts[id * k + j])];
  }
}

void TokenHash::draw(int layer, std::int64_t step, std::span<const std::int32_t> tokens, Traffic& out) const {
  if (!looks_up(layer)) return others_->draw(layer, step, tokens, out);
  const Layer& l = layer_at(layer);
  const std::size_t k = std::size_t(c_.gate.top_k), experts = std::size_t(c_.gate.experts);
  const std::int64_t total = std::accumulate(tokens.begin(), tokens.end(), std::int64_t{0});
  out.gate = {c_.gate.experts, c_.gate.top_k, 1, 1};  // a table knows no groups
  out.sources = int(tokens.size());
  out.spread_blocks = 0;
  out.sample.clear();
  out.choices.clear();
  out.tokens.assign(tokens.begin(), tokens.end());
  if (total * c_.gate.top_k <= most_listed_rows(c_)) {
    for (std::size_t source = 0; source < tokens.size(); ++source) {
      NoiseBits bits = ids_of(step, source);
      for (std::int32_t t = 0; t < tokens[source]; ++t) {
        const auto own = l.experts.begin() + std::ptrdiff_t(draw_id(bits) * k);
        out.choices.insert(out.choices.end(), own, own + std::ptrdiff_t(k));
      }
    }
    return count_rows(out.gate, out);
  }
  out.rows.resize(tokens.size() * experts);
  for (std::size_t source = 0; source < tokens.size(); ++source) {
    NoiseBits bits(c_.seed, std::uint64_t(layer), std::uint64_t(step), source);
    draw_rows(l.tables, c_.gate.top_k, tokens[source], bits, scratch_, std::span(&out.rows[source * experts], experts));
  }
}
}  // namespace

std::optional<TokenTables> token_tables(const Config& routing, const TrafficContext& context) {
  const bool word = routing.is_scalar();
  if (word ? routing.text() != "token_hash"
           : !routing.is_map() || !routing.has("kind") || routing.at("kind").text() != "token_hash")
    return std::nullopt;
  TokenHash::Params p;
  const auto take = [&](const char* key, auto& value) {
    if (!word && routing.has(key)) value = read<std::decay_t<decltype(value)>>(routing.at(key));
  };
  take("layers", p.layers);
  take("vocabulary", p.vocabulary);
  take("tokens", p.tokens);
  if (!word && routing.has("others")) p.others = routing.at("others");
  return TokenTables{p.layers == 0 ? INT_MAX : p.layers, p.vocabulary, p.tokens.path, p.others,
                     [gate = context.gate, seed = context.seed, ids = std::size_t(p.vocabulary)](int layer) {
                       return dealt_table(gate, seed, layer, ids);
                     }};
}

TrafficStrategy token_hash_traffic() {
  return strategy<TokenHash, TrafficSource, const TrafficContext&>(
      "token_hash", "the first layers look experts up by token id: loads follow from the text alone");
}
}  // namespace moesim::routing
