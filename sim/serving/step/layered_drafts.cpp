// What drafting costs: level by level, the extra module's or the head's layer over the nodes of each request's tree.
#include <algorithm>
#include <cmath>

#include "serving/step/layered_cost.h"

namespace moesim::serving {
namespace {
// assumed: probabilities, the likeliest of a node's and of the level's, their parents' caches, the mask
constexpr int kTreeKernels = 5;

/// `nodes` tokens of every sequence that decodes.
compute::Batch level_batch(const compute::Batch& step, double nodes) {
  compute::Batch out;
  out.decode = step.decode;
  out.decode.queries = std::llround(double(step.decode.sequences) * nodes);
  out.decode.pairs = double(step.decode.keys) * nodes;
  out.tokens = out.decode.queries;
  return out;
}
}  // namespace

compute::LayerOptions draft_options(compute::LayerOptions options) {
  options.precision = {};
  return options;
}

void LayeredCost::set_up_drafts() {
  if (s_.speculation.kind != DraftKind::eagle) return;
  draft_model_ = std::make_unique<spec::Model>(eagle_model(*s_.model, s_.speculation.eagle));
  draft_parts_ = std::make_unique<PartCosts>(*draft_model_, *s_.kernels, draft_options(s_.options), s_.share);
}

/// One of the model's own extra layers, with projection and head, its experts loaded as those of the last layer that
/// has some, no later than `last`.  repeats: how often it runs so.
Time LayeredCost::mtp_level(std::span<const compute::Batch> ranks, const StepWork& work, int last, double repeats,
                            StepTimes& out) {
  std::int64_t fullest = 0;
  double all = 0;
  for (const compute::Batch& b : ranks) {
    fullest = std::max(fullest, b.tokens);
    all += double(b.tokens);
  }
  const int c = parts_.class_of(s_.model->layers);
  while (last > 0 && ordinal_[std::size_t(last)] < 0) --last;
  const LayerPieces p = attention_pieces(c, ranks, slowest_of_.back());
  parts_.take_above();
  Time one = p[Piece::attention_in] + p[Piece::attention_core] + parts_.shared(c, fullest) + p.tensor_core +
             parts_.mtp(fullest) + parts_.head(fullest, fullest);
  double above = p.above_attention;
  if (ordinal_[std::size_t(last)] >= 0) {
    const ExpertTimes e = bank_->times(std::size_t(ordinal_[std::size_t(last)]), work.step, 2, all,
                                       double(fullest) / s_.parallel.tensor, weights_, repeats);
    one += parts_.gate(c, fullest) + from_seconds(e.dispatch + e.experts + e.combine);
    above += e.above;
  }
  out.drawn += (above + parts_.take_above()) * repeats;
  return one;
}

/// The head's projection, dense layer and vocabulary.
Time LayeredCost::eagle_level(std::span<const compute::Batch> ranks, std::int64_t outputs, double repeats,
                              StepTimes& out) {
  std::int64_t fullest = 0;
  Time attention{};
  double above = 0;
  for (const compute::Batch& b : ranks) {
    const PartCosts::Attention a = draft_parts_->attention(0, b);
    fullest = std::max(fullest, b.tokens);
    if (a.in + a.core <= attention) continue;
    attention = a.in + a.core;
    above = a.above;
  }
  draft_parts_->take_above();
  const Time sums = tensor_time(fullest) * 2;
  const Time one = attention + draft_parts_->shared(0, fullest) + draft_parts_->mtp(fullest) +
                   draft_parts_->head(fullest, outputs) + sums;
  out.drawn += (above + draft_parts_->take_above()) * repeats;
  return one;
}

/// The drafts of a step.  The first level reads what the step before has accepted (an EAGLE head; the model's own layer
/// its last token), each further one its tree's nodes.
Time LayeredCost::draft_time(const StepWork& work, int last, StepTimes& out) {
  const SpeculationSpec& spec = s_.speculation;
  if (!spec.computed()) return {};
  const bool eagle = spec.kind == DraftKind::eagle, tree = spec.tree.width > 1;
  const int depth = spec.depth();
  const double first = eagle ? spec.tokens_per_step() : 1;
  struct Level {
    double nodes;
    int repeats;
  };
  const Level alike[] = {{first, first == 1 && !tree ? depth : 1}, {double(spec.tree.width), depth}};
  Time sum{};
  int done = 0;
  for (const auto& [nodes, most] : alike) {
    const int repeats = std::min(most, depth - done);
    if (repeats <= 0) break;
    done += repeats;
    std::vector<compute::Batch> ranks;
    std::int64_t sequences = 0;
    for (const compute::Batch& b : work.ranks) {
      ranks.push_back(level_batch(b, nodes));
      sequences = std::max(sequences, b.decode.sequences);
    }
    if (sequences == 0) return {};
    const std::int64_t outputs = done == repeats ? sequences : std::llround(double(sequences) * nodes);
    const Time one = eagle ? eagle_level(ranks, outputs, repeats, out) : mtp_level(ranks, work, last, repeats, out);
    sum += one * repeats;
    for (std::size_t r = 0; r < ranks.size() && s_.parallel.tensor > 1; ++r)
      if (ranks[r].tokens > 0)
        sent_.all_reduces[{(s_.parallel.pipeline - 1) * s_.parallel.data + int(r), ranks[r].tokens}] +=
            repeats * (eagle ? 2 : 1);
  }
  if (tree) sum += s_.kernels->cost(compute::SmallChain{kTreeKernels, s_.options.graphs}, s_.share).time * depth;
  return sum;
}
}  // namespace moesim::serving
