// A failure or a slow part as the scenario describes it, and what came of it.
#pragma once
#include <cstdint>
#include <string>

#include "core/config.h"

namespace moesim::serving {

enum class FaultKind { gpu, nic, node, slow_gpu, slow_link };
constexpr auto enum_names(FaultKind) {
  return std::to_array<std::pair<std::string_view, FaultKind>>({{"gpu", FaultKind::gpu},
                                                                {"nic", FaultKind::nic},
                                                                {"node", FaultKind::node},
                                                                {"slow_gpu", FaultKind::slow_gpu},
                                                                {"slow_link", FaultKind::slow_link}});
}
enum class FaultAnswer { redundancy, mask, replace, restart };
constexpr auto enum_names(FaultAnswer) {
  return std::to_array<std::pair<std::string_view, FaultAnswer>>({{"redundancy", FaultAnswer::redundancy},
                                                                  {"mask", FaultAnswer::mask},
                                                                  {"replace", FaultAnswer::replace},
                                                                  {"restart", FaultAnswer::restart}});
}

struct Fault {
  FaultKind kind = FaultKind::gpu;
  Time at{}, repair{};
  std::string pool;
  int instance = 0;  // of the pool
  int gpu = 0;       // of the instance
  double share = 0.5;
  FaultAnswer answer = FaultAnswer::redundancy;
  Time detect = 10_s;
  static void fields(auto& f, auto& p) {
    f("kind", p.kind,
      "gpu, node: lost, a node with the GPUs of every instance on it; nic: lost, its traffic takes a neighbour's "
      "adapter, or the GPU is lost if there is none; "
      "slow_gpu, slow_link: work at a share of their rate");
    f.required("at", p.at, "when it happens");
    f("repair", p.repair, "how long until it works again; 0 s means never");
    f("pool", p.pool, "name of the pool; the first one if empty");
    f("instance", p.instance, "of the pool");
    f("gpu", p.gpu, "of the instance");
    f("share", p.share, "of its rate that is left (slow_gpu, slow_link)");
    f("answer", p.answer,
      "to lost experts: redundancy (other copies serve, else as replace), mask (tokens do without), replace (other "
      "GPUs "
      "load them), restart (the whole instance starts anew)");
    f("detect", p.detect, "the instance stands still so long before it answers");
  }
};

/// What happened to one fault.
struct FaultReport {
  Fault fault;
  std::int64_t lost_tokens = 0;  ///< of KV cache that must be computed again
  std::int64_t retried = 0;      ///< requests sent elsewhere
  Time stalled{};                ///< the instance stood still, of several the longest
  double masked_share = 0;       ///< of the token-expert rows that find no expert
  std::string answer;            ///< what was done in the end
};
}  // namespace moesim::serving
