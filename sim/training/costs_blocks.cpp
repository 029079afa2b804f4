// The operations of a block's pieces, and what its experts cost on one GPU.
#include <algorithm>

#include "compute/layers/even_rows.h"
#include "training/costs.h"
#include "training/pieces.h"

namespace moesim::training {

const std::vector<PieceParts>& layer_pieces() {
  static const std::vector<PieceParts> table = {
      {schedule::Piece::attention, compute::Pass::forward, {compute::LayerPart::attention, compute::LayerPart::gate}},
      {schedule::Piece::shared, compute::Pass::forward, {compute::LayerPart::shared}},
      {schedule::Piece::merge, compute::Pass::forward, {compute::LayerPart::merge}},
      {schedule::Piece::shared_back, compute::Pass::backward_input, {compute::LayerPart::shared}},
      {schedule::Piece::experts_back,
       compute::Pass::backward_input,
       {compute::LayerPart::merge}},  // the experts' own part is added per GPU
      {schedule::Piece::attention_back,
       compute::Pass::backward_input,
       {compute::LayerPart::gate, compute::LayerPart::attention}},
      {schedule::Piece::shared_weight, compute::Pass::weight_gradient, {compute::LayerPart::shared}},
      {schedule::Piece::attention_weight,
       compute::Pass::weight_gradient,
       {compute::LayerPart::gate, compute::LayerPart::attention}}};
  return table;
}

namespace {
/// The parts of `piece` that `block` has.
std::vector<compute::LayerPart> parts_in(const spec::Model& model, const PlanBlock& block, const PieceParts& piece) {
  const bool attention =
      piece.parts.back() == compute::LayerPart::attention || piece.parts.front() == compute::LayerPart::attention;
  switch (block.kind) {
    case PlanBlock::Kind::embedding:
      return attention ? std::vector{compute::LayerPart::embedding} : std::vector<compute::LayerPart>{};
    case PlanBlock::Kind::mtp:
      return attention ? std::vector{compute::LayerPart::mtp} : std::vector<compute::LayerPart>{};
    case PlanBlock::Kind::head:
      return attention ? std::vector{compute::LayerPart::head} : std::vector<compute::LayerPart>{};
    case PlanBlock::Kind::layer:
      break;
  }
  const std::vector<compute::LayerPart> has = compute::parts_of(model, block.layer);
  std::vector<compute::LayerPart> out;
  for (compute::LayerPart part : piece.parts)
    if (std::ranges::find(has, part) != has.end()) out.push_back(part);
  return out;
}

}  // namespace

std::vector<compute::Operation> operations_of(const TrainingPlan& plan, const PlanBlock& block,
                                              const PieceParts& piece) {
  std::vector<compute::Operation> out;
  for (compute::LayerPart part : parts_in(plan.model, block, piece))
    compute::append_operations(out, plan.model, block.layer, part, piece.pass, plan.batch, {}, plan.setup.options);
  return out;
}

compute::GpuShare share_of(const TrainingPlan& plan, bool beside, bool data) {
  const compute::GpuShare share = beside ? plan.setup.beside : compute::GpuShare{};
  return data ? beside_collective(plan, share, plan.gpus_per_stage > plan.cluster.node.gpus) : share;
}

compute::GpuShare beside_collective(const TrainingPlan& plan, compute::GpuShare share, bool across_nodes) {
  const int sms = share.sms > 0 ? share.sms : plan.cluster.node.gpu.sms;
  share.sms = std::max(1, sms - network::sms_of_collective(across_nodes));
  return share;
}

namespace {
/// Rows of `used` experts with `tiles` tiles of 128 rows in all, the last tile of each half full.
std::vector<std::int64_t> rows_of_tiles(int used, int tiles) {
  std::vector<std::int64_t> rows;
  for (int e = 0; e < used; ++e) rows.push_back(std::int64_t{tiles / used + (e < tiles % used)} * 128 - 64);
  return rows;
}

std::vector<compute::Operation> expert_operations(const TrainingPlan& plan, compute::Pass pass,
                                                  std::span<const std::int64_t> rows) {
  std::vector<compute::Operation> operations;
  int layer = 0;
  while (!plan.model.is_moe_layer(layer)) ++layer;
  compute::append_operations(operations, plan.model, layer, compute::LayerPart::experts, pass, plan.batch, rows,
                             plan.setup.options);
  return operations;
}
Time expert_seconds(const TrainingPlan& plan, compute::KernelCosts& kernels, compute::Pass pass,
                    compute::GpuShare share, std::span<const std::int64_t> rows) {
  return compute::total_time(expert_operations(plan, pass, rows), kernels, share);
}

compute::Pass pass_of(schedule::Piece piece) {
  if (piece == schedule::Piece::experts) return compute::Pass::forward;
  return piece == schedule::Piece::experts_back ? compute::Pass::backward_input : compute::Pass::weight_gradient;
}
}  // namespace

namespace {
double parameters_in(std::span<const compute::Operation> operations) {
  double bytes = 0;
  for (const compute::Operation& o : operations)
    if (o.adapter) bytes += double(o.weights.v);
  return bytes / spec::element_bytes(spec::Dtype::bf16);
}

/// Of one GPU that has so many experts.
BlockParameters adapters_in(const TrainingPlan& plan, const PlanBlock& block, int experts) {
  BlockParameters out;
  for (const PieceParts& piece : layer_pieces())
    if (schedule::is_forward(piece.piece)) out.dense += parameters_in(operations_of(plan, block, piece));
  const std::vector<std::int64_t> rows(std::size_t(experts), 1);
  if (block.moe && block.kind == PlanBlock::Kind::layer)
    out.experts = parameters_in(expert_operations(plan, compute::Pass::forward, rows));
  return out;
}
}  // namespace

BlockParameters trained_parameters(const TrainingPlan& plan, const PlanBlock& block) {
  if (plan.setup.options.adapters.rank == 0) return block_parameters(plan, block);
  return adapters_in(plan, block, plan.model.moe ? plan.model.moe->experts / plan.section.parallel.expert : 0);
}

BlockParameters gathered_parameters(const TrainingPlan& plan, const PlanBlock& block) {
  BlockParameters out = trained_parameters(plan, block);
  if (plan.section.parallel.zero < 3 || plan.setup.options.adapters.rank == 0) return out;
  const BlockParameters frozen = block_parameters(plan, block);
  return {out.dense + frozen.dense, out.experts + frozen.experts};
}

double adapter_parameters(const TrainingPlan& plan) {
  TrainingPlan whole = plan;
  whole.setup.options.tensor = whole.setup.options.expert_tensor = 1;
  double sum = 0;
  for (const auto& stage : plan.stages)
    for (const PlanBlock& block : stage) {
      const BlockParameters p = adapters_in(whole, block, plan.model.moe ? plan.model.moe->experts : 0);
      sum += p.dense + p.experts;
    }
  return sum;
}

double flops_of_row(const TrainingPlan& plan, schedule::Piece piece) {
  const std::vector<std::int64_t> rows{128};
  double sum = 0;
  for (const compute::Operation& o : expert_operations(plan, pass_of(piece), rows)) sum += o.useful.v;
  return sum / double(rows[0]);
}

double block_seconds(const TrainingPlan& plan, const PlanBlock& block, compute::KernelCosts& kernels) {
  Time sum{};
  for (const PieceParts& piece : layer_pieces()) sum += compute::total_time(operations_of(plan, block, piece), kernels);
  if (block.moe) {
    const spec::MoeShape& moe = *plan.model.moe;
    const int experts = moe.experts / plan.section.parallel.expert;
    const std::int64_t mean =
        std::max<std::int64_t>(1, compute::even_rows(plan.model, plan.batch.tokens, plan.setup.options) / experts);
    const std::vector<std::int64_t> rows(std::size_t(experts), mean);
    for (schedule::Piece piece :
         {schedule::Piece::experts, schedule::Piece::experts_back, schedule::Piece::experts_weight})
      sum += expert_seconds(plan, kernels, pass_of(piece), {}, rows);
  }
  return seconds(sum);
}

schedule::PieceCost TrainingCosts::expert_cost(const schedule::PieceRef& ref, bool data, int used, int tiles) {
  const schedule::Piece piece = ref.piece;
  ExpertTimes& times = expert_times_[{int(piece) * kShares + share_number(ref.beside, data), used}];
  if (times.host.v < 0) {
    const std::vector<std::int64_t> rows = rows_of_tiles(used, used);
    times.host = host_time(plan_, piece, expert_operations(plan_, pass_of(piece), rows));
  }
  if (times.kernels.size() <= std::size_t(tiles)) times.kernels.resize(std::size_t(tiles) + 1, Time{-1});
  Time& time = times.kernels[std::size_t(tiles)];
  if (time.v < 0)
    time =
        expert_seconds(plan_, kernels_, pass_of(piece), share_of(plan_, ref.beside, data), rows_of_tiles(used, tiles));
  return {time, {}, times.host};
}
}  // namespace moesim::training
