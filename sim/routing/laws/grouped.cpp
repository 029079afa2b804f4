#include <cmath>
#include <numbers>

#include "core/elementary.h"
#include "core/normal_ring.h"
#include "routing/laws/law.h"

namespace moesim::routing {
namespace {
/// The load of expert i of group g (both counted from 0) in layer l, up to a factor a layer:
///
///     log load = -slope(l) ln(g + 1) + group_spread R(l, g) + tilt / (g + 1) (1/2 - (i + 1/2) / n)
///                + spread (1 + spread_varies V(l)) f(g) Z(l, e),      f(g) ~ (g + 1)^-taper, of mean 1
///
/// V, R and Z are standard normal; slope(l) is a normal sequence along the layers (core/normal_ring.h).  R, Z and part
/// of the slopes are sums of what all text shares, what a phase, a kind of text and both together have of their own,
/// and of what moves, such that any two phases, kinds and moments correlate as asked.  Groups fall with their number
/// because the released experts are numbered so: where groups have no such order, slope and tilt are 0.
///
/// Two things move in another way than most experts do.  How steep a layer is, its slope and its spread, moves by
/// itself (layers_steady), neighbouring layers together, so that all layers may be steeper at one moment than at
/// another.  And single experts jump: what moves of an expert is normal with a variance of its own, log-normal, so that
/// most hardly move and a few do far.  Jumps of size a (over the spread) that add up to the variance 1 - steady have
/// the excess 3 a^2 / (1 - steady) of the fourth moment over a normal one's 3: many of them are normal again.
///
/// Defaults are what `moesim trace fit` says of four recordings of DeepSeek-V3 under SGLang (two of prompts, two
/// of answers; attachment of sgl-project/sglang issue 6017), means over them; how well they hold: reports/routing.md.
struct Grouped : LawBase {
  struct Params {
    double spread = 0.566, spread_varies = 0.159;
    double slope = 0.434, slope_varies = 0.213, neighbours = 0.909;
    double group_spread = 0.107, tilt = 0.455, taper = 0.102;
    int text = 0;
    double phases_alike = 0.77;
    // Mean over the pairs of Wikipedia, GitHub and mathematics, of the bias-balanced gate of arXiv:2412.19437,
    // figure 10.
    double texts_alike = 0.42;
    double steady = 0.985, layers_steady = 0.96, jump = 0.15;
    // assumed: "the same for tens to hundreds of iteration steps or even more" (TensorRT-LLM tech blog 4), and vLLM
    // takes the mean of 1000 steps for what it plans from.
    int drift = 1000;
    static void fields(auto& f, auto& p) {
      f("spread", p.spread, "standard deviation of the logarithm of the loads of a group's experts, mean over groups");
      f("spread_varies", p.spread_varies, "standard deviation of that from layer to layer, relative");
      f("slope", p.slope, "a group's load falls with its number (from 1) to this power, mean over layers");
      f("slope_varies", p.slope_varies, "standard deviation of that power from layer to layer");
      f("neighbours", p.neighbours, "correlation of that power between a layer and the next");
      f("group_spread", p.group_spread, "standard deviation of the logarithm of what else groups differ by");
      f("tilt", p.tilt,
        "logarithm of the load of the first group's first expert over its last; a half of it in the "
        "second group, and so on");
      f("taper", p.taper, "the spread of a group falls with its number to this power");
      f("text", p.text, "which kind of text; each has hot experts of its own");
      f("texts_alike", p.texts_alike, "correlation of the logarithms of two kinds' loads");
      f("phases_alike", p.phases_alike,
        "correlation of prompts and answers of the same kind; prompts are meant where no phase is known");
      f("steady", p.steady, "correlation of the same text's loads at two moments far apart; 1: nothing moves");
      f("layers_steady", p.layers_steady,
        "correlation, at two moments far apart, of how steep layers are: of their slopes and spreads");
      f("jump", p.jump,
        "size of the jumps in which single experts move, over the spread (standard deviation); 0: all move alike");
      f("drift", p.drift, "steps from one moment to the next that shares nothing with it but what stays; 0: none");
    }
  };
  Params p;
  Grouped(Params params, const TrafficContext& context);
  std::int64_t epoch(std::int64_t step) const {
    return p.drift > 0 ? step / p.drift * kMoments + step % p.drift * kMoments / p.drift : 0;
  }
  /// A quarter of the drift: of what moves, cos(pi / 8) = 0.92 is still there.
  std::int64_t lasts() const { return p.drift > 0 && p.steady < 1 ? std::max(1, p.drift / 4) : 0; }
  void weights(int layer, std::int64_t epoch, std::span<double> out) const;

