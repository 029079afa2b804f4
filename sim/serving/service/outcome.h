// What came of the requests: latencies, tokens and counts, kept small enough for millions.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/units.h"
#include "serving/requests/live.h"

namespace moesim::serving {

/// mean, p50, p90, p95, p99, p99.9 of a set of values; all 0 if it is empty.
struct Quantiles {
  double mean = 0, p50 = 0, p90 = 0, p95 = 0, p99 = 0, p999 = 0;
  std::int64_t count = 0;
};
/// Nearest rank (the smallest value with at least that share at or below it).  Reorders `values`.
Quantiles quantiles(std::vector<float>& values);

/// Values with weights in logarithmic bins of 0.1 %: for what happens once a token.
class WeightedBins {
 public:
  void add(double value, std::int64_t weight);
  Quantiles quantiles() const;

 private:
  static constexpr double kLowest = 1e-9, kRatio = 1.001;
  std::map<std::int32_t, std::int64_t> bins_;
  double sum_ = 0;
  std::int64_t count_ = 0;
};

/// Latency targets of a request; 0 s means none.
struct Slo {
  Time ttft{}, tpot{}, e2e{};
  static void fields(auto& f, auto& p) {
    f("ttft", p.ttft, "time to the first token; 0 s means no target");
    f("tpot", p.tpot, "time per output token after the first");
    f("e2e", p.e2e, "whole request");
  }
};

struct Outcome {
  std::int64_t arrived = 0, finished = 0, rejected = 0;
  std::int64_t outside_arrived = 0, outside_finished = 0;  ///< load of folded instances
  std::int64_t input_tokens = 0, output_tokens = 0;        ///< of finished requests
  std::int64_t asked_tokens = 0;                           ///< output tokens that finished requests asked for
  std::int64_t good = 0;  ///< finished within every target, of those that arrived after the warm-up
  std::int64_t preemptions = 0, retries = 0, cached_tokens = 0;
  /// Of finished requests that arrived after the warm-up, s.
  std::vector<float> ttft, tpot, e2e, queue;
  WeightedBins itl;
  std::map<std::string, std::int64_t> reasons;  ///< of rejections, with counts

  void add_arrival(const Live& live) { (live.request.outside ? outside_arrived : arrived) += 1; }
  void add_rejected(const Live& live, std::string_view reason);
  /// Latencies count of requests that arrived after the warm-up; of requests from outside, nothing but their number.
  void add_finished(const Live& live, const Slo& slo, Time warmup);
};
}  // namespace moesim::serving
