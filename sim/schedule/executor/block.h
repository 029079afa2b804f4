// Block templates: how the pieces of one layer, forward and backward, are laid on a GPU's two streams.  Data, so that
// another overlap is another table.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "schedule/pipelines/pipeline.h"

namespace moesim::schedule {

/// The pieces of one block (a layer, or the embedding, or the head).  A dense block has no exchanges and no experts.
/// Going backward the exchanges mirror: combine_back brings output gradients to the experts, dispatch_back takes input
/// gradients home.
enum class Piece : std::uint8_t {
  attention,         ///< with the gate
  dispatch,          ///< exchange
  shared,            ///< the shared expert, or the whole FFN of a dense layer
  experts,           ///< routed rows
  combine,           ///< exchange
  merge,             ///< weighted sum of what came back
  combine_back,      ///< exchange
  shared_back,       ///< gradients of inputs
  experts_back,      ///< with the backward of merge
  dispatch_back,     ///< exchange
  attention_back,    ///< with the gate's
  experts_weight,    ///< gradients of weights
  shared_weight,     ///<
  attention_weight,  ///<
};
constexpr int kPieces = 14;
constexpr auto enum_names(Piece) {
  return std::to_array<std::pair<std::string_view, Piece>>({{"attention", Piece::attention},
                                                            {"dispatch", Piece::dispatch},
                                                            {"shared", Piece::shared},
                                                            {"experts", Piece::experts},
                                                            {"combine", Piece::combine},
                                                            {"merge", Piece::merge},
                                                            {"combine_back", Piece::combine_back},
                                                            {"shared_back", Piece::shared_back},
                                                            {"experts_back", Piece::experts_back},
                                                            {"dispatch_back", Piece::dispatch_back},
                                                            {"attention_back", Piece::attention_back},
                                                            {"experts_weight", Piece::experts_weight},
                                                            {"shared_weight", Piece::shared_weight},
                                                            {"attention_weight", Piece::attention_weight}});
}
constexpr bool is_forward(Piece p) { return p <= Piece::merge; }
constexpr bool is_weight(Piece p) { return p >= Piece::experts_weight; }
constexpr bool is_exchange(Piece p) {
  return p == Piece::dispatch || p == Piece::combine || p == Piece::combine_back || p == Piece::dispatch_back;
}

/// One row of a template's table.
struct BlockStep {
  Piece piece{};
  bool beside = false;  // runs while the other stream works: compute on its part of the SMs, an exchange slowed by it
  std::optional<Piece> after{};           // of the same block, besides what the piece needs
  std::optional<Piece> after_previous{};  // of the block before
};
/// Each stream takes its rows in order, each as soon as what it needs is done, block after block.
struct BlockTemplate {
  std::vector<BlockStep> compute, communication;
};
struct TemplateSet {
  BlockTemplate forward, backward, backward_input, weight, overlapped;
  const BlockTemplate& of(Op op) const;  // not of the optimiser
};

/// Where a shared expert, or gradients of weights, are computed: beside an exchange that needs nothing of them, or in
/// turn, so that it has nothing beside it.
enum class Turn { automatic, beside, in_turn };
constexpr auto enum_names(Turn) {
  return std::to_array<std::pair<std::string_view, Turn>>(
      {{"auto", Turn::automatic}, {"beside", Turn::beside}, {"in_turn", Turn::in_turn}});
}
struct Beside {
  bool shared_expert = true;     // beside the exchanges of its layer; else before the dispatch, backward after it
  bool weight_gradients = true;  // of experts and shared expert, beside the exchange of their inputs' gradients
};

/// Single passes overlap only what is independent anyway, and of that what `beside` says.
/// overlapped "dualpipe": each exchange of one micro-batch lies beside compute of the other, as DeepSeek published in
/// its training profile (2025); "none": the forward, then the backward.
TemplateSet block_templates(const std::string& overlapped = "dualpipe", Beside beside = {});
/// A scenario's `overlap:`: one of those words, or {compute: [...], communication: [...]} for the overlapped pair;
/// auto, and where nothing is said, what the schedule can use. Throws ConfigError for a table that lacks a piece,
/// repeats one, or never ends, and for a pair that the schedule never runs.
TemplateSet read_block_templates(const Config& parent, std::string_view key, const Schedule& schedule,
                                 Beside beside = {});
/// Whether some rank of the schedule runs such an operation.
bool runs(const Schedule& schedule, Op op);
/// Keys of such a table.
std::vector<KeyHelp> overlap_keys();

/// True if the step of the `slot`-th block (counted from 0) may start: done[p] blocks have finished piece p.
bool step_ready(const BlockStep& step, int slot, const std::array<std::uint16_t, kPieces>& done, bool weights_only);
}  // namespace moesim::schedule
