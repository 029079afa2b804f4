// One draw of routing: who gets how many rows, and what they cost to exchange and to compute.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/check.h"
#include "exchange/copy_shares.h"
#include "serving/step/expert_bank.h"
#include "serving/step/few_tokens.h"

namespace moesim::serving {
namespace {
/// One draw of how many rows each expert gets: independent Poisson counts, scaled to their known sum.  A sum of
/// thousands of tokens' choices without replacement varies slightly less than this.
void add_noise(Random& random, double rows, std::vector<double>& shares) {
  double sum = 0;
  for (double& p : shares) sum += p = double(random.poisson(p * rows));
  if (sum <= 0) return void(std::ranges::fill(shares, 1.0 / double(shares.size())));
  for (double& p : shares) p /= sum;
}
}  // namespace

void ExpertBank::shares(std::size_t ordinal, std::int64_t step, std::span<const double> weights,
                        std::vector<double>& out) const {
  out.assign(std::size_t(gate_.experts), 0);
  std::vector<double> one(out.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0) continue;
    s_.sources[i]->shares(s_.layers[ordinal], step, one);
    for (std::size_t e = 0; e < out.size(); ++e) out[e] += weights[i] * one[e];
  }
  drop_masked(ordinal, out);
}

/// What went to masked experts goes to the others, in proportion.  load: shares that sum to 1.
void ExpertBank::drop_masked(std::size_t ordinal, std::vector<double>& load) const {
  if (masked_.empty() || masked_[ordinal].empty()) return;
  for (int e : masked_[ordinal]) load[std::size_t(e)] = 0;
  const double left = std::accumulate(load.begin(), load.end(), 0.0);
  for (double& p : load) p = left > 0 ? p / left : 1.0 / double(load.size());
}

/// Adds to `above` what PartCosts::take_above() would say.
double ExpertBank::compute_time(std::span<const double> slot_rows, int slots_per_gpu, int gpu, double& above) {
  const std::size_t slots = std::size_t(slots_per_gpu);
  rows_.clear();
  double carried = 0;  // whole rows, their sum kept
  for (std::size_t s = 0; s < slots; ++s) {
    const double exact = slot_rows[std::size_t(gpu) * slots + s] + carried;
    rows_.push_back(std::int64_t(std::floor(exact + 0.5)));
    carried = exact - double(rows_.back());
  }
  if (std::accumulate(rows_.begin(), rows_.end(), std::int64_t{0}) == 0) return 0;
  operations_.clear();
  compute::append_operations(operations_, *s_.model, s_.layers[0], compute::LayerPart::experts, compute::Pass::forward,
                             {}, rows_, s_.options);
  Time sum{};
  for (const compute::Operation& o : operations_) {
    compute::Cost cost = s_.kernels->cost(o.kernel, s_.share);
    if (const auto* product = std::get_if<compute::GroupedGemm>(&o.kernel); product != nullptr && s_.any_layout) {
      compute::GroupedGemm other = *product;
      other.layout = compute::GroupLayout::masked;
      if (const compute::Cost masked = s_.kernels->cost(other, s_.share); masked.time < cost.time) cost = masked;
    }
    sum += cost.time;
    above += compute::above_waiting(cost, s_.kernels->model().gpu());
  }
  return seconds(sum);
}

void ExpertBank::exchange(const exchange::ExchangeSums& sums, Entry& out) {
  const std::size_t n = std::size_t(s_.gpus);
  out.gpus.assign(n, {});
  if (!dispatch_) return;
  times_.assign(n, Time{});
  (*dispatch_)(sums, times_);
  for (std::size_t g = 0; g < n; ++g) out.gpus[g].arrival = float(seconds(times_[g]));
  (*combine_)(sums, times_);
  for (std::size_t g = 0; g < n; ++g) out.gpus[g].combine = float(seconds(times_[g]));
}

void ExpertBank::sum_rows(std::size_t ordinal, double tokens) {
  if (!s_.copy_shares.empty() && !s_.copy_shares[ordinal].empty())
    exchange::shared_exchange_sums(shares_, tokens, gate_, s_.maps[ordinal], s_.copy_shares[ordinal], shape_, sums_);
  else if (s_.level_copies && exchange::has_copies(s_.maps[ordinal]))
    exchange::balanced_exchange_sums(shares_, tokens, gate_, s_.maps[ordinal], shape_, sums_);
  else
    exchange::exchange_sums(shares_, tokens, gate_, s_.maps[ordinal], copies_[ordinal], shape_, sums_);
}

