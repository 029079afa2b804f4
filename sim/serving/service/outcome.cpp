#include "serving/service/outcome.h"

#include <algorithm>
#include <cmath>

namespace moesim::serving {
namespace {
constexpr std::array<double, 5> kShares = {0.5, 0.9, 0.95, 0.99, 0.999};

void set(Quantiles& out, const std::array<double, 5>& at) {
  out.p50 = at[0];
  out.p90 = at[1];
  out.p95 = at[2];
  out.p99 = at[3];
  out.p999 = at[4];
}
}  // namespace

Quantiles quantiles(std::vector<float>& values) {
  Quantiles out;
  out.count = std::int64_t(values.size());
  if (values.empty()) return out;
  std::ranges::sort(values);
  double sum = 0;
  for (float v : values) sum += double(v);
  out.mean = sum / double(values.size());
  std::array<double, 5> at{};
  for (std::size_t i = 0; i < kShares.size(); ++i) {
    const double rank = std::ceil(kShares[i] * double(values.size()));
    at[i] = double(values[std::min(values.size() - 1, std::size_t(std::max(rank, 1.0)) - 1)]);
  }
  set(out, at);
  return out;
}

void WeightedBins::add(double value, std::int64_t weight) {
  if (weight == 0) return;
  bins_[std::int32_t(std::floor(std::log(std::max(value, kLowest) / kLowest) / std::log(kRatio)))] += weight;
  sum_ += value * double(weight);
  count_ += weight;
}

Quantiles WeightedBins::quantiles() const {
  Quantiles out;
  out.count = count_;
  if (count_ == 0) return out;
  out.mean = sum_ / double(count_);
  std::array<double, 5> at{};
  std::int64_t below = 0;
  std::size_t next = 0;
  for (const auto& [bin, weight] : bins_) {
    below += weight;
    while (next < kShares.size() && double(below) >= kShares[next] * double(count_))
      at[next++] = kLowest * std::pow(kRatio, double(bin) + 0.5);
  }
  set(out, at);
  return out;
}

void Outcome::add_rejected(const Live& live, std::string_view reason) {
  if (!live.request.outside) ++rejected;
  ++reasons[std::string(reason)];
}

void Outcome::add_finished(const Live& live, const Slo& slo, Time warmup) {
  const Request& r = live.request;
  preemptions += live.preemptions;
  retries += live.retries;
  if (r.outside) return void(++outside_finished);
  ++finished;
  input_tokens += r.input;
  output_tokens += live.generated;
  asked_tokens += r.output;
  cached_tokens += live.cached;
  if (live.arrival < warmup) return;
  const Time first = live.first - live.arrival, whole = live.last - live.arrival;
  const double per_token = r.output > 1 ? seconds(live.last - live.first) / double(r.output - 1) : 0;
  good += (slo.ttft.v == 0 || first <= slo.ttft) && (slo.e2e.v == 0 || whole <= slo.e2e) &&
          (slo.tpot.v == 0 || per_token <= seconds(slo.tpot));
  ttft.push_back(float(seconds(first)));
  e2e.push_back(float(seconds(whole)));
  queue.push_back(float(seconds(live.start - live.arrival)));
  if (r.output > 1) tpot.push_back(float(per_token));
}
}  // namespace moesim::serving
