// The `placement` section of a scenario: which expert sits where.
#pragma once
#include <string>
#include <vector>

#include "core/config.h"
#include "exchange/replica_choice.h"
#include "placement/files/formats.h"
#include "placement/planned_on.h"
#include "routing/traffic.h"
#include "spec/model.h"

namespace moesim::placement {

/// `placement: WORD`, or a map of these.
struct PlacementSection {
  DataFile file;                  // a placement that a system or `moesim place` wrote; then nothing else is given
  Config strategy;                // a kind, or {kind: ..., its parameters}; empty: contiguous
  int slots = 0;                  // slots of a layer, copies included; 0: one an expert
  int groups = 0;                 // of consecutive experts, for hierarchical policies; 0: the gate's
  PlannedOn planned_on;           // what the strategy plans from; empty: what it serves, at step 0
  Config replica_choice;          // a kind, or {kind: ..., its parameters}; empty: the study's own
  std::vector<int> gpu_slots;     // of each GPU of the group, where they differ
  std::vector<double> gpu_speed;  // of each GPU of the group, relative, where they differ
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
    f("groups", p.groups, "groups of consecutive experts, for hierarchical policies; 0: the gate's");
    f("gpu_slots", p.gpu_slots, "slots of each GPU of the group, where they differ");
    f("gpu_speed", p.gpu_speed, "relative speed of each GPU of the group, which strategies weigh its rows by");
  }
};

/// Which copy of an expert computes a source's rows: the key `replica_choice` of `placement`.
/// Throws ConfigError if that is no choice.
exchange::ReplicaSpec read_replica_choice(const Config& scenario);

/// One map a MoE layer, in order.  Empty for a dense model.  Strategies plan on the loads that the routing expects, and
/// on tokens of its trace if it replays one, or on what `planned_on` names instead. Throws ConfigError if the section
/// is wrong, or the placement does not fit the model or the group.
ModelPlacement read_placement(const Config& scenario, const spec::Model& model, const spec::GroupShape& group,
                              const ServedRouting& served);
}  // namespace moesim::placement
