#include "training/rank_holds.h"

#include <algorithm>

#include "compute/layers/even_rows.h"
#include "training/costs.h"

namespace moesim::training {
namespace {
/// One chunk of a rank: its layers, what a micro-batch keeps in them and in what is no layer.
struct Chunk {
  std::vector<int> layers;
  Bytes of_layers{}, of_others{};
};

void add_block(const TrainingPlan& plan, const PlanBlock& block, RankHolds& out, Chunk& chunk) {
  switch (block.kind) {
    case PlanBlock::Kind::embedding:
      out.layers.embedding = true;
      break;
    case PlanBlock::Kind::head:
      out.layers.head = true;
      break;
    case PlanBlock::Kind::mtp:
      out.layers.mtp = true;
      break;
    case PlanBlock::Kind::layer:
      out.layers.layers.push_back(block.layer);
      chunk.layers.push_back(block.layer);
      chunk.of_layers += compute::sum_of(
          compute::layer_activations(plan.model, block.layer, plan.batch, out.rows, plan.setup.options));
      return;
  }
  chunk.of_others += Bytes{plan.batch.tokens / plan.section.parallel.tensor * plan.model.hidden * 2};
}

/// What is whole for a while where it is kept in shards: with ZeRO 2 the gradients of a block until they are reduced,
/// with 3 also the weights of the block that computes and of the one ahead.  Of the largest block.
Bytes whole_blocks(const TrainingPlan& plan, int rank) {
  const int zero = plan.section.parallel.zero;
  const StateSection& state = plan.section.state;
  if (zero < 2) return {};
  double most = 0;  // bits
  for (int c = 0; c < plan.schedule.chunks; ++c)
    for (const PlanBlock& block : plan.stages[std::size_t(plan.schedule.stage_of(rank, c))]) {
      const BlockParameters trained = trained_parameters(plan, block), read = gathered_parameters(plan, block);
      most = std::max(most, (trained.dense + trained.experts) * spec::element_bits(state.gradients) +
                                (zero == 3 ? (read.dense + read.experts) * 2 * spec::element_bits(state.weights) : 0));
    }
  return {std::int64_t(most / 8)};
}

/// Of activations that the host keeps: those of the layer that computes, and of the one before, still on their way.  Of
/// the largest layer.
Bytes on_the_way(const TrainingPlan& plan, int rank, std::int64_t rows) {
  if (plan.stays() == 1) return {};
  Bytes most{};
  for (int c = 0; c < plan.schedule.chunks; ++c)
    for (const PlanBlock& block : plan.stages[std::size_t(plan.schedule.stage_of(rank, c))])
      if (block.kind == PlanBlock::Kind::layer)
        most = std::max(most, compute::sum_of(compute::layer_activations(plan.model, block.layer, plan.batch, rows,
                                                                         plan.setup.options)));
  return Bytes{std::int64_t(2 * (1 - plan.stays()) * double(most.v))};
}

/// Micro-batches that each chunk keeps when the rank keeps most: from the start of a forward to the end of the
/// backward or weight gradient.  An overlapped pair holds both.
std::vector<int> kept_at_peak(const schedule::Schedule& schedule, int rank, const std::vector<Chunk>& chunks) {
  std::vector<int> now(chunks.size(), 0), at_peak = now;
  double most = 0;
  const auto forward = [&](int chunk) {
    ++now[std::size_t(chunk)];
    double bytes = 0;
    for (std::size_t c = 0; c < chunks.size(); ++c)
      bytes += double(now[c]) * double((chunks[c].of_layers + chunks[c].of_others).v);
    if (bytes > most) most = bytes, at_peak = now;
  };
  for (const schedule::Instruction& i : schedule.programs[std::size_t(rank)]) switch (i.op) {
      case schedule::Op::forward:
        forward(i.chunk);
        break;
      case schedule::Op::overlapped:
        forward(i.chunk);
        --now[std::size_t(i.backward_chunk)];
        break;
      case schedule::Op::backward:
      case schedule::Op::weight:
        --now[std::size_t(i.chunk)];
        break;
      case schedule::Op::backward_input:
      case schedule::Op::optimizer:
        break;
    }
  return at_peak;
}
}  // namespace

RankHolds rank_holds(const TrainingPlan& plan, int rank, int slots) {
  const schedule::Schedule& s = plan.schedule;
  const StateSection& state = plan.section.state;
  RankHolds out;
  out.state = {.weights = state.weights,
               .master = state.master,
               .gradients = state.gradients,
               .moments = state.moments,
               .zero = plan.section.parallel.zero,
               .data_parallel = plan.dense_copies(),
               .expert_parallel_data = plan.expert_copies()};
  out.layers.experts = slots;
  if (plan.model.moe) {
    out.rows = compute::even_rows(plan.model, plan.batch.tokens, plan.setup.options);
    // Both directions of one dispatch and one combine, of two micro-batches when they overlap.
    out.buffers = Bytes{2 * plan.model.hidden} * (4 * out.rows);
  }
  out.buffers += whole_blocks(plan, rank) + on_the_way(plan, rank, out.rows);
  std::vector<Chunk> chunks(std::size_t(s.chunks));
  for (int c = 0; c < s.chunks; ++c)
    for (const PlanBlock& block : plan.stages[std::size_t(s.stage_of(rank, c))])
      add_block(plan, block, out, chunks[std::size_t(c)]);
  const std::vector<int> kept = kept_at_peak(s, rank, chunks);
  out.other = {"embedding, heads, MTP", {}, "head dgrad"};
  for (std::size_t c = 0; c < chunks.size(); ++c) {
    out.in_flight.insert(out.in_flight.end(), chunks[c].layers.size(), kept[c] * plan.stays());
    out.other.bytes += kept[c] * chunks[c].of_others;
    out.on_host += Bytes{std::int64_t((1 - plan.stays()) * double(chunks[c].of_layers.v))} * kept[c];
  }
  return out;
}
}  // namespace moesim::training
