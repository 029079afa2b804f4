#include "training/costs.h"

#include <algorithm>

#include "network/groups/delayed.h"

namespace moesim::training {

TrainingCosts::TrainingCosts(const TrainingPlan& plan, compute::KernelCosts& kernels, network::Network& network,
                             TrainingLoads* loads)
    : plan_(plan),
      kernels_(kernels),
      network_(network),
      loads_(loads),
      send_times_(std::size_t(plan.schedule.ranks * plan.schedule.ranks), Time{-1}) {
  for (schedule::Piece piece :
       {schedule::Piece::experts, schedule::Piece::experts_back, schedule::Piece::experts_weight})
    row_flops_[std::size_t(piece)] = plan_.model.moe ? flops_of_row(plan_, piece) : 0;
  message_ = network::bf16_row(plan_.model.stream_width()) * plan_.tokens_per_member();
  price_blocks(kernels);
  price_end();
  find_resident();
  if (loads_ != nullptr) open_exchanges();
}
TrainingCosts::~TrainingCosts() = default;

void TrainingCosts::open_exchanges() {
  for (int replica = 0; replica < plan_.replicas; ++replica)
    for (int rank = 0; rank < plan_.schedule.ranks; ++rank) {
      std::vector<GpuId> members;
      for (int m = 0; m < plan_.members; ++m) members.push_back(gpu({replica, rank, m}));
      groups_.push_back(std::make_unique<network::ExchangeGroup>(network_.topology(), std::move(members)));
    }
  specs_.resize(std::size_t(schedule::kPieces) * kSides);
  for (int side = 0; side < kSides; ++side)
    for (schedule::Piece piece : {schedule::Piece::dispatch, schedule::Piece::combine, schedule::Piece::combine_back,
                                  schedule::Piece::dispatch_back}) {
      const bool out = piece == schedule::Piece::dispatch || piece == schedule::Piece::combine_back;
      network::ExchangeSpec& spec = specs_[std::size_t(piece) * kSides + std::size_t(side)];
      spec = out ? plan_.setup.dispatch : plan_.setup.combine;
      // What is computed again gets its rows, and sends results, once more before its gradients come.
      if (piece == schedule::Piece::combine_back && exchanges_again())
        spec.row += plan_.setup.dispatch.row + plan_.setup.combine.row;
      // Beside compute it takes as long as one with that many more bytes.
      spec.payload = spec.row;
      if (side == 1) spec.row = Bytes{std::int64_t(double(spec.row.v) / plan_.section.beside_compute)};
    }
}

GpuId TrainingCosts::gpu(const schedule::GpuSeat& seat) const {
  return GpuId(
      std::uint32_t(seat.rank * plan_.gpus_per_stage + seat.replica * plan_.replica_gpus + seat.member * plan_.stride));
}

schedule::PieceCost& TrainingCosts::fixed(const schedule::PieceRef& piece, bool data) {
  return fixed_[number_of(piece.stage, piece.block, piece.piece) * kShares +
                std::size_t(share_number(piece.beside, data))];
}
std::size_t TrainingCosts::number_of(int stage, int block, schedule::Piece piece) const {
  return (first_block_[std::size_t(stage)] + std::size_t(block)) * schedule::kPieces + std::size_t(piece);
}

std::vector<GpuId> group_of(int first, int stride, int count) {
  std::vector<GpuId> out;
  for (int i = 0; i < count; ++i) out.push_back(GpuId(std::uint32_t(first + i * stride)));
  return out;
}

Time TrainingCosts::collective(network::Collective what, const std::vector<GpuId>& members, double bytes) const {
  if (members.size() < 2 || bytes <= 0) return {};
  return network::collective_time(network_.topology(), network_.calibration(), what, network::CollectiveAlgorithm::best,
                                  members, {std::int64_t(bytes)});
}

schedule::BlockTraits TrainingCosts::traits(int stage, int block) const {
  const PlanBlock& b = plan_.stages[std::size_t(stage)][std::size_t(block)];
  return {b.moe, b.kind == PlanBlock::Kind::layer || b.kind == PlanBlock::Kind::head};
}
int TrainingCosts::layer(int stage, int block) const {
  const PlanBlock& b = plan_.stages[std::size_t(stage)][std::size_t(block)];
  return b.kind == PlanBlock::Kind::layer ? b.layer : -1;
}

bool TrainingCosts::has_experts(const schedule::PieceRef& piece) const {
  return (piece.piece == schedule::Piece::experts || piece.piece == schedule::Piece::experts_back ||
          piece.piece == schedule::Piece::experts_weight) &&
         traits(piece.stage, piece.block).exchanges;
}

schedule::PieceCost TrainingCosts::compute(const schedule::PieceRef& piece) {
  schedule::PieceCost cost = fixed(piece, false);
  if (has_experts(piece)) {
    const schedule::PieceCost more = expert_piece(piece);
    cost.busy += more.busy;
    cost.exposed += more.exposed;
    cost.host += more.host;
  }
  cost.exposed += copies_beside(piece);
  work_.flops += flops_[number_of(piece.stage, piece.block, piece.piece)];
  if (const double s = speed(piece.seat); s < 1) cost.busy = from_seconds(seconds(cost.busy) / s);
  return cost;
}

Time TrainingCosts::squeezed(const schedule::PieceRef& piece) {
  Time busy = fixed(piece, true).busy;
  if (has_experts(piece))
    if (const ExpertRows here = rows_of(piece); here.used > 0)
      busy += expert_cost(piece, true, here.used, here.tiles).busy;
  return from_seconds(seconds(busy) / std::min(1.0, speed(piece.seat)));
}

TrainingCosts::ExpertRows TrainingCosts::rows_of(const schedule::PieceRef& piece) const {
  const exchange::ExchangeLoad& load = loads_->of(piece.seat.replica, piece.stage, piece.block, piece.micro_batch);
  const std::size_t slots = std::size_t(load.slots / load.gpus);
  ExpertRows out;
  for (std::size_t k = 0; k < slots; ++k) {
    const std::int32_t here = load.slot_rows[std::size_t(piece.seat.member) * slots + k];
    out.used += here > 0;
    out.tiles += (here + 127) / 128;
    out.rows += here;
  }
  return out;
}

schedule::PieceCost TrainingCosts::expert_piece(const schedule::PieceRef& piece) {
  const auto [used, tiles, rows] = rows_of(piece);
  if (used == 0) return {};
  work_.rows += piece.piece == schedule::Piece::experts ? rows : 0;
  work_.flops += row_flops_[std::size_t(piece.piece)] * double(rows);
  schedule::PieceCost out = expert_cost(piece, false, used, tiles);
  if (plan_.section.parallel.expert_tensor > 1 && !schedule::is_weight(piece.piece))
    out.exposed = join_lanes(piece, rows);
  return out;
}

/// Each GPU of the expert's tensor group needs the rows of all lanes, and its part of their results is added to the
/// others'.
Time TrainingCosts::join_lanes(const schedule::PieceRef& piece, std::int64_t rows) {
  const int lanes = plan_.section.parallel.expert_tensor;
  // The forward's once more where the layer is computed again.
  const bool again = piece.piece == schedule::Piece::experts_back && exchanges_again();
  const Time now = network_.engine().now();
  Time takes{};
  for (const bool out : {true, false}) {
    const network::Collective what = out ? network::Collective::all_gather : network::Collective::reduce_scatter;
    const Bytes bytes = (out ? plan_.setup.dispatch.row : plan_.setup.combine.row) * rows * (again ? 2 : 1);
    const Time each = collective(what, group_of(0, 1, lanes), double(bytes.v));
    takes += each;
    // One lane stands for all: what it sends itself.
    const int own = int(index(gpu(piece.seat)));
    for (const network::Transfer& t :
         network::collective_transfers(network_.topology(), network_.calibration(), what,
                                       network::CollectiveAlgorithm::best, group_of(own, 1, lanes), bytes))
      if (index(t.from) == std::size_t(own)) network_.count({&t, 1}, now, now + each);
  }
  return takes;
}

std::unique_ptr<network::Rendezvous> TrainingCosts::exchange(const schedule::PieceRef& piece,
                                                             std::function<void(int)> arrived) {
  const exchange::ExchangeLoad& load = loads_->of(piece.seat.replica, piece.stage, piece.block, piece.micro_batch);
  auto out = network::open_exchange(network_,
                                    *groups_[std::size_t(piece.seat.replica * plan_.schedule.ranks + piece.seat.rank)],
                                    specs_[std::size_t(piece.piece) * kSides + piece.beside], load, std::move(arrived));
  if (piece.piece != schedule::Piece::dispatch) return out;  // the way back is the way out
  const Time solve = loads_->solve_time(piece.stage, piece.block);
  return solve.v > 0 ? network::delayed(network_.engine(), plan_.members, solve, std::move(out)) : std::move(out);
}

void TrainingCosts::send(const schedule::GpuSeat& from, int to_rank, bool, Action delivered) {
  const schedule::GpuSeat to{from.replica, to_rank, from.member};
  if (!network_.closed_form()) return network_.send(gpu(from), gpu(to), message_, delivered);
  Time& takes = send_times_[std::size_t(from.rank * plan_.schedule.ranks + to_rank)];
  if (takes.v < 0) takes = collective(network::Collective::point_to_point, {gpu(from), gpu(to)}, double(message_.v));
  const Time now = network_.engine().now();
  const network::Transfer message = network_.bulk(gpu(from), gpu(to), message_);
  network_.count({&message, 1}, now, now + takes);
  network_.engine().after(takes, "send", delivered);
}

Bytes TrainingCosts::activations(const schedule::PieceRef& piece) const {
  if (piece.piece == schedule::Piece::attention)
    return kept_[first_block_[std::size_t(piece.stage)] + std::size_t(piece.block)];
  if (!traits(piece.stage, piece.block).exchanges) return {};
  return kept_row_ * rows_of(piece).rows;
}

Bytes TrainingCosts::kept(const schedule::PieceRef& piece) {
  const Bytes all = activations(piece);
  return is_layer(piece) ? Bytes{std::int64_t(double(all.v) * plan_.stays())} : all;
}

/// What copying activations to the host, and back before they are needed, takes beyond the kernels of their layer,
/// which they lie beside: those of attention and network, or of the experts.
Time TrainingCosts::copies_beside(const schedule::PieceRef& piece) {
  using schedule::Piece;
  if (plan_.stays() == 1 || !is_layer(piece)) return {};
  const bool experts = piece.piece == Piece::experts || piece.piece == Piece::experts_back;
  if (!experts && piece.piece != Piece::attention && piece.piece != Piece::attention_back) return {};
  if (experts && !has_experts(piece)) return {};
  schedule::PieceRef of = piece;
  of.piece = experts ? Piece::experts : Piece::attention;
  const Time moved =
      from_seconds(double(activations(of).v) * (1 - plan_.stays()) / plan_.cluster.node.host_bandwidth.v);
  Time beside{};
  const auto add = [&](Piece other) { beside += fixed_[number_of(piece.stage, piece.block, other) * kShares].busy; };
  const bool forward = schedule::is_forward(piece.piece);
  if (experts) {
    of.piece = piece.piece;
    if (const ExpertRows here = rows_of(of); here.used > 0)
      beside += expert_cost(of, false, here.used, here.tiles).busy;
  } else {
    add(piece.piece);
    add(forward ? Piece::shared : Piece::shared_back);
  }
  return std::max(Time{0}, moved - beside);
}

void TrainingCosts::finished(int replica, int stage, int micro_batch) {
  if (loads_ != nullptr) loads_->release(replica, stage, micro_batch);
}
}  // namespace moesim::training
