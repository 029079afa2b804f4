// What a service does when a GPU, an adapter or a node fails or slows down.
#pragma once
#include <vector>

#include "core/engine.h"
#include "serving/fleet/dispatcher.h"
#include "serving/service/fault.h"
#include "serving/service/kv_mover.h"

namespace moesim::serving {

/// Lets each fault happen at its time, and what it took come back.
class FaultHandler {
 public:
  /// mover: null where KV caches take no time.  Throws ConfigError at the fault's key ("faults[1].gpu") for an
  /// instance or a GPU that is not there.
  FaultHandler(Engine& engine, Fleet& fleet, Dispatcher& dispatcher, KvMover* mover, const std::vector<Fault>& faults,
               int gpus_per_node);
  /// Lets each happen at its time.
  void start();
  const std::vector<FaultReport>& reports() const { return reports_; }

 private:
  void happen(std::size_t fault);
  void slow_down(const Fault& fault, Fleet::Member& member, double share);
  void happen_to_node(std::size_t fault);
  void lose_gpus(std::size_t fault, std::size_t member, int first, int count);
  void restart(std::size_t member, Time after);
  void repair(std::size_t fault);
  Fleet::Member& member_of(const Fault& fault);
  void slow_adapter(const Fault& fault, const Fleet::Member& member, double share);

  Engine& engine_;
  Fleet& fleet_;
  Dispatcher& dispatcher_;
  KvMover* mover_;
  int gpus_per_node_;
  std::vector<FaultReport> reports_;
  std::vector<std::vector<std::size_t>> struck_;  // members that each took GPUs of
};
}  // namespace moesim::serving
