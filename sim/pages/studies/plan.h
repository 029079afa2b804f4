// A plan of a place study, as the scope of its figures names it.
#pragma once
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pages/facts.h"
#include "pages/page.h"
#include "pages/queries.h"

namespace moesim::pages {

/// placement:STRATEGY:SLOTS, and :PLANNED ON:SCORED ON where there are several loads.
struct Plan {
  std::string scope, strategy, slots, planned, scored;
  std::map<std::string, double> figures;
  std::map<std::string, std::string> units;

  double value(const std::string& name) const {
    const auto found = figures.find(name);
    return found == figures.end() ? std::nan("") : found->second;
  }
  std::string plan_name() const { return fmt::format("{}, {} slots", strategy, slots); }
  std::string name() const {
    return planned.empty()     ? plan_name()
           : planned == scored ? fmt::format("{}, {}", plan_name(), planned)
                               : fmt::format("{}, {} on {}", plan_name(), planned, scored);
  }
};
Plan plan_of(const std::string& scope);

/// The most even plan.
struct Best {
  const Plan* plan = nullptr;  // on its own load, else on the first it was scored on
  std::string of;              // what the scopes of its figures begin with
  double balance = 0;          // mean over the loads
  std::size_t loads = 0;
};
/// Over all loads it was scored on.  Gaps to bounds do not compare plans with different numbers of slots: the bound of
/// few slots is low, and so is nearer.
std::optional<Best> best_of(const std::vector<Plan>& plans);
/// The headline and the key figures of it.  own: the plans on their own loads.
void add_best(Page& page, const Facts& facts, const std::optional<Best>& best, const std::vector<const Plan*>& own,
              const std::vector<Plan>& plans);

/// Who sends to whom, before and after, between GPUs and between nodes.
void add_traffic(Page& page, const Queries& queries);
/// How balance falls while a plan ages.
void add_drift(Page& page, const std::vector<Plan>& plans, const Queries& queries);
/// What moves, beside what it gains; nothing where no placement was in force before.
void add_migration(Page& page, const std::vector<const Plan*>& own, const Queries& queries);
}  // namespace moesim::pages
