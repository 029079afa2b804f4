// Walks a pipeline schedule on the simulated GPUs: every GPU of every expert-parallel group has its own time, and
// instantiates block templates as it reaches them.
#pragma once
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/engine.h"
#include "core/ids.h"
#include "network/exchanges/exchange.h"
#include "results/span.h"
#include "schedule/executor/alignment.h"
#include "schedule/executor/block.h"
#include "schedule/pipelines/pipeline.h"

namespace moesim::schedule {

/// A simulated GPU: member `member` of the group that holds pipeline rank `rank` in replica `replica`.
struct GpuSeat {
  int replica = 0, rank = 0, member = 0;
};
/// A piece of one micro-batch's block, on one GPU (`seat.member` is not meant where a whole group is).
struct PieceRef {
  GpuSeat seat;
  int stage = 0, block = 0, micro_batch = 0;
  Piece piece{};
  bool beside = false;
};
/// What a compute piece takes: kernels, communication that nothing hides (tensor-parallel collectives, ...), and of the
/// host what launching all that takes.
struct PieceCost {
  Time busy{}, exposed{}, host{};
};

/// What kernels take that take `alone` by themselves and `squeezed` on the SMs that a collective leaves, if one runs
/// beside them for their first `beside`.
Time squeezed_for(Time beside, Time alone, Time squeezed);

/// What the executor asks about the work.
class StepCosts {
 public:
  virtual ~StepCosts() = default;
  virtual int blocks(int stage) const = 0;
  virtual BlockTraits traits(int stage, int block) const = 0;
  /// The model's layer number, for spans; -1 for none.
  virtual int layer(int /*stage*/, int /*block*/) const { return -1; }
  virtual PieceCost compute(const PieceRef& piece) = 0;
  /// What the piece's kernels take on the SMs that a collective of data parallelism leaves; 0: it takes none.
  virtual Time squeezed(const PieceRef& /*piece*/) { return {}; }
  /// Opens an exchange of the group; `arrived(member)` for each member once.
  virtual std::unique_ptr<network::Rendezvous> exchange(const PieceRef& piece, std::function<void(int)> arrived) = 0;
  /// Whether the host waits for the GPU to come to this exchange, since it has to know how many rows come.
  virtual bool host_reads(const PieceRef& /*exchange*/) const { return false; }
  /// Sends an activation (forward) or a gradient to the same member of another rank.
  virtual void send(const GpuSeat& from, int to_rank, bool forward, Action delivered) = 0;
  /// What attention or experts of a forward pass keep until the backward's end.
  virtual Bytes kept(const PieceRef&) { return {}; }
  /// A GPU's memory besides what is kept, and its limit.
  virtual Bytes resident(int /*rank*/) const { return {}; }
  virtual Bytes memory() const { return {INT64_MAX}; }
  /// What to say to whom runs out of it.
  virtual std::string would_fit() const { return "fewer micro-batches in flight would help"; }
  /// The whole group has done with this micro-batch in this stage.
  virtual void finished(int /*replica*/, int /*stage*/, int /*micro_batch*/) {}

  // Data parallelism, on a stream of its own, block after block.  Gradients are reduced as soon as the last micro-batch
  // has been through a block, or each (ZeRO 2); or all at the end.
  virtual Time reduction(int /*rank*/, int /*chunk*/, int /*block*/) const { return {}; }
  virtual bool reduction_overlapped() const { return true; }
  virtual bool reduces_always() const { return false; }
  // Parameters come before the first forward, or before every pass (ZeRO 3): overlapped, a block ahead of what
  // computes.
  virtual Time gather(int /*rank*/, int /*chunk*/, int /*block*/) const { return {}; }
  virtual bool gather_overlapped() const { return true; }
  virtual bool gathers_always() const { return false; }

