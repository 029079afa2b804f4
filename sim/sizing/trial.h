// A deployment simulated under the plan's load, and how its figures stand to the targets.
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "sizing/design.h"

namespace moesim::sizing {

/// How far single kernels that were measured are from their equations, and how far efficiencies of another GPU
/// generation were off where they stood in; of the worst pool, 0 where nothing is known.
struct KernelErrors {
  double median = 0, p90 = 0, borrowed_median = 0, borrowed_p90 = 0;
  bool operator==(const KernelErrors&) const = default;
};

struct Figures {
  std::array<double, kLatencies.size()> latency{};  // s
  double share = 0;                                 // of requests within the per-request latencies
  double finished = 0, rejected = 0;  // requests; rejected: no longer than the model's context and the plan's longest
  double measured = 0;                // requests that latencies are of
  std::vector<double> utilisation;    // of each pool
  KernelErrors kernels;
  std::string limiter{};  // "prefill: experts 41 %, decode: attention 38 %": the largest part of each pool's time
  double piled_up = 0;    // share of the arrivals that piled up, where requests come by chance and did; 0: they did not
  bool overloaded = false;              // more comes than the closed forms of its pools can serve
  double gpus = 0, tokens_per_gpu = 0;  // tokens/s of prompts and answers
  double cost_per_million = 0, cost_per_million_input = 0, cost_per_million_output = 0;  // USD
  std::string warnings{};  // what the run says of its own figures, a line each
  bool operator==(const Figures&) const = default;
};

/// A figure beside its target: above 1 the target is missed.  Of a share that must be reached, what may be missing from
/// the whole is used up: of 95 %, 99 % uses a fifth.
struct Standing {
  std::string target;
  double value = 0, limit = 0;
  bool at_least = false;  // the value must not be below
  /// How far the value is from the target, of the target: 0.5 is half too much, or half too little.
  double off() const { return at_least ? 1 - value / limit : value / limit - 1; }
  double used() const {
    if (!at_least) return value / limit;
    if (limit < 1) return (1 - value) / (1 - limit);
    return value > 0 ? limit / value : 1e9;
  }
  bool met() const { return used() <= 1 + 1e-12; }
};

/// Simulates the deployment, or looks it up in the plan's book.  Throws ConfigError as serving does.
Figures simulate(const Plan& plan, const Deployment& deployment, const Trial& trial);
/// Every target that figures of a simulation bear on, and budget, power and GPUs.
std::vector<Standing> standings(const Targets& targets, const Figures& figures);
std::vector<Standing> standings_of_size(const Targets& targets, const Deployment& deployment);
/// The one that is used up most; "nothing" if there is none.
const Standing* tightest(const std::vector<Standing>& all);
bool all_met(const std::vector<Standing>& all);
/// "ttft_p90 1.2 s of 2 s"; "served 87.3 %", where nothing less than all will do
std::string text_of(const Standing& standing);
/// The highest percentile that has a target, and its name: 0.9, "ttft_p90"; 0.5 of a mean.
std::pair<double, std::string> highest_percentile(const Targets& targets);
/// Requests that say enough of the percentiles that have a target: the share of requests beyond one is then known to
/// 15 % (one standard deviation); of rarer ones than p98, to as much as 3,600 requests tell.
double requests_for(const Targets& targets);
/// Long enough for the requests that start in it to end several times over and to be as many as percentiles need,
/// within the plan's bounds; then so many times longer.
/// load: times the plan's.
Trial trial_for(const Plan& plan, double end_to_end, double stretch = 1, double load = 1);
}  // namespace moesim::sizing
