#include "serving/step/expert_bank.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/check.h"
#include "core/elementary.h"
#include "routing/moving.h"

namespace moesim::serving {
namespace {
constexpr double kMostRoutedTokens = 1 << 24;
constexpr int kSteps = 4;  // mixes of sources are rounded to quarters
}  // namespace

ExpertBank::ExpertBank(Setup setup) : s_(std::move(setup)), products_like_(products_like(s_)) {
  const spec::MoeShape& moe = *s_.model->moe;
  gate_ = routing::gate_shape(moe);
  shape_ = {s_.gpus, std::min(s_.gpus, s_.gpus_per_node)};
  check(s_.maps.size() == s_.layers.size(), "{} maps for {} layers", s_.maps.size(), s_.layers.size());
  check(s_.copy_shares.empty() || s_.copy_shares.size() == s_.maps.size(), "{} shares for {} maps",
        s_.copy_shares.size(), s_.maps.size());
  check(!s_.sources.empty(), "experts need a source of routing");
  for (const routing::TrafficSource* source : s_.sources)
    if (const std::int64_t lasts = s_.own_routing ? 0 : routing::shares_last(*source); lasts > 0)
      law_lasts_ = law_lasts_ > 0 ? std::min(law_lasts_, lasts) : lasts;
  const bool by_law = !s_.settings.redraw && law_lasts_ > 0;
  samples_ = s_.settings.samples.value_or(by_law ? BankSettings::kMovingSamples : BankSettings::kSamples);
  // Loads that change faster than draws are kept are drawn by chance from as many steps in a row.
  redraw_ = by_law ? std::max<std::int64_t>(law_lasts_, samples_) : s_.settings.redraw.value_or(0);
  if (samples_ < 1) throw ConfigError("bank.samples", "must be at least 1");
  if (s_.settings.every < 1) throw ConfigError("bank.every", "must be at least 1");
  if (!(s_.settings.ratio > 1)) throw ConfigError("bank.ratio", "must be above 1");
  for (const exchange::ExpertMap& map : s_.maps) copies_.push_back(exchange::copy_table(map));
  if (s_.group != nullptr) {
    dispatch_ = std::make_unique<network::ExchangeTimes>(*s_.group, s_.calibration, s_.dispatch);
    combine_ = std::make_unique<network::ExchangeTimes>(*s_.group, s_.calibration, s_.combine);
  }
  buckets_ = int(std::ceil(log_of(kMostRoutedTokens) / log_of(s_.settings.ratio))) + 2;
  for (int b = 0; b < buckets_; ++b) bucket_tokens_.push_back(pow_of(s_.settings.ratio, b));
  uniform_.assign(std::size_t(moe.experts), 1.0 / moe.experts);
  slow_gpu_.assign(std::size_t(s_.gpus), 1);
  slow_link_ = slow_gpu_;
  gpu_seconds_.assign(std::size_t(s_.gpus), 0);
  moved_.assign(s_.layers.size(), std::vector<double>(2 * std::size_t(s_.gpus) + std::size_t(shape_.nodes()) + 2));
  tokens_seen_.assign(s_.sources.size(), 0);
  rows_seen_.assign(s_.layers.size() * std::size_t(moe.experts), 0);
  if (!s_.own_routing) return;
  recorded_.emplace(s_.own_routing, s_.layers);
  as_recorded_.resize(s_.layers.size());
}

void ExpertBank::begin(std::span<const RecordedTokens> tokens) {
  if (!recorded_) return;
  recorded_->begin(tokens);
  for (AsRecorded& r : as_recorded_) r.tokens = -1;
}

void ExpertBank::look() {
  if (recorded_) recorded_->look();
}

/// The draws on either side of so many tokens: this and the next.
std::size_t ExpertBank::bucket_of(double tokens) const {
  const auto above = std::ranges::upper_bound(bucket_tokens_, std::clamp(tokens, 1.0, kMostRoutedTokens));
  return std::size_t(above - bucket_tokens_.begin()) - 1;
}

ExpertTimes ExpertBank::summary(const Entry& e) const {
  ExpertTimes out{.mean_experts = e.mean, .above = e.above, .balancedness = e.balancedness};
  std::size_t last = 0;
  double latest = -1;
  for (std::size_t g = 0; g < e.gpus.size(); ++g) {
    const double end = double(e.gpus[g].arrival) / slow_link_[g] + double(e.gpus[g].compute) / slow_gpu_[g];
    if (end > latest) latest = end, last = g;
    out.combine = std::max(out.combine, double(e.gpus[g].combine) / slow_link_[g]);
  }
  out.dispatch = double(e.gpus[last].arrival) / slow_link_[last];
  out.experts = double(e.gpus[last].compute) / slow_gpu_[last];
  return out;
}

void ExpertBank::sharing(std::span<const PortUse::Left> ports) {
  sharing_.clear();
  for (const PortUse::Left& port : ports) {
    const std::size_t g = std::size_t(port.gpu);
    sharing_.push_back({g, float(1 / (slow_link_[g] * port.share)), float(1 / slow_gpu_[g])});
  }
}

/// Ports that carry something else only take longer: the last GPU is the last of the others, or one of them.
ExpertTimes ExpertBank::times_of(const Entry& e) const {
  ExpertTimes out = any_slow_ ? summary(e) : e.healthy;
  float latest = float(out.dispatch + out.experts), combine = float(out.combine);
  const Sharing* last = nullptr;
  for (const Sharing& s : sharing_) {
    const Entry::Gpu& gpu = e.gpus[s.gpu];
    const float end = gpu.arrival * s.link + gpu.compute * s.compute;
    if (end > latest) latest = end, last = &s;
    combine = std::max(combine, gpu.combine * s.link);
  }
  if (last != nullptr) {
    out.dispatch = double(e.gpus[last->gpu].arrival * last->link);
    out.experts = double(e.gpus[last->gpu].compute * last->compute);
  }
  out.combine = std::max(out.combine, double(combine));
  return out;
}

ExpertBank::Entry& ExpertBank::entry(std::size_t ordinal, int sample, int bucket, std::uint32_t mix,
                                     std::span<const double> weights) {
  std::size_t m = std::size_t(std::ranges::find(mixes_, mix) - mixes_.begin());
  if (m == mixes_.size()) {
    mixes_.push_back(mix);
    bank_.emplace_back(s_.layers.size());
  }
  std::vector<Entry>& layer = bank_[m][ordinal];
  if (layer.empty()) layer.resize(std::size_t(samples_ * buckets_));
  Entry& e = layer[std::size_t(sample * buckets_ + bucket)];
  if (!e.ready) {
    const double tokens = bucket_tokens_[std::size_t(bucket)];
    const std::int64_t step = epoch_ * redraw_ + sample;
    fill(e, ordinal, step, tokens, weights, std::uint64_t(epoch_) << 32 | std::uint64_t(sample * buckets_ + bucket));
  }
  return e;
}

ExpertBank::Mix ExpertBank::rounded(std::span<const double> weights) {
  Mix out;
  check(weights.size() <= out.weights.size(), "more than {} sources of routing", out.weights.size());
  double sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const int part = int(weights[i] * kSteps + 0.5);
    out.id = out.id * (kSteps + 1) + std::uint32_t(part);
    sum += out.weights[i] = part;
  }
  for (double& w : out.weights) w /= sum > 0 ? sum : 1;
  if (sum <= 0) out.weights[0] = 1;
  return out;
}