/// What balanced routing of so many tokens would take, unless it is known.
void ExpertBank::add_uniform(Entry& out, std::size_t ordinal, double tokens) {
  if (out.uniform_dispatch >= 0) return;
  shares_.assign(uniform_.size(), tokens * gate_.top_k / double(uniform_.size()));
  sum_rows(ordinal, tokens);
  Entry balanced;
  exchange(sums_, balanced);
  out.uniform_dispatch = double(std::ranges::max_element(balanced.gpus, {}, &Entry::Gpu::arrival)->arrival);
  out.uniform_combine = double(std::ranges::max_element(balanced.gpus, {}, &Entry::Gpu::combine)->combine);
}

/// All that the times of products rest on beside their rows, the model, its kernels and the GPU.
NumbersKey ExpertBank::products_like(const Setup& s) {
  const auto dtype = [](const std::optional<spec::Dtype>& d) { return d ? double(*d) : -1.0; };
  const compute::LayerOptions& o = s.options;
  const compute::Precisions& p = o.precision;
  const double numbers[] = {double(s.maps.empty() ? 0 : s.maps.front().slots_per_gpu),
                            double(s.any_layout),
                            double(s.share.sms),
                            s.share.memory,
                            double(p.linear),
                            dtype(p.experts),
                            dtype(p.linear_weights),
                            dtype(p.expert_weights),
                            dtype(p.dispatch),
                            double(p.recipe),
                            double(o.expert_tensor),
                            double(o.expert_block),
                            double(o.graphs),
                            double(o.graph_tokens),
                            double(o.layout),
                            double(o.local_rows),
                            double(o.sends_rows),
                            double(o.training)};
  return key_of(numbers);
}

void ExpertBank::price_products(Entry& out, int slots_per_gpu) {
  const std::size_t n = std::size_t(s_.gpus);
  NumbersKey key;
  if (s_.products != nullptr) {
    key = key_of(sums_.slot_rows, products_like_);
    if (const auto known = s_.products->find(key)) {
      for (std::size_t g = 0; g < n; ++g) out.gpus[g].compute = known->seconds[g];
      out.above = known->above;
      return;
    }
  }
  out.above = 0;
  for (std::size_t g = 0; g < n; ++g)
    out.gpus[g].compute = float(compute_time(sums_.slot_rows, slots_per_gpu, int(g), out.above));
  out.above /= double(n);
  if (s_.products == nullptr) return;
  ProductStore::Products products{{}, out.above};
  for (const Entry::Gpu& gpu : out.gpus) products.seconds.push_back(gpu.compute);
  s_.products->add(key, std::move(products));
}

void ExpertBank::price(Entry& out, std::size_t ordinal, double tokens) {
  const std::size_t n = std::size_t(s_.gpus);
  sum_rows(ordinal, tokens);
  exchange(sums_, out);
  price_products(out, s_.maps[ordinal].slots_per_gpu);
  out.moved.clear();
  for (std::size_t g = 0; g < n; ++g) out.moved.push_back(float(sums_.gpu_rows[g]));
  for (std::size_t g = 0; g < n; ++g) out.moved.push_back(float(sums_.gpu_tokens(int(g))));
  for (int node = 0; node < shape_.nodes(); ++node) out.moved.push_back(float(sums_.node_tokens(node)));
  out.moved.push_back(float(tokens));
  out.moved.push_back(1);
  double sum = 0;
  for (const Entry::Gpu& gpu : out.gpus) sum += double(gpu.compute);
  out.mean = sum / double(n);
  const double most = std::ranges::max(sums_.gpu_rows);
  out.balancedness =
      most > 0 ? std::accumulate(sums_.gpu_rows.begin(), sums_.gpu_rows.end(), 0.0) / double(n) / most : 1;
  out.healthy = summary(out);
  out.ready = true;
}

