// Pipeline schedules as data: a short list of instructions a rank, which a family of schedules writes and the executor
// walks.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/family.h"

namespace moesim::schedule {

enum class Op : std::uint8_t {
  forward,         ///< F
  backward,        ///< B: gradients of inputs and of weights
  backward_input,  ///< I: gradients of inputs only
  weight,          ///< W: gradients of weights, after an I of the same micro-batch
  overlapped,      ///< F&B: one micro-batch's F and another's B, interleaved
  optimizer        ///< O: the last of each rank
};
constexpr auto enum_names(Op) {
  return std::to_array<std::pair<std::string_view, Op>>({{"forward", Op::forward},
                                                         {"backward", Op::backward},
                                                         {"backward_input", Op::backward_input},
                                                         {"weight", Op::weight},
                                                         {"overlapped", Op::overlapped},
                                                         {"optimizer", Op::optimizer}});
}

/// Of something that has a member for each operation but the optimiser, the one for `op`.
template <class Of>
const auto& member_for(const Of& of, Op op) {
  switch (op) {
    case Op::forward:
      return of.forward;
    case Op::backward:
      return of.backward;
    case Op::backward_input:
      return of.backward_input;
    case Op::weight:
      return of.weight;
    case Op::overlapped:
      return of.overlapped;
    case Op::optimizer:
      break;
  }
  throw std::logic_error("the optimiser has no member of its own");
}

/// One step of a rank's program.  `chunk` numbers the rank's own pieces of the model.
struct Instruction {
  Op op = Op::forward;
  std::int16_t chunk = 0;
  std::int16_t backward_chunk = 0;  // overlapped only: the B half
  std::int32_t micro_batch = 0;
  std::int32_t backward_micro_batch = 0;
  bool operator==(const Instruction&) const = default;
};
/// "F3", "B3.1" (chunk 1; left out when the rank has one chunk), "F4.0&B2.1", "O".
std::string to_text(const Instruction& instruction, int chunks);

/// Which stage of the model each chunk of a rank holds.
enum class Layout {
  straight,  ///< chunk c of rank r is stage c * ranks + r
  wave,      ///< the same for even chunks; odd chunks run back from the last rank to the first
  two_way    ///< every rank holds stages r (chunk 0) and ranks - 1 - r (chunk 1); half of the micro-batches go each way
};
constexpr auto enum_names(Layout) {
  return std::to_array<std::pair<std::string_view, Layout>>(
      {{"straight", Layout::straight}, {"wave", Layout::wave}, {"two_way", Layout::two_way}});
}

/// Where a stage of one direction is computed.
struct Seat {
  int rank = 0, chunk = 0;
};

/// A whole pipeline's programs.
struct Schedule {
  std::string kind;
  Layout layout = Layout::straight;
  int ranks = 1, chunks = 1, micro_batches = 1;
  std::vector<std::vector<Instruction>> programs;  // by rank

  /// Pieces the model is cut into.
  int stages() const { return layout == Layout::two_way ? ranks : ranks * chunks; }
  int stage_of(int rank, int chunk) const;
  Seat seat(int micro_batch, int stage) const;
  /// Two-way: the first half of the micro-batches go from rank 0 on (0), the others from the last rank (1).
  int direction(int micro_batch) const { return layout == Layout::two_way && 2 * micro_batch >= micro_batches; }
  /// How many times the parameters of a stage are held over all ranks.
  int copies() const { return layout == Layout::two_way ? 2 : 1; }
};

struct ScheduleCosts;  // timing.h

/// Writes the programs for a number of ranks and micro-batches.
class PipelineSchedule {
 public:
  virtual ~PipelineSchedule() = default;
  virtual Layout layout() const { return Layout::straight; }
  virtual int chunks() const { return 1; }
  /// The one shape a written schedule is for; zeros: any.
  struct Shape {
    int ranks = 0, micro_batches = 0;
  };
  virtual Shape only_shape() const { return {}; }
  /// Why this shape is impossible and what would be allowed; "" if it is possible.
  virtual std::string refusal(int ranks, int micro_batches) const = 0;
  /// Called only for shapes that are not refused.  Without the closing optimiser step.
  virtual std::vector<std::vector<Instruction>> programs(int ranks, int micro_batches) const = 0;
  /// Whether the order follows from what the stages take, and nothing in the section says for which times to write it.
  virtual bool follows_times() const { return false; }
  /// The same, written for these times.
  virtual std::vector<std::vector<Instruction>> programs_at(int ranks, int micro_batches, const ScheduleCosts&) const {
    return programs(ranks, micro_batches);
  }
  /// The most chunk activations a rank may hold, from the start of an F to the end of its B or W.
  virtual int in_flight_bound(int ranks, int micro_batches, int rank) const = 0;
};

/// gpipe, 1f1b, interleaved_1f1b, zb_h1, zb_v, v_half, v_min, dualpipe, dualpipev, file.
const Family<PipelineSchedule>& pipeline_schedules();
/// Keys of the file that {kind: file} names.
std::vector<KeyHelp> schedule_file_keys();

/// Builds the programs, each closed by an optimiser step.  times: of the stages, for schedules that follow them; null:
/// each F, I and W takes as long.  Throws ConfigError with the refusal.
Schedule build_schedule(const PipelineSchedule& policy, std::string_view kind, int ranks, int micro_batches,
                        const ScheduleCosts* times = nullptr);
}  // namespace moesim::schedule
