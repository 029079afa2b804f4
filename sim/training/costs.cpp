#include "training/costs.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/check.h"

namespace moesim {
namespace {
constexpr int kSides = 2;  // alone, beside the other stream

/// The layer parts and pass of each compute piece; experts have their own way.
struct PieceParts {
  Piece piece;
  Pass pass;
  std::vector<LayerPart> parts;
};
const std::vector<PieceParts>& layer_pieces() {
  static const std::vector<PieceParts> table = {
      {Piece::attention, Pass::forward, {LayerPart::attention, LayerPart::gate}},
      {Piece::shared, Pass::forward, {LayerPart::shared}},
      {Piece::merge, Pass::forward, {LayerPart::merge}},
      {Piece::shared_back, Pass::backward_input, {LayerPart::shared}},
      {Piece::experts_back, Pass::backward_input, {LayerPart::merge}},  // the experts' own part is added per GPU
      {Piece::attention_back, Pass::backward_input, {LayerPart::gate, LayerPart::attention}},
      {Piece::shared_weight, Pass::weight_gradient, {LayerPart::shared}},
      {Piece::attention_weight, Pass::weight_gradient, {LayerPart::gate, LayerPart::attention}}};
  return table;
}

/// The parts of `piece` that `block` has.
std::vector<LayerPart> parts_in(const Model& model, const PlanBlock& block, const PieceParts& piece) {
  const bool attention = piece.parts.back() == LayerPart::attention || piece.parts.front() == LayerPart::attention;
  switch (block.kind) {
    case PlanBlock::Kind::embedding:
      return attention ? std::vector{LayerPart::embedding} : std::vector<LayerPart>{};
    case PlanBlock::Kind::mtp:
      return attention ? std::vector{LayerPart::mtp} : std::vector<LayerPart>{};
    case PlanBlock::Kind::head:
      return attention ? std::vector{LayerPart::head} : std::vector<LayerPart>{};
    case PlanBlock::Kind::layer:
      break;
  }
  const std::vector<LayerPart> has = parts_of(model, block.layer);
  std::vector<LayerPart> out;
  for (LayerPart part : piece.parts)
    if (std::ranges::find(has, part) != has.end()) out.push_back(part);
  return out;
}

std::vector<Operation> operations_of(const TrainingPlan& plan, const PlanBlock& block, const PieceParts& piece) {
  std::vector<Operation> out;
  for (LayerPart part : parts_in(plan.model, block, piece))
    append_operations(out, plan.model, block.layer, part, piece.pass, plan.batch, {}, plan.options);
  return out;
}

GpuShare share_of(const TrainingPlan& plan, bool beside) {
  return {beside ? plan.cluster.node.gpu.sms - plan.section.communication_sms : 0, 1};
}

/// Rows of `used` experts with `tiles` tiles of 128 rows in all, the last tile of each half full.
std::vector<std::int64_t> rows_of_tiles(int used, int tiles) {
  std::vector<std::int64_t> rows;
  for (int e = 0; e < used; ++e) rows.push_back(std::int64_t{tiles / used + (e < tiles % used)} * 128 - 64);
  return rows;
}

Time expert_seconds(const TrainingPlan& plan, KernelCosts& kernels, Pass pass, bool beside,
                    std::span<const std::int64_t> rows) {
  std::vector<Operation> operations;
  int layer = 0;
  while (!plan.model.is_moe_layer(layer)) ++layer;
  append_operations(operations, plan.model, layer, LayerPart::experts, pass, plan.batch, rows, plan.options);
  return total_time(operations, kernels, share_of(plan, beside));
}

Pass pass_of(Piece piece) {
  if (piece == Piece::experts) return Pass::forward;
  return piece == Piece::experts_back ? Pass::backward_input : Pass::weight_gradient;
}
}  // namespace

double block_seconds(const TrainingPlan& plan, const PlanBlock& block, KernelCosts& kernels) {
  Time sum{};
  for (const PieceParts& piece : layer_pieces()) sum += total_time(operations_of(plan, block, piece), kernels);
  if (block.moe) {
    const MoeShape& moe = *plan.model.moe;
    const int experts = moe.experts / plan.section.parallel.expert;
    const std::int64_t mean = std::max<std::int64_t>(1, std::int64_t{plan.tokens_per_member()} * moe.top_k / experts);
    const std::vector<std::int64_t> rows(std::size_t(experts), mean);
    for (Piece piece : {Piece::experts, Piece::experts_back, Piece::experts_weight})
      sum += expert_seconds(plan, kernels, pass_of(piece), false, rows);
  }
  return seconds(sum);
}

TrainingCosts::TrainingCosts(const TrainingPlan& plan, KernelCosts& kernels, Network& network, TrainingLoads* loads)
    : plan_(plan),
      kernels_(kernels),
      network_(network),
      loads_(loads),
      send_times_(std::size_t(plan.schedule.ranks * plan.schedule.ranks), Time{-1}) {
  const int hidden = plan_.model.hidden;
  message_ = bf16_row(hidden) * plan_.tokens_per_member();
  price_blocks(kernels);
  price_end(network);
  find_resident();
  if (loads_ == nullptr) return;
  for (int replica = 0; replica < plan_.replicas; ++replica)
    for (int rank = 0; rank < plan_.schedule.ranks; ++rank) {
      std::vector<GpuId> members;
      for (int m = 0; m < plan_.members; ++m) members.push_back(gpu({replica, rank, m}));
      groups_.push_back(std::make_unique<ExchangeGroup>(network_.topology(), std::move(members)));
    }
  specs_.resize(std::size_t(kPieces) * kSides);
  const Bytes sent = plan_.section.precision.linear == Dtype::fp8 ? fp8_row(hidden) : bf16_row(hidden);
  for (int side = 0; side < kSides; ++side)
    for (Piece piece : {Piece::dispatch, Piece::combine, Piece::combine_back, Piece::dispatch_back}) {
      const bool out = piece == Piece::dispatch || piece == Piece::combine_back;
      ExchangeSpec& spec = specs_[std::size_t(piece) * kSides + std::size_t(side)];
      spec.direction = out ? ExchangeDirection::dispatch : ExchangeDirection::combine;
      spec.row = out ? sent : bf16_row(hidden);
      spec.sms = plan_.section.communication_sms;
      // Beside compute it takes as long as one with that many more bytes.
      spec.payload = spec.row;
      if (side == 1) spec.row = Bytes{std::int64_t(double(spec.row.v) / plan_.section.beside_compute)};
    }
}
TrainingCosts::~TrainingCosts() = default;

GpuId TrainingCosts::gpu(const GpuSeat& seat) const {
  return GpuId(
      std::uint32_t(seat.rank * plan_.gpus_per_stage + seat.replica * plan_.replica_gpus + seat.member * plan_.stride));
}

PieceCost& TrainingCosts::fixed(int stage, int block, Piece piece, bool beside) {
  return fixed_[((first_block_[std::size_t(stage)] + std::size_t(block)) * kPieces + std::size_t(piece)) * kSides +
                beside];
}

Time TrainingCosts::collective(Collective what, const std::vector<GpuId>& members, double bytes) const {
  if (members.size() < 2 || bytes <= 0) return {};
  return collective_time(network_.topology(), network_.calibration(), what, CollectiveAlgorithm::best, members,
                         {std::int64_t(bytes)});
}

void TrainingCosts::price_blocks(KernelCosts& kernels) {
  const ParallelSection& p = plan_.section.parallel;
  const Model& model = plan_.model;
  std::vector<GpuId> tensor_group, context_group;
  for (int i = 0; i < p.tensor; ++i) tensor_group.push_back(GpuId(std::uint32_t(i)));
  for (int i = 0; i < p.context; ++i) context_group.push_back(GpuId(std::uint32_t(i * p.tensor)));
  // Sequence parallelism: gather a layer part's input, scatter its output, and the same going backward.
  const double activations = double(plan_.batch.tokens) * model.hidden * 2;
  activations_ = activations;
  const Time tensor_pair = collective(Collective::all_gather, tensor_group, activations) +
                           collective(Collective::reduce_scatter, tensor_group, activations);
  // Context parallelism: keys and values of the whole sequence come to every GPU beside the attention core.
  const AttentionShape& a = model.attention;
  const double keys =
      double(plan_.batch.tokens) * p.context * std::max(1, a.kv_heads / p.tensor) * (a.head_dim + a.v_head_dim) * 2;
  keys_ = keys;
  const Time ring = collective(Collective::all_gather, context_group, keys);

  for (const auto& stage : plan_.stages) {
    first_block_.push_back(fixed_.size() / kPieces / kSides);
    tensor_pairs_.push_back(0);
    context_rings_.push_back(0);
    for (const PlanBlock& block : stage) {
      fixed_.resize(fixed_.size() + std::size_t(kPieces) * kSides);
      PieceCost* costs = &fixed_[fixed_.size() - std::size_t(kPieces) * kSides];
      for (const PieceParts& piece : layer_pieces()) {
        const std::vector<Operation> operations = operations_of(plan_, block, piece);
        for (int side = 0; side < kSides; ++side) {
          const GpuShare share = share_of(plan_, side == 1);
          PieceCost& cost = costs[std::size_t(piece.piece) * kSides + std::size_t(side)];
          cost.busy = total_time(operations, kernels, share);
          if (piece.pass == Pass::weight_gradient || operations.empty()) continue;
          const bool attention = piece.piece == Piece::attention || piece.piece == Piece::attention_back;
          if (attention || piece.piece == Piece::shared || piece.piece == Piece::shared_back) {
            cost.exposed += tensor_pair;
            tensor_pairs_.back() += side == 0;
          }
          if (!attention || block.kind != PlanBlock::Kind::layer) continue;
          if (side == 0) context_rings_.back() += piece.piece == Piece::attention ? 1 : 2;
          Time core{};
          for (const Operation& o : operations)
            if (std::holds_alternative<AttentionPrefill>(o.kernel) ||
                std::holds_alternative<AttentionBackward>(o.kernel))
              core += kernels.time(o.kernel, share);
          const Time moved = piece.piece == Piece::attention ? ring : 2 * ring;  // back: gathered again, and reduced
          cost.exposed += std::max(Time{0}, moved - core);
        }
      }
      kept_.push_back({});
      if (block.kind != PlanBlock::Kind::layer) {
        kept_.back() = {plan_.batch.tokens / p.tensor * model.hidden * 2};
        continue;
      }
      const auto bytes = [&](std::int64_t rows) {
        Bytes sum{};
        for (const MemoryItem& item : layer_activations(model, block.layer, plan_.batch, rows, plan_.options))
          sum += item.bytes;
        return sum;
      };
      kept_.back() = bytes(0);
      if (block.moe) kept_row_ = (bytes(1 << 20) - bytes(0)) / (1 << 20);
    }
  }
}

BlockTraits TrainingCosts::traits(int stage, int block) const {
  const PlanBlock& b = plan_.stages[std::size_t(stage)][std::size_t(block)];
  return {b.moe, b.kind == PlanBlock::Kind::layer || b.kind == PlanBlock::Kind::head};
}
int TrainingCosts::layer(int stage, int block) const {
  const PlanBlock& b = plan_.stages[std::size_t(stage)][std::size_t(block)];
  return b.kind == PlanBlock::Kind::layer ? b.layer : -1;
}

PieceCost TrainingCosts::compute(const PieceRef& piece) {
  PieceCost cost = fixed(piece.stage, piece.block, piece.piece, piece.beside);
  if ((piece.piece == Piece::experts || piece.piece == Piece::experts_back || piece.piece == Piece::experts_weight) &&
      traits(piece.stage, piece.block).exchanges) {
    const PieceCost more = expert_piece(piece);
    cost.busy += more.busy;
    cost.exposed += more.exposed;
  }
  if (const double s = speed(piece.seat); s < 1) cost.busy = from_seconds(seconds(cost.busy) / s);
  return cost;
}

PieceCost TrainingCosts::expert_piece(const PieceRef& piece) {
  const ExchangeLoad& load = loads_->of(piece.seat.replica, piece.stage, piece.block, piece.micro_batch);
  const std::size_t slots = std::size_t(load.slots / load.gpus);
  int used = 0, tiles = 0;
  for (std::size_t k = 0; k < slots; ++k) {
    const std::int32_t rows = load.slot_rows[std::size_t(piece.seat.member) * slots + k];
    used += rows > 0;
    tiles += (rows + 127) / 128;
  }
  if (used == 0) return {};
  PieceCost out{expert_time(piece.piece, piece.beside, used, tiles), {}};
  const int parts = plan_.section.parallel.expert_tensor;
  if (parts > 1 && !is_weight(piece.piece)) {
    // Each GPU of the expert's tensor group needs all rows, and their partial results are added up.
    std::vector<GpuId> group;
    for (int i = 0; i < parts; ++i) group.push_back(GpuId(std::uint32_t(i)));
    const double bytes = double(tiles) * 128 * plan_.model.hidden * 2;
    out.exposed =
        collective(Collective::all_gather, group, bytes) + collective(Collective::reduce_scatter, group, bytes);
    const Time now = network_.engine().now();
    for (GpuId& member : group) member = GpuId(index(gpu(piece.seat)) + index(member));
    for (const Collective what : {Collective::all_gather, Collective::reduce_scatter})
      network_.count(collective_transfers(network_.topology(), network_.calibration(), what, CollectiveAlgorithm::best,
                                          group, {std::int64_t(bytes)}),
                     now, now + out.exposed);
  }
  return out;
}

Time TrainingCosts::expert_time(Piece piece, bool beside, int used, int tiles) {
  std::vector<Time>& times = expert_times_[{int(piece) * kSides + beside, used}];
  if (times.size() <= std::size_t(tiles)) times.resize(std::size_t(tiles) + 1, Time{-1});
  Time& time = times[std::size_t(tiles)];
  if (time.v < 0) time = expert_seconds(plan_, kernels_, pass_of(piece), beside, rows_of_tiles(used, tiles));
  return time;
}

std::unique_ptr<Rendezvous> TrainingCosts::exchange(const PieceRef& piece, std::function<void(int)> arrived) {
  const ExchangeLoad& load = loads_->of(piece.seat.replica, piece.stage, piece.block, piece.micro_batch);
  return open_exchange(network_, *groups_[std::size_t(piece.seat.replica * plan_.schedule.ranks + piece.seat.rank)],
                       specs_[std::size_t(piece.piece) * kSides + piece.beside], load, std::move(arrived));
}

void TrainingCosts::send(const GpuSeat& from, int to_rank, bool, Action delivered) {
  const GpuSeat to{from.replica, to_rank, from.member};
  if (!network_.closed_form()) return network_.send(gpu(from), gpu(to), message_, delivered);
  Time& takes = send_times_[std::size_t(from.rank * plan_.schedule.ranks + to_rank)];
  if (takes.v < 0) takes = collective(Collective::point_to_point, {gpu(from), gpu(to)}, double(message_.v));
  const Time now = network_.engine().now();
  const Transfer message = network_.bulk(gpu(from), gpu(to), message_);
  network_.count({&message, 1}, now, now + takes);
  network_.engine().after(takes, "send", delivered);
}

Bytes TrainingCosts::kept(const PieceRef& piece) {
  const std::size_t block = first_block_[std::size_t(piece.stage)] + std::size_t(piece.block);
  if (piece.piece == Piece::attention) return kept_[block];
  if (!traits(piece.stage, piece.block).exchanges) return {};
  const ExchangeLoad& load = loads_->of(piece.seat.replica, piece.stage, piece.block, piece.micro_batch);
  const std::size_t slots = std::size_t(load.slots / load.gpus);
  std::int64_t rows = 0;
  for (std::size_t k = 0; k < slots; ++k) rows += load.slot_rows[std::size_t(piece.seat.member) * slots + k];
  return kept_row_ * rows;
}

void TrainingCosts::finished(int replica, int stage, int micro_batch) {
  if (loads_ != nullptr) loads_->release(replica, stage, micro_batch);
}
}  // namespace moesim
