// What the simulations of a search need not find out twice: how experts draw their rows, and how long those take.
#pragma once
#include <map>
#include <mutex>
#include <string>

#include "serving/step/draw_store.h"
#include "sizing/design.h"

namespace moesim::sizing {

/// From any thread; no figure depends on it.
class SharedTrials {
 public:
  /// The stores of a deployment's pools: those of equal instances are the same, however many there are.
  serving::SharedDraws of(const Plan& plan, const Deployment& deployment);

 private:
  std::mutex mutex_;
  serving::DrawStore draws_;
  std::map<std::string, serving::ProductStore> products_;  // by the scenario of one instance
};
}  // namespace moesim::sizing