 private:
  static constexpr std::int64_t kMoments = 16;  // that a drift is cut into
  /// One of the independent parts that the normal quantities are made of.
  struct Part {
    std::string name;
    double weight;  // their squares add up to 1
    std::int64_t epoch = 0;
    double arc = 0;  // of what moves: how much of this moment there is, so that their squares add up to 1
    bool moves() const { return arc != 0; }
  };
  std::vector<Part> lasting_parts() const;            // of this phase and kind of text
  std::vector<Part> parts(std::int64_t epoch) const;  // with what moves, so far
  void add_part(const Part& part, int layer, std::span<double> groups, std::span<double> experts) const;
  /// Standard normal along the layers, as neighbours correlate: what a moment adds to `what` of layers.
  double moved(const char* what, const Part& moment, int layer, double neighbours) const;
  double slope(int layer, std::span<const Part> parts) const;
  double layer_spread(int layer, std::span<const Part> parts) const;

  bool ordered_ = true;  // groups, and with them slope, tilt and taper
  NormalRing shared_slopes_;
  std::vector<NormalRing> own_slopes_;
  std::vector<double> own_slope_weights_;
  double layers_steady_ = 1;    // 1 where nothing moves
  double spread_of_jumps_ = 0;  // standard deviation of the logarithm of the variances of what moves
};

/// How much of the slopes' differences from layer to layer follows the text: slopes of recordings correlate by 0.91
/// where single experts' loads do by 0.77, as 1 - 0.35 (1 - 0.77).
constexpr double kSlopesFollowText = 0.35;

Grouped::Grouped(Params params, const TrafficContext& context) : LawBase(context), p(params) {
  const auto within = [](const char* key, double value, double low, double high) {
    if (!(value >= low && value <= high))
      refuse_law(key, fmt::format("expected {:.4g} to {:.4g}, got {}", low, high, value));
  };
  within("spread", p.spread, 0, 3);
  within("spread_varies", p.spread_varies, 0, 1);
  within("slope", p.slope, -3, 3);
  within("slope_varies", p.slope_varies, 0, 3);
  within("neighbours", p.neighbours, 0, 0.99);
  within("group_spread", p.group_spread, 0, 3);
  within("tilt", p.tilt, -5, 5);
  within("taper", p.taper, -3, 3);
  within("texts_alike", p.texts_alike, 0, 1);
  within("phases_alike", p.phases_alike, 0, 1);
  within("steady", p.steady, 0, 1);
  within("layers_steady", p.layers_steady, 0, 1);
  within("jump", p.jump, 0, 1);
  if (p.text < 0) refuse_law("text", fmt::format("kinds of text are numbered from 0, got {}", p.text));
  if (p.drift < 0) refuse_law("drift", fmt::format("must not be negative, got {}", p.drift));
  // A log-normal variance of that spread has the excess 3 (exp(its square) - 1).
  if (p.steady < 1) {
    spread_of_jumps_ = std::sqrt(log1p_of(p.jump * p.jump / (1 - p.steady)));
    layers_steady_ = p.layers_steady;
  }
  ordered_ = c.gate.groups > 1;
  if (!ordered_) return;
  const auto slopes = [&](const std::string& what) {
    return NormalRing(Random(c.seed, fmt::format("traffic grouped slopes {}", what)), p.neighbours);
  };
  shared_slopes_ = slopes("shared");
  for (const Part& part : lasting_parts()) {  // layers keep their slopes between recordings of one text
    own_slopes_.push_back(slopes(part.name));
    own_slope_weights_.push_back(part.weight);
  }
}

std::vector<Grouped::Part> Grouped::lasting_parts() const {
  const std::string phase = fmt::format("phase {}", name_of(c.phase.value_or(TracePhase::prefill))),
                    text = fmt::format("text {}", p.text);
  const double t = p.texts_alike, f = p.phases_alike;
  return {{"all", std::sqrt(t * f)},
          {phase, std::sqrt(t * (1 - f))},
          {text, std::sqrt((1 - t) * f)},
          {text + " " + phase, std::sqrt((1 - t) * (1 - f))}};
}

std::vector<Grouped::Part> Grouped::parts(std::int64_t epoch) const {
  std::vector<Part> out = lasting_parts();
  const std::string moves = out.back().name + " moment";
  for (Part& part : out) part.weight *= std::sqrt(p.steady);
  // From one moment to the next along an arc, so that the variance stays.
  const double angle = std::numbers::pi / 2 * double(epoch % kMoments) / double(kMoments);
  const auto moment = [&](std::int64_t number, double arc) {
    out.push_back({moves, std::sqrt(1 - p.steady) * arc, number, arc});
  };
  moment(epoch / kMoments, cos_of(angle));
  moment(epoch / kMoments + 1, sin_of(angle));
  return out;
}

void Grouped::add_part(const Part& part, int layer, std::span<double> groups, std::span<double> experts) const {
  if (part.weight == 0) return;
  Random chance = random("grouped " + part.name, layer, part.epoch);
  for (double& g : groups) g += part.weight * chance.normal();
  for (double& e : experts) {
    double weight = part.weight;
    if (part.moves() && spread_of_jumps_ > 0)  // half the logarithm of a variance, whose mean is 1
      weight *= exp_of(spread_of_jumps_ / 2 * (chance.normal() - spread_of_jumps_ / 2));
    e += weight * chance.normal();
  }
}

double Grouped::moved(const char* what, const Part& moment, int layer, double neighbours) const {
  Random chance(c.seed, fmt::format("traffic grouped {} {} epoch {}", what, moment.name, moment.epoch));
  double at = chance.normal();
  for (int l = 0; l < layer; ++l) at = neighbours * at + std::sqrt(1 - neighbours * neighbours) * chance.normal();
  return at;
}

double Grouped::slope(int layer, std::span<const Part> parts) const {
  double own = 0, moves = 0;
  for (std::size_t i = 0; i < own_slopes_.size(); ++i) own += own_slope_weights_[i] * own_slopes_[i].at(layer);
  const double of_text = kSlopesFollowText * layers_steady_,  // and of that, what moves with the experts
      moving = 1 - layers_steady_ + of_text * (1 - p.steady);
  if (moving > 0)
    for (const Part& part : parts)
      if (part.moves()) moves += part.arc * moved("slopes", part, layer, p.neighbours);
  return p.slope + p.slope_varies * (std::sqrt(layers_steady_ - of_text) * shared_slopes_.at(layer) +
                                     std::sqrt(of_text * p.steady) * own + std::sqrt(moving) * moves);
}

double Grouped::layer_spread(int layer, std::span<const Part> parts) const {
  constexpr double kLeastSpread = 0.2;  // of the mean: a normal factor could turn negative
  double varies = std::sqrt(layers_steady_) * random("grouped spread", layer, 0).normal();
  if (layers_steady_ < 1)
    for (const Part& part : parts)
      if (part.moves()) varies += std::sqrt(1 - layers_steady_) * part.arc * moved("spreads", part, layer, 0);
  return p.spread * std::max(kLeastSpread, 1 + p.spread_varies * varies);
}

void Grouped::weights(int layer, std::int64_t epoch, std::span<double> out) const {
  const std::size_t n = out.size(), group_count = std::size_t(c.gate.groups);
  std::vector<double> group(group_count), expert(n), spread(group_count);
  const std::vector<Part> made_of = parts(epoch);
  for (const Part& part : made_of) add_part(part, layer, group, expert);
  const double slope_here = ordered_ ? slope(layer, made_of) : 0, spread_here = layer_spread(layer, made_of);
  double mean_spread = 0;
  for (std::size_t g = 0; g < group_count; ++g) {
    spread[g] = ordered_ ? pow_of(double(g + 1), -p.taper) : 1;
    mean_spread += spread[g] / double(group_count);
  }
  for (std::size_t g = 0; g < group_count; ++g) {
    const std::size_t first = g * n / group_count, end = (g + 1) * n / group_count;
    const double number = double(g + 1);
    const double here = ordered_ ? -slope_here * log_of(number) + p.group_spread * group[g] : 0;
    for (std::size_t e = first; e < end; ++e) {
      const double place = 0.5 - (double(e - first) + 0.5) / double(end - first);
      out[e] =
          exp_of(here + (ordered_ ? p.tilt / number * place : 0) + spread_here * spread[g] / mean_spread * expert[e]);
    }
  }
}
}  // namespace

TrafficStrategy grouped_traffic() {
  return law_strategy<Grouped>("grouped",
                               "groups of experts rise and fall together, layers resemble their neighbours, kinds of "
                               "text, phases and moments differ; the default resembles DeepSeek-V3 serving");
}
}  // namespace moesim::routing
