// What the executor remembers of each GPU and each group; included by its source files only.
#pragma once
#include <optional>

#include "schedule/executor/executor.h"

namespace moesim::schedule {

/// How far a GPU is in the end of its step.
enum EndOfStep { kArrives, kReducing, kNorming, kAtNorm, kUpdating, kGathering };

/// The forward or backward half of an instruction.
struct Executor::Half {
  int stage = 0, chunk = 0, micro_batch = 0;
  const std::vector<std::int16_t>* blocks = nullptr;  // (slots) block of the stage, -1: none; null: no such half
  void is(int of_stage, int of_chunk, int of_micro_batch) {
    stage = of_stage, chunk = of_chunk, micro_batch = of_micro_batch;
    fetched = 0;
  }
  // Where parameters come before every pass:
  int fetched = 0;          // slots whose parameters were asked for
  std::vector<Time> ready;  // (slots fetched) when they are there
};

struct Executor::Gpu {
  GpuSeat seat;
  int cell = 0;
  const std::vector<Instruction>* program = nullptr;
  std::size_t next = 0;  // instruction
  bool running = false, finished = false;
  bool advancing = false, again = false;  // guards against advance() within itself
  // The running instruction:
  Half forward, backward;
  const BlockTemplate* table = nullptr;
  Time began{};
  bool weights_only = false;
  int slots = 0;
  struct Stream {
    int slot = 0;
    std::size_t item = 0;
    bool busy = false;
    Time since{};
  };
  Stream compute, communication;
  std::array<std::uint16_t, kPieces> done{};
  std::uint32_t exchanges = 0;  // joined so far
  PieceCost now_running;
  Time launched{};        // when the host has launched everything up to the last piece that began
  Time waits_for_host{};  // at the end of the running piece
  // Accounts:
  Time idle_since{}, communicating{};
  std::array<Time, kSpent> spent{};
  std::int64_t held = 0, peak = 0;
  Time peak_at{};
  // The data-parallel stream:
  Time data_free{};
  int reductions_left = 0;  // blocks
  EndOfStep optimizer_state = kArrives;
  Time reduced{};                                     // where reductions are exposed: the last so far
  Time all_gathered{}, waits_until{};                 // the step's first parameters; the event that wakes it
  std::optional<Time> forward_ahead, backward_ahead;  // fetched for the next instruction
  std::vector<int> backwards_left;                    // by chunk
  std::vector<std::uint8_t> inputs;  // (chunks, micro-batches): bit 0 activation, bit 1 gradient has arrived
  std::vector<std::int32_t> kept;    // (chunks, micro-batches): KiB held
  Time& account(Spent s) { return spent[std::size_t(s)]; }
};

struct Executor::Cell {
  std::deque<std::unique_ptr<network::Rendezvous>> open;
  // Finished, but one of them may be what called: kept until time goes on.
  std::vector<std::unique_ptr<network::Rendezvous>> past;
  Time past_at{};
  std::uint32_t first = 0;              // number of open[0]
  std::vector<std::uint16_t> finished;  // (chunks, micro-batches): members that have done with it
};
}  // namespace moesim::schedule
