// The `placement` section of a scenario: which expert sits where.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/config.h"
#include "exchange/replica_choice.h"
#include "placement/files/formats.h"
#include "placement/planned_on.h"
#include "placement/scores/score.h"
#include "routing/traffic.h"
#include "spec/model.h"

namespace moesim::placement {

/// `placement: WORD`, or a map of these.
struct PlacementSection {
  DataFile file;                   // a placement that a system or `moesim place` wrote; then nothing else is given
  Config strategy;                 // a kind, or {kind: ..., its parameters}; empty: contiguous
  int slots = 0;                   // slots of a layer, copies included; 0: one an expert
  int groups = 0;                  // of consecutive experts, for hierarchical policies; 0: the gate's
  PlannedOn planned_on;            // what the strategy plans from; empty: what it serves, at step 0
  Config replica_choice;           // a kind, or {kind: ..., its parameters}; empty: the study's own
  std::optional<Sharing> sharing;  // how copies share an expert's rows; empty: as replica_choice says
  std::vector<int> gpu_slots;      // of each GPU of the group, where they differ
  std::vector<double> gpu_speed;   // of each GPU of the group, relative, where they differ
  bool has_strategy = false;
  static void fields(auto& f, auto& p) {
    f("file", p.file, "placement file to use as it is (JSON, CSV, SGLang, TensorRT-LLM, vLLM-Ascend)");
    f("strategy", p.strategy,
      "kind of placement (moesim list placement), or a map with its parameters; default contiguous");
    f("slots", p.slots, "slots of a layer, copies of experts included; 0: one an expert");
    f("planned_on", p.planned_on,
      "what the strategy plans from, where that is not what it serves: {step: N}, {phase: decode}, {routing: {...}} or "
      "{file: COUNTS}");
    f("replica_choice", p.replica_choice,
      "which copy of an expert computes a source's rows (moesim list replica_choice); default nearest");
    f("sharing", p.sharing,
      "how copies share an expert's rows: even (as replica_choice: round_robin), planned (shares fixed when the plan "
      "is "
      "made, so that they level the GPUs on what it is planned from) or balanced (as replica_choice: balanced); "
      "default: "
      "as replica_choice says");
    f("groups", p.groups, "groups of consecutive experts, for hierarchical policies; 0: the gate's");
    f("gpu_slots", p.gpu_slots, "slots of each GPU of the group, where they differ");
    f("gpu_speed", p.gpu_speed, "relative speed of each GPU of the group, which strategies weigh its rows by");
  }
};

/// Which copy of an expert computes a source's rows: the key `replica_choice` of `placement`, or what its `sharing`
/// stands for (of `planned`, none: read_planned_shares()).  Throws ConfigError if that is no choice.
exchange::ReplicaSpec read_replica_choice(const Config& scenario);
/// Refuses `placement: {sharing: planned}` where `who` cannot keep shares.  Throws ConfigError.
void refuse_planned_shares(const Config& scenario, std::string_view who);

/// One map a MoE layer, in order.  Empty for a dense model.  Strategies plan on the loads that the routing expects, and
/// on tokens of its trace if it replays one, or on what `planned_on` names instead. Throws ConfigError if the section
/// is wrong, or the placement does not fit the model or the group.
ModelPlacement read_placement(const Config& scenario, const spec::Model& model, const spec::GroupShape& group,
                              const ServedRouting& served);

/// The shares that copies keep with `placement: {sharing: planned}`.
struct PlannedShares {
  SlotShares slots;              // one list a map; empty: none are planned
  double planned = 1, even = 1;  // balancedness on what they are planned from, with these shares and with even ones
};
/// Made from what the strategy plans from (of a placement file: what it serves, or `planned_on`).  copies_come: experts
/// without copies may get some later.  Throws ConfigError if there are none to share rows, now or later.
PlannedShares read_planned_shares(const Config& scenario, const spec::Model& model, const spec::GroupShape& group,
                                  const ServedRouting& served, std::span<const exchange::ExpertMap> maps,
                                  bool copies_come = false);
}  // namespace moesim::placement
