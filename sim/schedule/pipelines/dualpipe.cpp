#include <fmt/format.h>

#include "schedule/pipelines/pipeline.h"

namespace moesim::schedule {
namespace {
/// The eight steps that DualPipe and DualPipeV share.  "Near" and "far" are the two micro-batch streams of a rank: the
/// one that enters the pipeline at its end, and the other.
/// Source: DeepSeek, DualPipe, 2025.
class EightSteps {
 public:
  EightSteps(int near_chunk, int near_first, int far_chunk, int far_first)
      : chunk_{std::int16_t(near_chunk), std::int16_t(far_chunk)},
        forward_{near_first, far_first},
        backward_{near_first, far_first} {}

  /// place: distance from the pipeline's end; half: places; count: micro-batches of each stream.
  std::vector<Instruction> write(int place, int half, int count) {
    const int inner = half - 1 - place;
    for (int i = 0; i < 2 * inner; ++i) forward(0);
    for (int i = 0; i <= place; ++i) forward(0), forward(1);
    for (int i = 0; i < inner; ++i) backward(1, true), weight(), forward(1);
    for (int i = 0; i < count - 2 * half + place + 1; ++i) {
      if (i == 0 && inner == 0)
        forward(0), backward(1, false);  // the middle rank has just passed this micro-batch on to itself
      else
        overlapped(0, 1);
      overlapped(1, 0);
    }
    for (int i = 0; i < inner; ++i) backward(1, false), overlapped(1, 0);
    for (int i = 0; i < 2 * (place + 1); ++i) backward(1 - i % 2, i > place);
    for (int i = 0; i < inner; ++i) weight(), backward(0, true);
    for (int i = 0; i <= place; ++i) weight();
    return std::move(out_);
  }

 private:
  void forward(int stream) { out_.push_back({Op::forward, chunk_[stream], 0, forward_[stream]++}); }
  void backward(int stream, bool split) {
    out_.push_back({split ? Op::backward_input : Op::backward, chunk_[stream], 0, backward_[stream]++});
    if (split) late_.push_back(out_.back());
  }
  void weight() {
    out_.push_back(late_[next_late_++]);
    out_.back().op = Op::weight;
  }
  void overlapped(int f, int b) {
    out_.push_back({Op::overlapped, chunk_[f], chunk_[b], forward_[f]++, backward_[b]++});
  }

  std::int16_t chunk_[2];
  int forward_[2], backward_[2];
  std::vector<Instruction> out_, late_;
  std::size_t next_late_ = 0;
};

struct NoParams {
  static void fields(auto&, auto&) {}
};

class DualPipe final : public PipelineSchedule {
 public:
  using Params = NoParams;
  explicit DualPipe(Params) {}
  Layout layout() const override { return Layout::two_way; }
  int chunks() const override { return 2; }
  std::string refusal(int ranks, int micro_batches) const override {
    if (ranks % 2 != 0)
      return fmt::format("dualpipe needs an even number of stages, got {}; {} or {} would do", ranks, ranks - 1,
                         ranks + 1);
    if (micro_batches < 2 * ranks)
      return fmt::format("dualpipe needs at least 2 x {} stages = {} micro-batches, got {}", ranks, 2 * ranks,
                         micro_batches);
    if (micro_batches % 2 != 0)
      return fmt::format("dualpipe needs an even number of micro-batches, got {}; {} or {} would do", micro_batches,
                         micro_batches - 1, micro_batches + 1);
    return "";
  }
  std::vector<std::vector<Instruction>> programs(int ranks, int micro_batches) const override {
    std::vector<std::vector<Instruction>> out;
    const int half = ranks / 2, count = micro_batches / 2;
    for (int rank = 0; rank < ranks; ++rank)
      out.push_back(rank < half ? EightSteps(0, 0, 1, count).write(rank, half, count)
                                : EightSteps(1, count, 0, 0).write(ranks - 1 - rank, half, count));
    return out;
  }
  int in_flight_bound(int ranks, int, int) const override { return ranks + 1; }
};

class DualPipeV final : public PipelineSchedule {
 public:
  using Params = NoParams;
  explicit DualPipeV(Params) {}
  Layout layout() const override { return Layout::wave; }
  int chunks() const override { return 2; }
  std::string refusal(int ranks, int micro_batches) const override {
    if (micro_batches < 2 * ranks)
      return fmt::format("dualpipev needs at least 2 x {} ranks = {} micro-batches, got {}", ranks, 2 * ranks,
                         micro_batches);
    return "";
  }
  std::vector<std::vector<Instruction>> programs(int ranks, int micro_batches) const override {
    std::vector<std::vector<Instruction>> out;
    for (int rank = 0; rank < ranks; ++rank) out.push_back(EightSteps(0, 0, 1, 0).write(rank, ranks, micro_batches));
    return out;
  }
  int in_flight_bound(int ranks, int, int) const override { return 2 * ranks + 1; }
};
}  // namespace

Strategy<PipelineSchedule> dualpipe_schedule() {
  return strategy<DualPipe, PipelineSchedule>("dualpipe", "two directions, forward overlapped with backward (F&B)");
}
Strategy<PipelineSchedule> dualpipev_schedule() {
  return strategy<DualPipeV, PipelineSchedule>("dualpipev", "DualPipe folded to a V: one copy of the parameters");
}
}  // namespace moesim::schedule
