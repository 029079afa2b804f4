#include "schedule/pipelines/pipeline.h"

#include <fmt/format.h>

#include "core/check.h"
#include "schedule/pipelines/size.h"

namespace moesim::schedule {
namespace {
std::string one(char letter, int micro_batch, int chunk, int chunks) {
  return chunks == 1 ? fmt::format("{}{}", letter, micro_batch) : fmt::format("{}{}.{}", letter, micro_batch, chunk);
}
}  // namespace

std::string to_text(const Instruction& i, int chunks) {
  switch (i.op) {
    case Op::forward:
      return one('F', i.micro_batch, i.chunk, chunks);
    case Op::backward:
      return one('B', i.micro_batch, i.chunk, chunks);
    case Op::backward_input:
      return one('I', i.micro_batch, i.chunk, chunks);
    case Op::weight:
      return one('W', i.micro_batch, i.chunk, chunks);
    case Op::overlapped:
      return one('F', i.micro_batch, i.chunk, chunks) + "&" +
             one('B', i.backward_micro_batch, i.backward_chunk, chunks);
    case Op::optimizer:
      return "O";
  }
  throw std::logic_error("an instruction has no operation");
}

int Schedule::stage_of(int rank, int chunk) const {
  switch (layout) {
    case Layout::straight:
      return chunk * ranks + rank;
    case Layout::wave:
      return chunk * ranks + (chunk % 2 == 0 ? rank : ranks - 1 - rank);
    case Layout::two_way:
      return chunk == 0 ? rank : ranks - 1 - rank;
  }
  throw std::logic_error("a schedule has no layout");
}

Seat Schedule::seat(int micro_batch, int stage) const {
  switch (layout) {
    case Layout::straight:
      return {stage % ranks, stage / ranks};
    case Layout::wave: {
      const int chunk = stage / ranks, place = stage % ranks;
      return {chunk % 2 == 0 ? place : ranks - 1 - place, chunk};
    }
    case Layout::two_way: {
      const int way = direction(micro_batch);
      return {way == 0 ? stage : ranks - 1 - stage, way};
    }
  }
  throw std::logic_error("a schedule has no layout");
}

Schedule build_schedule(const PipelineSchedule& policy, std::string_view kind, int ranks, int micro_batches,
                        const ScheduleCosts* times) {
  if (ranks < 1) throw ConfigError(fmt::format("a pipeline needs at least 1 stage, got {}", ranks));
  if (micro_batches < 1) throw ConfigError(fmt::format("a step needs at least 1 micro-batch, got {}", micro_batches));
  if (ranks > kMostRanks) throw ConfigError(fmt::format("at most {} pipeline stages, got {}", kMostRanks, ranks));
  if (micro_batches > kMostMicroBatches)
    throw ConfigError(fmt::format("at most {} micro-batches a step, got {}", kMostMicroBatches, micro_batches));
  if (const std::string why = policy.refusal(ranks, micro_batches); !why.empty()) throw ConfigError(why);
  Schedule out{std::string(kind),
               policy.layout(),
               ranks,
               policy.chunks(),
               micro_batches,
               times != nullptr && policy.follows_times() ? policy.programs_at(ranks, micro_batches, *times)
                                                          : policy.programs(ranks, micro_batches)};
  check(int(out.programs.size()) == ranks, "schedule {} wrote {} programs for {} ranks", kind, out.programs.size(),
        ranks);
  for (auto& program : out.programs) program.push_back({Op::optimizer});
  return out;
}
}  // namespace moesim::schedule
