// In which order a step's layers compute and communicate, as data: no overlap, or two micro-batches that hide each
// other's communication.
#pragma once
#include <array>
#include <span>
#include <vector>

#include "core/config.h"
#include "core/units.h"
#include "serving/step/step_model.h"

namespace moesim::serving {

enum class OverlapKind {
  none,           ///< one batch, everything one after the other
  two_batch,      ///< prefill: attention and shared experts of one micro-batch beside the exchanges of the other
  five_stage,     ///< decode: a layer in five stages, two micro-batches half a layer apart
  shared_expert,  ///< one batch, the shared expert beside the dispatch
  single_batch,   ///< the same, and each expert's results leave as soon as it is done
  shortcut        ///< one batch, exchanges beside the dense networks and the next layer's attention (LongCat)
};
constexpr auto enum_names(OverlapKind) {
  return std::to_array<std::pair<std::string_view, OverlapKind>>({{"none", OverlapKind::none},
                                                                  {"two_batch", OverlapKind::two_batch},
                                                                  {"five_stage", OverlapKind::five_stage},
                                                                  {"shared_expert", OverlapKind::shared_expert},
                                                                  {"single_batch", OverlapKind::single_batch},
                                                                  {"shortcut", OverlapKind::shortcut}});
}

/// The pieces of a layer.  `attention_in` is what comes before the attention core, `attention_core` the rest with the
/// gate; dispatch and combine use the network, all others the SMs.
enum class Piece { attention_in, attention_core, shared, dispatch, experts, combine };
struct OverlapStep {
  Piece piece;
  int micro = 0;  ///< micro-batch
  int layer = 0;  ///< relative to the layer of the round
};
struct OverlapPlan {
  int micro_batches = 1;
  int first_round = 0;                 ///< relative to layer 0: -1 where a round begins work on the next layer
  std::span<const OverlapStep> round;  ///< in the order in which pieces are issued, repeated for every layer
  double results_from = 1;             ///< part of the experts' time after which their first results leave
  int layers = 1;                      ///< that a round takes: 2 where experts join a layer later
};
const OverlapPlan& overlap_plan(OverlapKind kind);

/// Times of one layer's pieces for one micro-batch; dispatch, experts and combine are 0 in a dense layer.
struct LayerPieces {
  std::array<Time, 6> time{};             ///< by Piece
  Time gate{}, tensor_core{};             ///< parts of attention_core, for the books
  Time tensor_shared{};                   ///< part of shared
  double above_attention = 0, above = 0;  ///< energy of attention, and of all that computes: PartCosts::take_above()
  Time& operator[](Piece p) { return time[std::size_t(p)]; }
  const Time& operator[](Piece p) const { return time[std::size_t(p)]; }
};

/// How long the layers take under a plan, everything issued in its order: SMs and network each do one thing at a time,
/// a piece starts when what it needs is there (dispatch: the gate; experts: dispatch; combine: experts; next layer's
/// attention: combine and shared expert of the same micro-batch).
///
/// layers: (layers * micro_batches), micro-batches of a layer together.
/// parts: each second of the result is added to the part that kept the SMs busy, or that they waited for.
/// exposed: (layers) seconds that the SMs waited for each layer's exchanges; may be empty.
Time overlapped_time(const OverlapPlan& plan, std::span<const LayerPieces> layers,
                     std::array<double, kStepParts>& parts, std::span<double> exposed = {});
}  // namespace moesim::serving
