#include <fmt/format.h>

#include <algorithm>

#include "schedule/pipelines/pipeline.h"
#include "schedule/pipelines/size.h"

namespace moesim::schedule {
namespace {
/// 1F1B over several chunks a rank: groups of `ranks` micro-batches pass chunk after chunk.
/// Source: Narayanan et al., Efficient Large-Scale Language Model Training on GPU Clusters Using Megatron-LM, 2021.
/// overlapped: a forward and a backward of the steady part are one pair, for which every rank runs one forward more
/// ahead.  Source: Megatron Core, --overlap-moe-expert-parallel-comm.
class Interleaved final : public PipelineSchedule {
 public:
  struct Params {
    int chunks = 2;
    bool overlapped = false;
    static void fields(auto& f, auto& p) {
      f("chunks", p.chunks, "pieces of the model a rank holds");
      f("overlapped", p.overlapped,
        "a forward and a backward in turn run together, exchanges of one beside compute of the other");
    }
  };
  explicit Interleaved(Params p) : p_(p) {}
  int chunks() const override { return p_.chunks; }
  std::string refusal(int ranks, int micro_batches) const override {
    if (p_.chunks < 2)
      return fmt::format("interleaved_1f1b needs at least 2 chunks a rank, got {}; with 1 it is 1f1b", p_.chunks);
    if (p_.chunks > kMostChunks)
      return fmt::format("interleaved_1f1b takes at most {} chunks a rank, got {}", kMostChunks, p_.chunks);
    if (std::int64_t{micro_batches} * p_.chunks > INT32_MAX)
      return fmt::format("{} micro-batches of {} chunks are more than a program can number", micro_batches, p_.chunks);
    if (ranks < 2) return "interleaved_1f1b needs at least 2 pipeline stages, got 1";
    if (micro_batches % ranks != 0)
      return fmt::format("interleaved_1f1b needs a multiple of the {} stages as micro-batches, got {}; {} would do",
                         ranks, micro_batches, (micro_batches / ranks + 1) * ranks);
    return "";
  }
  std::vector<std::vector<Instruction>> programs(int ranks, int micro_batches) const override {
    std::vector<std::vector<Instruction>> out(std::size_t(ranks), std::vector<Instruction>{});
    const int total = micro_batches * p_.chunks;
    for (int rank = 0; rank < ranks; ++rank) {
      auto& program = out[std::size_t(rank)];
      const int warm_up = std::min(warm_up_of(ranks, rank), total);
      for (int k = 0; k < total + warm_up; ++k) {
        const bool forward = k < total, backward = k >= warm_up;
        if (forward) program.push_back(piece(Op::forward, ranks, k));
        if (!backward) continue;
        const Instruction b = piece(Op::backward, ranks, k - warm_up);
        if (forward && p_.overlapped)
          program.back() = {Op::overlapped, program.back().chunk, b.chunk, program.back().micro_batch, b.micro_batch};
        else
          program.push_back(b);
      }
    }
    return out;
  }
  int in_flight_bound(int ranks, int micro_batches, int rank) const override {
    return std::min(warm_up_of(ranks, rank) + 1, micro_batches * p_.chunks);
  }

 private:
  int warm_up_of(int ranks, int rank) const { return 2 * (ranks - 1 - rank) + (p_.chunks - 1) * ranks + p_.overlapped; }
  /// The k-th forward, or backward, of every rank.
  Instruction piece(Op op, int ranks, int k) const {
    const int round = k / (ranks * p_.chunks), within = k % (ranks * p_.chunks);
    const int chunk = op == Op::forward ? within / ranks : p_.chunks - 1 - within / ranks;
    return {op, std::int16_t(chunk), 0, round * ranks + within % ranks};
  }
  Params p_;
};
}  // namespace

Strategy<PipelineSchedule> interleaved_schedule() {
  return strategy<Interleaved, PipelineSchedule>("interleaved_1f1b", "1f1b over several chunks a rank");
}
}  // namespace moesim::schedule
