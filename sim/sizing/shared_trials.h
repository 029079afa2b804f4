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
  /// The stores of a deployment's pools: the same for all with this kind of node and engine.
  serving::SharedDraws of(const Deployment& deployment);

 private:
  std::mutex mutex_;
  serving::DrawStore draws_;
  std::map<std::pair<std::string, std::string>, serving::ProductStore> products_;  // by kind of node and engine
};
}  // namespace moesim::sizing