void ExpertBank::draw_shares(std::size_t ordinal, double rows, std::uint64_t stream) {
  DrawStore::Key key;
  if (s_.draws != nullptr) {
    key = {s_.seed, stream, s_.layers[ordinal], rows, key_of(shares_)};
    if (s_.draws->find(key, shares_)) return;
  }
  Random random(s_.seed, fmt::format("routing {} {}", s_.layers[ordinal], stream));
  const double tokens = rows / gate_.top_k;
  if (tokens > kFewTokens || !draw_few(random, tokens, gate_.top_k, shares_)) add_noise(random, rows, shares_);
  if (s_.draws != nullptr) s_.draws->add(key, shares_);
}

void ExpertBank::fill(Entry& out, std::size_t ordinal, std::int64_t step, double tokens,
                      std::span<const double> weights, std::uint64_t stream) {
  const double rows = tokens * gate_.top_k;
  shares(ordinal, step, weights, shares_);
  if (s_.settings.noise) draw_shares(ordinal, rows, stream);
  for (double& share : shares_) share *= rows;
  price(out, ordinal, tokens);
}

ExpertTimes ExpertBank::times_as_recorded(std::size_t ordinal, double tokens, double most, double repeats) {
  AsRecorded& here = as_recorded_[ordinal];
  if (here.tokens != tokens) {  // else as for the other micro-batch
    const std::span<const double> rows = recorded_->rows(ordinal);
    shares_.assign(rows.begin(), rows.end());
    const double all = std::accumulate(rows.begin(), rows.end(), 0.0);  // tokens may have chosen fewer than top-k
    for (double& share : shares_) share = all > 0 ? share / all : 1.0 / double(shares_.size());
    drop_masked(ordinal, shares_);
    for (double& share : shares_) share *= all * tokens / recorded_->tokens();
    price(here.entry, ordinal, tokens);
    here.tokens = tokens;
  }
  ExpertTimes out = times_of(here.entry);
  out.dispatch += solving(ordinal);
  book(here.entry, ordinal, repeats);
  const double excess = most * s_.gpus / tokens - 1;
  if (excess <= 1e-9) return out;
  const std::size_t bucket = bucket_of(tokens);
  here.uniform.resize(bucket_tokens_.size(), {-1, -1});
  for (const std::size_t b : {bucket, bucket + 1})
    if (here.uniform[b][0] < 0) {
      Entry balanced;
      add_uniform(balanced, ordinal, bucket_tokens_[b]);
      here.uniform[b] = {balanced.uniform_dispatch, balanced.uniform_combine};
    }
  const double factor = excess * tokens / (bucket_tokens_[bucket + 1] - bucket_tokens_[bucket]);
  out.dispatch += std::max(0.0, here.uniform[bucket + 1][0] - here.uniform[bucket][0]) * factor;
  out.combine += std::max(0.0, here.uniform[bucket + 1][1] - here.uniform[bucket][1]) * factor;
  return out;
}

ExpertTimes ExpertBank::draw(std::size_t ordinal, std::int64_t step, double tokens, double most,
                             std::span<const double> weights) {
  Entry exact, more;
  fill(exact, ordinal, step, tokens, weights, std::uint64_t(step));
  ExpertTimes out = summary(exact);
  out.dispatch += solving(ordinal);
  if (most * s_.gpus > tokens * (1 + 1e-9)) {
    fill(more, ordinal, step, most * s_.gpus, weights, std::uint64_t(step));
    add_uniform(exact, ordinal, tokens);
    add_uniform(more, ordinal, most * s_.gpus);
    out.dispatch += std::max(0.0, more.uniform_dispatch - exact.uniform_dispatch);
    out.combine += std::max(0.0, more.uniform_combine - exact.uniform_combine);
  }
  return out;
}

std::vector<double> ExpertBank::loads(std::int64_t step, int steps, std::span<const double> weights) const {
  if (recorded_) return recorded_->recent();
  std::vector<double> out(s_.layers.size() * std::size_t(gate_.experts));
  std::vector<double> one;
  for (std::size_t l = 0; l < s_.layers.size(); ++l)
    for (int i = 0; i < steps; ++i) {
      shares(l, step + i, weights, one);
      for (std::size_t e = 0; e < one.size(); ++e) out[l * one.size() + e] += one[e] / steps;
    }
  return out;
}
}  // namespace moesim::serving
