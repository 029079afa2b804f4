// What would make a step fit that does not: found by counting, not by rule.
#pragma once
#include <string>

#include "training/plan.h"

namespace moesim::training {

/// What the fullest GPU holds at its fullest moment, from the plan alone.  plan: with its layers split.
/// slots: routed experts on a GPU in a MoE layer.
Bytes fullest_gpu(const TrainingPlan& plan, int slots);

/// "training.recompute selective would fit (61.2 GB); training.parallel.zero 2 would (70.1 GB)": the least
/// recomputation, sharding and micro-batch that fit by themselves, else together; or what each would still lack.
std::string what_would_fit(const TrainingPlan& plan, int slots);
}  // namespace moesim::training
