// What an answer says, worked out once: text and JSON print it.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "sizing/economics.h"
#include "sizing/variations.h"

namespace moesim::sizing {

/// How many candidates, of pools and of deployments, fell by one reason, with one of them.
struct FellBy {
  std::string reason;
  int pools = 0, deployments = 0;
  std::string example{};
};

/// Of the deployment that is chosen.
struct Chosen {
  Economics economics{};
  Standing tightest{};                 // target, at the load asked for
  std::optional<double> worst_used{};  // share of the tightest one, with the worst of the other seeds
  std::optional<Carried> carried{};
  std::vector<std::string> not_held{};         // checks: "experts unevenly loaded (served 87.3 %)"
  std::vector<std::string> required_missed{};  // of these, those that the plan requires, with their names there
  std::string unheld{};                        // what fell by checks that the plan requires, a sentence
  std::vector<std::string> limits{};           // of what it was judged on, a sentence each
  double simulated = 0, after = 0;             // s; figures are of what came after the latter
  std::vector<std::string> warnings{};
  std::string relaxation{};  // the cheapest of a target, and what it saves; or that none does
  std::vector<PriceBreak> prices{};
  std::string launch{};  // commands
};

struct Facts {
  std::optional<Chosen> chosen{};
  std::vector<FellBy> fell{};
  std::size_t pools = 0, deployments = 0;
  int simulations = 0;  // different ones that the answer rests on, those of its checks and variations too
};
Facts facts_of(const Plan& plan, const Search& search, const std::vector<Variation>& variations);

/// What a window does not tell: that it ends before the load does, and that few requests came in it.
std::vector<std::string> limits_of(const Plan& plan, const Trial& trial, const Figures& figures);
/// Of a kind of node, at which price of its GPUs it would be the answer, or stay it.
std::string price_text(const Search& search, const PriceBreak& price);
/// "met", "missed", "missed, required": as the plan requires it.
std::string verdict_text(const Plan& plan, const Check& check);
/// The checks that the plan requires and the answer misses: "uneven_experts: served 87.3 %".
std::vector<std::string> required_missed(const Plan& plan, const Search& search);
}  // namespace moesim::sizing