const ExpertBank::Mix& ExpertBank::mix_of(std::span<const double> weights) {
  if (std::ranges::equal(weights, mixed_)) return mix_;
  mixed_.assign(weights.begin(), weights.end());
  return mix_ = rounded(weights);
}

// Mixed by hand and not by core/splitmix.h: which kept draw a step takes is part of every serving fingerprint.
int ExpertBank::sample_of(std::size_t ordinal, std::int64_t step, int micro) const {
  std::uint64_t h = std::uint64_t(step) * 0x9e3779b97f4a7c15 + ordinal * 0xbf58476d1ce4e5b9 +
                    std::uint64_t(micro) * 0x94d049bb133111eb;
  h = (h ^ (h >> 29)) * 0xbf58476d1ce4e5b9;
  return int((h >> 33) % std::uint64_t(samples_));
}

ExpertTimes ExpertBank::times(std::size_t ordinal, std::int64_t step, int micro, double tokens, double most,
                              std::span<const double> weights, double repeats) {
  if (tokens <= 0) return {};
  if (recorded_ && recorded_->tokens() > 0) return times_as_recorded(ordinal, tokens, most, repeats);
  follow(step);
  for (std::size_t i = 0; i < weights.size(); ++i) tokens_seen_[i] += weights[i] * tokens;
  const Mix& mix = mix_of(weights);
  const int bucket = int(bucket_of(tokens));
  const double low = bucket_tokens_[std::size_t(bucket)], high = bucket_tokens_[std::size_t(bucket) + 1];
  const double upper = (std::min(tokens, kMostRoutedTokens) - low) / (high - low), lower = 1 - upper;
  const int sample = sample_of(ordinal, step, micro);
  const auto used = std::span(mix.weights).first(weights.size());
  const std::size_t drawn = ordinal - ordinal % std::size_t(s_.settings.every);
  Entry& a = entry(drawn, sample, bucket, mix.id, used);
  // The fullest GPU sends longer than the mean: by as much as balanced routing at its token count takes longer.
  const double excess = tokens > 0 ? most * s_.gpus / tokens - 1 : 0;
  const bool between = upper > 0 || excess > 1e-9;
  Entry& b = between ? entry(drawn, sample, bucket + 1, mix.id, used) : a;
  const ExpertTimes x = times_of(a), y = times_of(b);
  ExpertTimes out;
  out.dispatch = lower * x.dispatch + upper * y.dispatch;
  out.experts = lower * x.experts + upper * y.experts;
  out.combine = lower * x.combine + upper * y.combine;
  out.mean_experts = lower * x.mean_experts + upper * y.mean_experts;
  out.above = lower * x.above + upper * y.above;
  out.balancedness = lower * x.balancedness + upper * y.balancedness;
  a.used += repeats * lower;
  b.used += repeats * upper;
  if (excess > 1e-9) {
    add_uniform(a, drawn, low);
    add_uniform(b, drawn, high);
    const double slope = std::max(0.0, b.uniform_dispatch - a.uniform_dispatch) / (high - low);
    const double slope_back = std::max(0.0, b.uniform_combine - a.uniform_combine) / (high - low);
    out.dispatch += slope * excess * tokens;
    out.combine += slope_back * excess * tokens;
  }
  out.dispatch += solving(ordinal);
  return out;
}

