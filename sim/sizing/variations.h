// What becomes of the answer when the question changes a little.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sizing/search.h"

namespace moesim::sizing {

struct Variation {
  std::string what;  // "load +20 %"
  bool met = false;  // by some number of the winner's instances
  int gpus = 0;
  double cost_per_hour = 0;
  std::string standing{};            // of the tightest target then, or why none does
  std::vector<int> instances{};      // of each of the winner's pools
  std::optional<Carried> carried{};  // where that is what was asked, and it is more than as it is
  std::string other{};               // deployment, where it is not the winner's pools, resized
};

/// What the variation is called that changes nothing: how much load the answer carries, and what it misses beyond.
constexpr std::string_view kAsItIs = "as it is";

/// The winner's pools, resized: for more and less load, longer and shorter requests, more and less skew of the experts,
/// each pool an instance larger (then it is said how much more load that carries), or both where neither helps alone.
/// also: something else to be done meanwhile, on one of the threads.
std::vector<Variation> vary(const Plan& plan, const Entry& winner, int jobs, const std::function<void()>& also = {});
/// "both 2 x TP4 -> 3 x TP4"; "": so many there are.
std::string change_text(const Deployment& from, const std::vector<int>& to);
/// The largest load, times the plan's, under which the deployment meets all targets, to a 16th of the plan's (of
/// itself from there on), judged on the longest windows; 0: none.
/// entry: whose closed form says how long requests take.
double capacity(const Plan& plan, const Entry& entry, const Deployment& deployment);
}  // namespace moesim::sizing
