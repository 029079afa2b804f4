// KV caches on their way from where a prompt was computed to where it decodes, and what they take from the ports that
// exchanges use.
#pragma once
#include <cstdint>

#include "core/engine.h"
#include "serving/fleet/fleet.h"
#include "serving/service/kv_mover.h"
#include "serving/service/power.h"
#include "serving/service/service_log.h"

namespace moesim::serving {

class KvTransfers {
 public:
  /// mover: null where KV caches take no time.  layers: of the model, for caches that leave layer by layer.
  KvTransfers(Engine& engine, Fleet& fleet, Requests& requests, PowerControl& power, KvMover* mover, ServiceLog& log,
              int layers, int gpus_per_node)
      : engine_(engine),
        fleet_(fleet),
        requests_(requests),
        power_(power),
        mover_(mover),
        log_(log),
        layers_(layers),
        gpus_per_node_(gpus_per_node) {}

  /// Sends a remote request's KV cache to the instance that has made room for it.
  void fetch(std::uint32_t slot);
  /// A request that instances outside decode has ended here: its KV cache has crossed since its prompt began.
  void count_departed(const Live& live);

 private:
  void come_from_outside(std::uint32_t slot);
  void move(std::uint32_t slot, Bytes bytes, Time lasts, double slowed);
  void arrived(std::uint32_t slot);
  int shards_of(const Hold& hold) const;
  int gpu_of(const Hold& hold, int part = 0, int of = 1) const;
  bool same_node(const Hold& a, const Hold& b) const;
  void count_rest(const Live& live, Bytes flow, Time lasts);
  void count_outside(const Hold& hold, bool out, Bytes bytes, Time from, Time until);
  double share_ports(const Hold& hold, bool nvlink, Bytes bytes, Time lasts);

  Engine& engine_;
  Fleet& fleet_;
  Requests& requests_;
  PowerControl& power_;
  KvMover* mover_;
  ServiceLog& log_;
  int layers_, gpus_per_node_;
};
}  // namespace moesim::serving