double ExpertBank::solving(std::size_t ordinal) const {
  return s_.level_copies && exchange::has_copies(s_.maps[ordinal]) ? seconds(s_.solve_time) : 0;
}

void ExpertBank::mask(std::size_t ordinal, std::vector<int> experts) {
  masked_.resize(s_.layers.size());
  masked_[ordinal] = std::move(experts);
}

void ExpertBank::set_map(std::size_t ordinal, exchange::ExpertMap map, std::vector<double> shares) {
  s_.maps[ordinal] = std::move(map);
  if (!s_.copy_shares.empty()) s_.copy_shares[ordinal] = std::move(shares);
  copies_[ordinal] = exchange::copy_table(s_.maps[ordinal]);
  if (recorded_) as_recorded_[ordinal] = {};
  for (auto& mix : bank_) {
    settle(mix[ordinal], ordinal);
    mix[ordinal].clear();
  }
}

/// The layer ran like this so many times.
void ExpertBank::book(const Entry& e, std::size_t ordinal, double used) {
  std::vector<double>& moved = moved_[ordinal];
  for (std::size_t g = 0; g < gpu_seconds_.size(); ++g) gpu_seconds_[g] += used * double(e.gpus[g].compute);
  for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += used * double(e.moved[i]);
}

void ExpertBank::settle(std::vector<Entry>& layer, std::size_t ordinal) {
  for (Entry& e : layer) {
    if (e.used <= 0) continue;
    book(e, ordinal, e.used);
    e.used = 0;
  }
}

void ExpertBank::settle() {
  for (auto& of_mix : bank_)
    for (std::size_t ordinal = 0; ordinal < of_mix.size(); ++ordinal) settle(of_mix[ordinal], ordinal);
}

const std::vector<double>& ExpertBank::gpu_seconds() {
  settle();
  return gpu_seconds_;
}

exchange::ExchangeSums ExpertBank::take_exchanged(std::size_t first, std::size_t last) {
  settle();
  exchange::ExchangeSums out;
  const std::size_t n = std::size_t(s_.gpus);
  std::vector<double> sum(moved_.front().size());
  for (std::size_t ordinal = first; ordinal < last; ++ordinal) {
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += moved_[ordinal][i];
    std::ranges::fill(moved_[ordinal], 0.0);
  }
  const auto part = [&](std::size_t from, std::size_t count) {
    return std::vector(sum.begin() + std::ptrdiff_t(from), sum.begin() + std::ptrdiff_t(from + count));
  };
  out.gpu_rows = part(0, n);
  out.fan_out.gpu_reach = part(n, n);
  out.fan_out.node_reach = part(2 * n, sum.size() - 2 * n - 2);
  out.tokens = sum[sum.size() - 2];
  out.exchanges = sum.back();
  for (std::vector<double>* reach : {&out.fan_out.gpu_reach, &out.fan_out.node_reach})
    for (double& share : *reach) share = out.tokens > 0 ? share / out.tokens : 0;
  return out;
}

void ExpertBank::slow_gpu(int gpu, double share) {
  slow_gpu_.at(std::size_t(gpu)) = share;
  any_slow_ = true;
}
void ExpertBank::slow_link(int gpu, double share) {
  slow_link_.at(std::size_t(gpu)) = share;
  any_slow_ = true;
}

/// Draws are made anew where the step is of another turn.
void ExpertBank::follow(std::int64_t step) {
  if (redraw_ <= 0 || step / redraw_ == epoch_) return;
  settle();
  sum_seen();
  epoch_ = step / redraw_;
  bank_.clear();
  mixes_.clear();
}

/// The tokens since the last redraw, as rows.
void ExpertBank::sum_seen() {
  std::vector<double> weights = tokens_seen_;
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (all <= 0) return;
  for (double& w : weights) w /= all;
  const std::vector<double> mean = loads(epoch_ * redraw_, samples_, weights);
  for (std::size_t i = 0; i < mean.size(); ++i) rows_seen_[i] += mean[i] * all / double(s_.layers.size()) * gate_.top_k;
  std::ranges::fill(tokens_seen_, 0.0);
}

std::vector<double> ExpertBank::expert_rows() {
  if (recorded_) return recorded_->seen();
  sum_seen();
  return rows_seen_;
}
}  // namespace moesim::serving
