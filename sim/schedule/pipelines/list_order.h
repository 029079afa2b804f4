// Orders in which the ranks of a zero-bubble schedule work, written for the times of its stages.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "schedule/pipelines/timing.h"

namespace moesim::schedule {

/// What is to be put in order: F, I and W of every chunk and micro-batch.
struct ListWork {
  int ranks = 1, chunks = 1, micro_batches = 1;    // chunks: 1, or 2 in a V
  int limit = 1;                                   // chunk activations a rank may hold
  std::vector<std::array<std::int64_t, 3>> takes;  // (stages) F, I, W
  std::int64_t send = 0;                           // to another rank

  int stage(int rank, int chunk) const { return chunk == 0 ? rank : 2 * ranks - 1 - rank; }
  int rank_of(int stage) const { return stage < ranks ? stage : 2 * ranks - 1 - stage; }
  int stages() const { return ranks * chunks; }
};
ListWork list_work(int ranks, int chunks, int micro_batches, int limit, const ScheduleCosts& costs);

/// How a rank chooses among what it could start.
struct ListChoice {
  enum class Turn { input, forward, alternate } turn = Turn::input;  // I first, F first, or the one that was not last
  /// W in any wait, in one that it fits into, or also where this rank has waited longest of all, be it for anything,
  /// for an F or for an I.
  enum class Fill { always, fits, worst, worst_forward, worst_input } fill = Fill::always;
  bool deep_first = true;  // the chunk of the way back before that of the way out
  int reserve = 0;         // activations left free for the way back when the way out starts another micro-batch
  int pace = 0;  // thousandths: a micro-batch starts no sooner than this part of what the busiest rank takes for one
                 // after the one before it
};

struct ListOrder {
  std::vector<std::vector<Instruction>> programs;
  std::int64_t end = INT64_MAX;  // INT64_MAX: it got stuck
};
ListOrder list_order(const ListWork& work, const ListChoice& choice);

/// The best of many choices, and of the best where F, I and W take as long, at the times asked for; of equal ones the
/// first.  Several times as many micro-batches as ranks are tried in part: the best of those few are then written for
/// all.  Throws std::logic_error if all get stuck.
ListOrder best_order(const ListWork& work);
}  // namespace moesim::schedule
