// What a service reports as it goes, to be written or counted.
#pragma once
#include <string_view>

#include "core/units.h"
#include "serving/instance/instance_owner.h"
#include "serving/requests/live.h"

namespace moesim::serving {

class ServiceLog {
 public:
  virtual ~ServiceLog() = default;
  struct RequestEnd {
    const Live& live;
    std::string_view state, reason;
  };
  virtual void request(const RequestEnd&) {}
  virtual void step(int /*pool*/, const InstanceOwner::StepEnd&) {}
  /// Means and rates since the last one.
  struct Reading {
    Time at{};
    int pool = 0, instances = 0;
    double running = 0, waiting = 0, utilisation = 0, kv_share = 0, hit_rate = 0, output_rate = 0;
  };
  virtual void reading(const Reading&) {}
  /// A KV cache begins to move to the instance that decodes, and is there.
  virtual void moving(const Live&, Time /*now*/) {}
  virtual void moved(const Live&, Time /*now*/) {}
};
}  // namespace moesim::serving