  // The end of the step, per GPU.
  virtual Time norm_of_own(const GpuSeat&) const { return {}; }  // of the gradients that are on the GPU
  virtual Time norm() const { return {}; }                       // all agree on the whole norm
  virtual Time optimizer(const GpuSeat&) const { return {}; }
};

/// The eight kinds of time a GPU's compute stream spends; they add up to the step.  host: nothing to run, since the
/// host has not launched it yet.
enum class Spent : std::uint8_t {
  forward,
  backward,
  weight,
  overlapped,
  bubble,
  optimizer,
  exposed_communication,
  host
};
constexpr auto enum_names(Spent) {
  return std::to_array<std::pair<std::string_view, Spent>>({{"forward", Spent::forward},
                                                            {"backward", Spent::backward},
                                                            {"weight", Spent::weight},
                                                            {"overlapped", Spent::overlapped},
                                                            {"bubble", Spent::bubble},
                                                            {"optimizer", Spent::optimizer},
                                                            {"exposed_communication", Spent::exposed_communication},
                                                            {"host", Spent::host}});
}
constexpr int kSpent = 8;

struct GpuOutcome {
  GpuSeat seat;
  std::array<Time, kSpent> spent{};
  Bytes peak_memory{};
  Time peak_at{};
  Time communicating{};  // in an exchange, from joining it until everything has arrived
};
/// When a rank's first GPU in the first replica had an instruction, from the step's start.
struct InstructionTime {
  int rank = 0;
  Instruction instruction;
  Time start{}, end{};
  Bytes held{};  // most of it
};
struct StepOutcome {
  Time step{};
  std::vector<GpuOutcome> gpus;               // by replica, rank, member
  std::vector<InstructionTime> instructions;  // in the order they ended
};

class Executor {
 public:
  struct Shape {
    int replicas = 1, members = 1;
  };
  /// gpu_id: the cluster's id of a seat, for spans and messages.
  Executor(Engine& engine, const Schedule& schedule, const TemplateSet& templates, Shape shape, StepCosts& costs,
           std::function<GpuId(const GpuSeat&)> gpu_id, results::SpanLog* spans = nullptr);
  ~Executor();

  /// Runs one step from the engine's now.  Throws ConfigError if a GPU runs out of memory, std::logic_error naming who
  /// waits for what if the schedule never ends.
  StepOutcome run();

 private:
  struct Gpu;
  struct Cell;
  struct Half;
  void advance(int gpu);
  bool try_start(int gpu);
  bool inputs_here(const Gpu& g, const Instruction& i) const;
  void finish_instruction(int gpu);
  void note_instruction(const Gpu& g, const Instruction& i);
  void finish_forward(int gpu, int chunk, int micro_batch);
  void finish_backward(int gpu, int chunk, int micro_batch, bool input, bool weight);
  const Alignment& alignment(int forward_stage, int backward_stage);
  void run_communication(int gpu);
  void run_compute(int gpu);
  void squeeze(Gpu& g, const PieceRef& piece);
  int block_at(const Gpu& g, const BlockStep& step, int slot) const;
  PieceRef ref(const Gpu& g, const BlockStep& step, int slot) const;
  void compute_done(int gpu);
  void arrived(int cell, int member);
  void join(int gpu, const PieceRef& piece);
  void delivered(int gpu, bool forward, int chunk, int micro_batch);
  void hold(int gpu, const PieceRef& piece);
  void piece_done(int gpu, const BlockStep& step, int slot);
  void gradients_done(int gpu, int block);
  void start_reduction(int gpu, int chunk, int block, bool last);
  void begin_gathers();
  std::size_t block_number(int rank, int chunk, int block) const;
  void fetch(Gpu& g, Half& half, int slot);
  void fetch_ahead(Gpu& g);
  bool parameters_here(int gpu, const BlockStep& step, int slot);
  void optimizer_phase(int gpu);
  void norm_known();
  std::size_t key(int chunk, int micro_batch) const;
  void add_span(const Gpu& g, std::string_view stream, const PieceRef& piece, Time start);

  Engine& engine_;
  const Schedule& schedule_;
  const TemplateSet& templates_;
  Shape shape_;
  StepCosts& costs_;
  std::function<GpuId(const GpuSeat&)> gpu_id_;
  results::SpanLog* spans_;
  Time start_{};
  std::vector<Gpu> gpus_;
  std::deque<Cell> cells_;
  std::map<std::pair<int, int>, Alignment> alignments_;  // by forward and backward stage, -1 for none
  bool gathers_always_ = false, reduces_always_ = false, exposes_reductions_ = false;  // of every micro-batch
  std::vector<std::size_t> first_block_;  // (ranks, chunks): among the blocks of all
  std::vector<int> reductions_;           // (blocks, members): replicas that have joined
  std::vector<Time> first_gathers_;       // (blocks) of the step's first parameters, from its start
  int at_norm_ = 0;
  std::vector<InstructionTime> instructions_;
};
}  // namespace moesim::schedule
