#include "serving/service/kv_transfers.h"

#include <algorithm>

namespace moesim::serving {
namespace {
constexpr Time kOutside = 1_s;  // assumed: for so long a prompt from elsewhere was computed, and its cache comes
}  // namespace

/// GPUs that send or take a part of a rank's KV cache: of several copies the first (SGLang,
/// python/sglang/srt/disaggregation/common/conn.py: the others do nothing unless
/// SGLANG_DISAGGREGATION_ALL_CP_RANKS_TRANSFER).
int KvTransfers::shards_of(const Hold& hold) const {
  const PoolShape& pool = fleet_.pool_of(fleet_.of(hold));
  return std::max(1, pool.tensor) * pool.instance.stages;
}

/// The GPU that holds part `part` of `of` equal parts of a rank's KV cache: its stages' layers, their heads.
int KvTransfers::gpu_of(const Hold& hold, int part, int of) const {
  const Fleet::Member& m = fleet_.of(hold);
  const PoolShape& pool = fleet_.pool_of(m);
  const int tensor = std::max(1, pool.tensor), place = part * tensor * pool.instance.stages / of;
  return m.first_gpu + (place / tensor * pool.instance.ranks + hold.rank) * pool.context * tensor + place % tensor;
}

bool KvTransfers::same_node(const Hold& a, const Hold& b) const {
  return gpu_of(a) / gpus_per_node_ == gpu_of(b) / gpus_per_node_;
}

/// Counts what of a KV cache crosses beside the flow that stands for all: other GPUs of the ranks, layers before.
void KvTransfers::count_rest(const Live& live, Bytes flow, Time lasts) {
  const Bytes all = fleet_.of(live.source).instance->shape().kv_bytes(live.computed);
  const int parts = std::max(shards_of(live.source), shards_of(live.hold));
  for (int i = 0; i < parts; ++i) {
    const Bytes part = all * (i + 1) / parts - all * i / parts - (i == 0 ? flow : Bytes{});
    if (part.v > 0)
      mover_->count(gpu_of(live.source, i, parts), gpu_of(live.hold, i, parts), part, engine_.now() - lasts,
                    engine_.now());
  }
}

void KvTransfers::count_outside(const Hold& hold, bool out, Bytes bytes, Time from, Time until) {
  const int parts = shards_of(hold);
  for (int i = 0; mover_ != nullptr && i < parts; ++i)
    mover_->count_outside(gpu_of(hold, i, parts), out, bytes * (i + 1) / parts - bytes * i / parts, from, until);
}

void KvTransfers::count_departed(const Live& live) {
  count_outside(live.hold, true, fleet_.of(live.hold).instance->shape().kv_bytes(live.computed), live.start,
                engine_.now());
}

/// Charges a KV cache that comes or goes to the ports of the rank's GPUs.  Returns how busy these are with exchanges.
double KvTransfers::share_ports(const Hold& hold, bool nvlink, Bytes bytes, Time lasts) {
  const Fleet::Member& m = fleet_.of(hold);
  StepModel& model = m.instance->step_model();
  const PoolShape& pool = fleet_.pool_of(m);
  const int tensor = std::max(1, pool.tensor);
  for (int i = 0; i < tensor; ++i) model.crosses(hold.rank * pool.context * tensor + i, nvlink, bytes / tensor, lasts);
  return model.port_busy(nvlink);
}

void KvTransfers::come_from_outside(std::uint32_t slot) {
  Live& live = requests_[slot];
  const Bytes all = fleet_.of(live.hold).instance->shape().kv_bytes(live.computed);
  share_ports(live.hold, false, all, kOutside);
  count_outside(live.hold, false, all, engine_.now(), engine_.now() + kOutside);
  if (!live.started) live.start = live.first = engine_.now();
  live.started = true;
  engine_.after({}, "kv here", [this, slot] { fleet_.of(requests_[slot].hold).instance->received(slot); });
}

void KvTransfers::fetch(std::uint32_t slot) {
  const Live& live = requests_[slot];
  if (live.source.instance < 0) return come_from_outside(slot);
  log_.moving(live, engine_.now());
  const PoolShape& pool = fleet_.pool_of(fleet_.of(live.source));
  const bool nvlink = same_node(live.source, live.hold);
  // Layer by layer, a cache crosses as long as its prompt was computed: as much crosses now for prompts under way.
  const Time lasts = pool.layerwise_transfer ? engine_.now() - live.start : Time{};
  const Bytes sent = pool.instance.kv_bytes(live.computed),
              received = fleet_.of(live.hold).instance->shape().kv_bytes(live.computed);
  const double busy =
      std::max(share_ports(live.source, nvlink, sent, lasts), share_ports(live.hold, nvlink, received, lasts));
  // A rank's GPUs send side by side; the flow of the first stands for all of them.
  Bytes bytes = sent / std::max(1, pool.tensor);
  if (pool.layerwise_transfer) bytes = bytes / layers_;
  move(slot, bytes, lasts, 1 / (1 - std::min(busy, 0.5)));  // two sides with data to send share a port evenly
}

void KvTransfers::move(std::uint32_t slot, Bytes bytes, Time lasts, double slowed) {
  const auto done = [this, slot] { arrived(slot); };
  if (mover_ == nullptr || bytes.v == 0) return void(engine_.after({}, "kv moved", done));
  const Live& live = requests_[slot];
  count_rest(live, bytes, lasts);
  mover_->move(gpu_of(live.source), gpu_of(live.hold), bytes, slowed, done);
}

void KvTransfers::arrived(std::uint32_t slot) {
  const Live& moved = requests_[slot];
  log_.moved(moved, engine_.now());
  const Fleet::Member& source = fleet_.of(moved.source);
  source.instance->release_source(slot);
  power_.left(source.pool, moved);
  fleet_.of(moved.hold).instance->received(slot);
}
}  // namespace moesim::serving
