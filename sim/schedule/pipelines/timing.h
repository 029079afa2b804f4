// When each instruction of a schedule runs if every kind has one duration: the closed forms' view of a pipeline.
#pragma once
#include <string>
#include <vector>

#include "core/units.h"
#include "schedule/pipelines/pipeline.h"

namespace moesim::schedule {

/// Durations of the work of one stage's chunk; overlapped: its F with the B that a rank runs beside it.
struct StageCosts {
  Time forward{}, backward{}, backward_input{}, weight{}, overlapped{};
  Time of(Op op) const;
};

/// Durations of one chunk's work.
struct ScheduleCosts {
  Time forward = 1_s, backward_input = 1_s, weight = 1_s;
  Time overlapped{};  // F&B together; 0 means F + I + W, no gain
  Time send{};        // an activation or gradient to another rank
  Time optimizer{};
  std::vector<StageCosts> stages{};  // (stages) where they differ; empty: the durations above hold for all
  Time of(Op op) const;
};

struct TimedInstruction {
  Instruction instruction;
  Time start{}, end{};
};

struct ScheduleTiming {
  std::vector<std::vector<TimedInstruction>> ranks;
  Time end{};                         // of the last instruction
  std::vector<Time> busy;             // by rank
  std::vector<std::string> deadlock;  // one line a rank that never ends: what it waits for; empty if all end
  Time idle(int rank) const { return end - busy[std::size_t(rank)]; }
};

/// Runs every rank's program in order, each instruction as soon as what it needs has arrived.
ScheduleTiming time_schedule(const Schedule& schedule, const ScheduleCosts& costs);

/// What is wrong with a schedule, one line each: missing, repeated or misplaced work, B before F, W before I, more
/// activations in flight than `bounds` (by rank; empty: any number), a deadlock with who waits for whom.
std::vector<std::string> schedule_problems(const Schedule& schedule, const std::vector<int>& bounds = {});

/// The most chunk activations each rank holds, from the start of an F to the end of its B or W.
std::vector<int> peak_in_flight(const Schedule& schedule);
}  // namespace moesim::schedule
