#include "schedule/executor/block.h"

#include <fmt/format.h>

#include <algorithm>

namespace moesim::schedule {
namespace {
constexpr bool kAlone = false, kBeside = true;

BlockTemplate dualpipe_pair() {
  BlockTemplate out;
  for (Piece p :
       {Piece::attention, Piece::shared_back, Piece::experts_back, Piece::experts_weight, Piece::shared_weight,
        Piece::shared, Piece::experts, Piece::attention_back, Piece::attention_weight, Piece::merge})
    out.compute.push_back({p, kBeside});
  for (Piece p : {Piece::combine_back, Piece::dispatch, Piece::dispatch_back, Piece::combine})
    out.communication.push_back({p, kBeside});
  return out;
}

BlockTemplate one_after_the_other(const BlockTemplate& first, const BlockTemplate& second) {
  BlockTemplate out = first;
  out.compute.insert(out.compute.end(), second.compute.begin(), second.compute.end());
  out.communication.insert(out.communication.end(), second.communication.begin(), second.communication.end());
  return out;
}

bool at_least(const std::array<std::uint16_t, kPieces>& done, Piece p, int blocks) {
  return done[std::size_t(p)] >= blocks;
}

/// Runs one block of the table; false if both streams wait for each other.
bool ends(const BlockTemplate& table) {
  std::array<std::uint16_t, kPieces> done{};
  std::size_t at[2] = {0, 0};
  const std::vector<BlockStep>* streams[2] = {&table.compute, &table.communication};
  for (bool moved = true; moved;) {
    moved = false;
    for (int s : {0, 1})
      while (at[s] < streams[s]->size() && step_ready((*streams[s])[at[s]], 0, done, false)) {
        ++done[std::size_t((*streams[s])[at[s]++].piece)];
        moved = true;
      }
  }
  return at[0] == table.compute.size() && at[1] == table.communication.size();
}

BlockTemplate forward_pass(bool shared_beside) {
  const std::optional<Piece> dispatched = shared_beside ? std::nullopt : std::optional(Piece::shared);
  return {
      {{Piece::attention, kAlone}, {Piece::shared, shared_beside}, {Piece::experts, kAlone}, {Piece::merge, kAlone}},
      {{Piece::dispatch, kAlone, dispatched}, {Piece::combine, kAlone}}};
}

/// In turn, a layer's part has the gradients of its weights before it hands on those of its inputs, as autograd's nodes
/// do (Megatron-LM without delay_wgrad_compute), and a shared expert, which came before the dispatch, comes after it
/// (without moe_shared_expert_overlap).
BlockTemplate backward_pass(Beside beside, bool weights) {
  BlockTemplate out;
  const auto shared = [&](std::optional<Piece> after, bool gradients) {
    out.compute.push_back({Piece::shared_back, beside.shared_expert, after});
    if (gradients) out.compute.push_back({Piece::shared_weight, beside.shared_expert, after});
  };
  const bool late = weights && beside.weight_gradients;
  if (beside.shared_expert) shared({}, weights && !late);
  out.compute.push_back({Piece::experts_back, kAlone});
  if (weights) out.compute.push_back({Piece::experts_weight, late});
  if (!beside.shared_expert) shared(Piece::dispatch_back, weights);
  if (late && beside.shared_expert) out.compute.push_back({Piece::shared_weight, kBeside});
  out.compute.push_back({Piece::attention_back, kAlone});
  if (weights) out.compute.push_back({Piece::attention_weight, kAlone});
  const bool in_turn = weights && !late;
  BlockStep from_next{Piece::combine_back, kAlone}, handed_on{Piece::dispatch_back, kAlone};
  if (in_turn) from_next.after_previous = Piece::attention_weight, handed_on.after = Piece::experts_weight;
  out.communication = {from_next, handed_on};
  return out;
}

struct Table {
  std::vector<Piece> compute, communication;
  static void fields(auto& f, auto& p) {
    f.required("compute", p.compute, "pieces on the compute stream, in order");
    f.required("communication", p.communication, "exchanges on the communication stream, in order");
  }
};

std::vector<BlockStep> steps(const Config& where, const std::vector<Piece>& pieces, bool exchanges) {
  std::vector<BlockStep> out;
  for (Piece p : pieces) {
    if (is_exchange(p) != exchanges)
      where.fail(fmt::format("{} is {} an exchange", name_of(p), exchanges ? "not" : "no compute but"));
    if (std::ranges::count(pieces, p) > 1) where.fail(fmt::format("{} appears twice", name_of(p)));
    out.push_back({p, kBeside});
  }
  for (const auto& [name, p] : enum_names(Piece{}))
    if (is_exchange(p) == exchanges && std::ranges::count(pieces, p) == 0) where.fail(fmt::format("lacks {}", name));
  return out;
}
}  // namespace

std::vector<KeyHelp> overlap_keys() { return keys_of<Table>(); }

const BlockTemplate& TemplateSet::of(Op op) const { return member_for(*this, op); }

bool runs(const Schedule& schedule, Op op) {
  return std::ranges::any_of(schedule.programs, [op](const std::vector<Instruction>& program) {
    return std::ranges::find(program, op, &Instruction::op) != program.end();
  });
}

TemplateSet block_templates(const std::string& overlapped, Beside beside) {
  TemplateSet out;
  out.forward = forward_pass(beside.shared_expert);
  out.backward = backward_pass(beside, true);
  out.backward_input = backward_pass(beside, false);
  out.weight = {{{Piece::experts_weight, kAlone}, {Piece::shared_weight, kAlone}, {Piece::attention_weight, kAlone}},
                {}};
  out.overlapped = overlapped == "none" ? one_after_the_other(out.forward, out.backward) : dualpipe_pair();
  return out;
}

TemplateSet read_block_templates(const Config& parent, std::string_view key, const Schedule& schedule, Beside beside) {
  if (!parent.has(key)) {
    parent.resolve(key, "auto");
    return block_templates("dualpipe", beside);
  }
  const Config config = parent.at(key);
  const auto needs_pairs = [&] {
    if (!runs(schedule, Op::overlapped))
      config.fail(
          fmt::format("{} runs no forward and backward together, so there is nothing to overlap; auto or none "
                      "would do, or a schedule that does (dualpipe, dualpipev)",
                      schedule.kind));
  };
  if (config.is_scalar()) {
    const std::string word = config.text();
    if (word != "auto" && word != "dualpipe" && word != "none")
      config.fail(
          fmt::format("expected auto, dualpipe, none, or a table of compute and communication, got \"{}\"", word));
    if (word == "dualpipe") needs_pairs();
    parent.resolve(key, word);
    return block_templates(word, beside);
  }
  const Table table = read<Table>(config);
  TemplateSet out = block_templates("dualpipe", beside);
  out.overlapped.compute = steps(config.at("compute"), table.compute, false);
  out.overlapped.communication = steps(config.at("communication"), table.communication, true);
  if (!ends(out.overlapped)) config.fail("the two streams wait for each other: this order never ends");
  needs_pairs();
  return out;
}

bool step_ready(const BlockStep& step, int slot, const std::array<std::uint16_t, kPieces>& done, bool weights_only) {
  if (weights_only) return true;
  if (step.after && !at_least(done, *step.after, slot + 1)) return false;
  if (step.after_previous && !at_least(done, *step.after_previous, slot)) return false;
  const int before = slot, this_one = slot + 1;
  switch (step.piece) {
    case Piece::attention:
      return at_least(done, Piece::merge, before);
    case Piece::dispatch:
    case Piece::shared:
      return at_least(done, Piece::attention, this_one);
    case Piece::experts:
      return at_least(done, Piece::dispatch, this_one);
    case Piece::combine:
      return at_least(done, Piece::experts, this_one);
    case Piece::merge:
      return at_least(done, Piece::combine, this_one) && at_least(done, Piece::shared, this_one);
    case Piece::combine_back:
    case Piece::shared_back:
      return at_least(done, Piece::attention_back, before);
    case Piece::experts_back:
      return at_least(done, Piece::combine_back, this_one);
    case Piece::dispatch_back:
      return at_least(done, Piece::experts_back, this_one);
    case Piece::attention_back:
      return at_least(done, Piece::dispatch_back, this_one) && at_least(done, Piece::shared_back, this_one);
    case Piece::experts_weight:
      return at_least(done, Piece::experts_back, this_one);
    case Piece::shared_weight:
      return at_least(done, Piece::shared_back, this_one);
    case Piece::attention_weight:
      return at_least(done, Piece::attention_back, this_one);
  }
  throw std::logic_error("a block has no such piece");
}
}  // namespace moesim::schedule
