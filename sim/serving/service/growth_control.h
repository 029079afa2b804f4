// Ranks that join an instance's group while it serves.
#pragma once
#include <string>
#include <vector>

#include "core/engine.h"
#include "serving/fleet/dispatcher.h"

namespace moesim::serving {

/// What came of one entry of a pool's `grow`: of all its instances the longest.
struct GrowthReport {
  std::size_t pool = 0;
  int ranks = 0;   ///< from then on
  Time prepare{};  ///< from the decision until the new ranks have their weights
  Time pause{};    ///< all stood still
  bool done = false;
};

class GrowthControl {
 public:
  GrowthControl(Engine& engine, Fleet& fleet, Dispatcher& dispatcher);
  /// Ranks to come are down until they do.
  void start();
  const std::vector<GrowthReport>& reports() const { return reports_; }

 private:
  void decide(std::size_t report);
  void join(std::size_t report, Time pause);
  const Growth& entry(std::size_t report) const;

  Engine& engine_;
  Fleet& fleet_;
  Dispatcher& dispatcher_;
  std::vector<GrowthReport> reports_;  // pool by pool, earliest first
};
}  // namespace moesim::serving
