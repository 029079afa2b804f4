// The way of requests through the deployment: arrival, balancer, transfer of KV caches, end.
#include "serving/service/service.h"

#include <algorithm>

#include "core/check.h"

namespace moesim {
namespace {
constexpr Time kOutside = 1_s;  // assumed: for so long a prompt from elsewhere was computed, and its cache comes
}  // namespace

void Service::next_arrival() {
  if (next_)
    engine_.at(std::max(next_->arrival, engine_.now()), "arrival", [this] {
      Request now = std::move(*next_);
      next_ = workload_.next();
      arrive(std::move(now));
      next_arrival();
    });
}

/// Why the request can never be served; empty if it can.
std::string_view Service::problem(const Request& r) const {
  if (r.input < 1) return "has no input tokens";
  if (r.output < 1) return "asks for no output tokens";
  if (shape_.context > 0 && std::int64_t(r.input) + r.output > shape_.context) return "is longer than the context";
  if (r.output > 1 && !decoders_ && !mixed_) return "asks for more than one token, and no instance decodes";
  bool fits = !prompters_ && !mixed_, decodes = false, fits_decode = false;
  for (const Member& m : instances_) {
    const Instance& i = *m.instance;
    const std::int64_t largest = i.shape().kv.fits(i.shape().kv.capacity / i.shape().kv.block * i.shape().kv.block);
    if (shape_.pools[m.pool].role == Role::decode) {
      decodes = true;
      fits_decode = fits_decode || std::int64_t(r.input) + r.output - 1 <= largest;
    } else {
      const bool whole = shape_.pools[m.pool].role == Role::both;
      fits = fits || (whole ? std::int64_t(r.input) + r.output - 1 : r.input) <= largest;
    }
  }
  return fits && (fits_decode || !decodes) ? "" : "is longer than the KV cache can hold";
}

void Service::arrive(Request request) {
  Live live;
  live.id = ids_++;
  live.arrival = engine_.now();
  live.target = request.input;
  live.request = std::move(request);
  (live.request.outside ? outcome_.outside_arrived : outcome_.arrived) += 1;
  if (const std::string_view why = problem(live.request); !why.empty()) {
    live.stage = Stage::rejected;
    if (!live.request.outside) ++outcome_.rejected;
    ++outcome_.reasons[std::string(why)];
    log_.request({live, "rejected", why});
    return;
  }
  ++live_;
  if (!prompters_ && !mixed_) come_prefilled(live);
  const std::uint32_t slot = requests_.add(std::move(live));
  if (requests_[slot].generated == requests_[slot].request.output) {  // the token that came with the prompt was all
    Live& done = requests_[slot];
    done.start = done.first = done.last = engine_.now();
    return finished(slot);
  }
  if (!dispatch(slot)) lobby_.push_back(slot);
}

/// Only decode instances are simulated: the prompt, and with it the first token, comes from elsewhere.
void Service::come_prefilled(Live& live) {
  live.generated = std::max(live.generated, 1);
  live.computed = live.request.input + live.generated - 1;
  live.remote = true;
  live.source = {};
}

/// Sends a request to a rank that is up; false if there is none now.
bool Service::dispatch(std::uint32_t slot) {
  const Live& live = requests_[slot];
  Balancer& balancer = live.remote ? *decodes_ : *prompts_;
  LoadBoard& board = live.remote ? decode_board_ : prompt_board_;
  const std::int64_t need = kv_needed(live);
  board.refresh(instances_);
  std::vector<int>* rows = nullptr;  // those of the board that can take it; null: all
  if (!board.all_can_take(instances_, need)) {
    rows = &eligible_;
    rows->clear();
    loads_.clear();
    for (std::size_t i = 0; i < board.loads.size(); ++i) {
      const Member& m = instances_[std::size_t(board.loads[i].instance)];
      if (m.power != Power::on || !m.instance->rank_up(board.ranks[i])) continue;
      const std::int64_t tokens = shape_.pools[m.pool].role == Role::prefill ? live.target : need;
      if (m.instance->shape().kv.space(tokens) > board.loads[i].kv_capacity) continue;
      rows->push_back(int(i));
      loads_.push_back(board.loads[i]);
    }
    if (rows->empty()) return false;
  }
  const std::span<RankLoad> loads = rows != nullptr ? std::span(loads_) : std::span(board.loads);
  const auto row = [&](std::size_t i) { return rows != nullptr ? std::size_t((*rows)[i]) : i; };
  if (balancer.asks_cache())
    for (std::size_t i = 0; i < loads.size(); ++i)
      loads[i].cached =
          instances_[std::size_t(loads[i].instance)].instance->cached_tokens(board.ranks[row(i)], live.request);
  const std::size_t pick = balancer.pick(live.request, loads);
  instances_[std::size_t(loads[pick].instance)].instance->enqueue(slot, board.ranks[row(pick)]);
  return true;
}

void Service::empty_lobby() {
  std::vector<std::uint32_t> still;
  for (std::uint32_t slot : lobby_)
    if (!dispatch(slot)) still.push_back(slot);
  lobby_ = std::move(still);
}

void Service::first_token(std::uint32_t) {}

void Service::finished(std::uint32_t slot) {
  Live& live = requests_[slot];
  live.stage = Stage::finished;
  const Request& r = live.request;
  check(live.generated == r.output, "request {} ended with {} of {} tokens", live.id, live.generated, r.output);
  check(live.arrival <= live.start && live.start <= live.first && live.first <= live.last,
        "request {} has times out of order", live.id);
  outcome_.preemptions += live.preemptions;
  outcome_.retries += live.retries;
  if (r.outside) {
    ++outcome_.outside_finished;
    if (decoders_ && live.hold.instance >= 0)
      count_outside(live.hold, true,
                    instances_[std::size_t(live.hold.instance)].instance->shape().kv_bytes(live.computed), live.start,
                    engine_.now());
  } else {
    ++outcome_.finished;
    outcome_.input_tokens += r.input;
    outcome_.output_tokens += live.generated;
    outcome_.asked_tokens += r.output;
    outcome_.cached_tokens += live.cached;
    const Time ttft = live.first - live.arrival, e2e = live.last - live.arrival;
    const double tpot = r.output > 1 ? seconds(live.last - live.first) / double(r.output - 1) : 0;
    const Slo& slo = shape_.slo;
    const bool good = (slo.ttft.v == 0 || ttft <= slo.ttft) && (slo.e2e.v == 0 || e2e <= slo.e2e) &&
                      (slo.tpot.v == 0 || tpot <= seconds(slo.tpot));
    if (live.arrival >= shape_.warmup) {
      outcome_.good += good;
      outcome_.ttft.push_back(float(seconds(ttft)));
      outcome_.e2e.push_back(float(seconds(e2e)));
      outcome_.queue.push_back(float(seconds(live.start - live.arrival)));
      if (r.output > 1) outcome_.tpot.push_back(float(tpot));
    }
    log_.request({live, "finished", ""});
  }
  if (std::optional<Request> next = workload_.follow_up(r, engine_.now())) {
    const std::int64_t key = follower_++;
    const Time at = next->arrival;
    followers_.emplace(key, std::move(*next));
    engine_.at(at, "next turn", [this, key] {
      Request now = std::move(followers_.at(key));
      followers_.erase(key);
      arrive(std::move(now));
    });
  }
  if (live.hold.instance >= 0) left(instances_[std::size_t(live.hold.instance)].pool, live);
  --live_;
  requests_.remove(slot);
}

void Service::prefilled(std::uint32_t slot) {
  if (!dispatch(slot)) lobby_.push_back(slot);
}

/// The GPU that holds part `part` of `of` equal parts of a rank's KV cache: its stages' layers, their heads.
int Service::gpu_of(const Hold& hold, int part, int of) const {
  const Member& m = instances_[std::size_t(hold.instance)];
  const PoolShape& pool = shape_.pools[m.pool];
  const int tensor = std::max(1, pool.tensor), place = part * tensor * pool.instance.stages / of;
  return m.first_gpu + (place / tensor * pool.instance.ranks + hold.rank) * tensor + place % tensor;
}

/// Counts what of a KV cache crosses beside the flow that stands for all: other GPUs of the ranks, layers before.
void Service::count_cache(const Live& live, Bytes flow, Time lasts) {
  const auto gpus = [&](const Hold& hold) {
    const PoolShape& pool = shape_.pools[instances_[std::size_t(hold.instance)].pool];
    return std::max(1, pool.tensor) * pool.instance.stages;
  };
  const InstanceShape& source = instances_[std::size_t(live.source.instance)].instance->shape();
  const Bytes all = source.kv_bytes(live.computed);
  const int parts = std::max(gpus(live.source), gpus(live.hold));
  for (int i = 0; i < parts; ++i) {
    const Bytes part = all * (i + 1) / parts - all * i / parts - (i == 0 ? flow : Bytes{});
    if (part.v > 0)
      mover_->count(gpu_of(live.source, i, parts), gpu_of(live.hold, i, parts), part, engine_.now() - lasts,
                    engine_.now());
  }
}

void Service::count_outside(const Hold& hold, bool out, Bytes bytes, Time from, Time until) {
  const PoolShape& pool = shape_.pools[instances_[std::size_t(hold.instance)].pool];
  const int parts = std::max(1, pool.tensor) * pool.instance.stages;
  for (int i = 0; mover_ != nullptr && i < parts; ++i)
    mover_->count_outside(gpu_of(hold, i, parts), out, bytes * (i + 1) / parts - bytes * i / parts, from, until);
}

/// Charges a KV cache that comes or goes to the ports of the rank's GPUs.  Returns how busy these are with exchanges.
double Service::share_ports(const Hold& hold, bool nvlink, Bytes bytes, Time lasts) {
  const Member& m = instances_[std::size_t(hold.instance)];
  StepCost& cost = m.instance->step_cost();
  const int tensor = std::max(1, shape_.pools[m.pool].tensor);
  for (int i = 0; i < tensor; ++i) cost.crosses(hold.rank * tensor + i, nvlink, bytes / tensor, lasts);
  return cost.port_busy(nvlink);
}

void Service::fetch(std::uint32_t slot) {
  Live& live = requests_[slot];
  const Bytes all = instances_[std::size_t(live.hold.instance)].instance->shape().kv_bytes(live.computed);
  if (live.source.instance < 0) {
    share_ports(live.hold, false, all, kOutside);
    count_outside(live.hold, false, all, engine_.now(), engine_.now() + kOutside);
    if (!live.started) live.start = live.first = engine_.now();
    live.started = true;
    engine_.after({}, "kv here",
                  [this, slot] { instances_[std::size_t(requests_[slot].hold.instance)].instance->received(slot); });
    return;
  }
  const Member& from = instances_[std::size_t(live.source.instance)];
  const PoolShape& pool = shape_.pools[from.pool];
  // A rank's GPUs send side by side; the flow of the first stands for all of them.
  Bytes bytes = pool.instance.kv_bytes(live.computed) / std::max(1, pool.tensor);
  if (pool.layerwise_transfer) bytes = bytes / shape_.layers;
  const bool nvlink = gpu_of(live.source) / shape_.gpus_per_node == gpu_of(live.hold) / shape_.gpus_per_node;
  // Layer by layer, a cache crosses as long as its prompt was computed: as much crosses now for prompts under way.
  const Time lasts = pool.layerwise_transfer ? engine_.now() - live.start : Time{};
  const double busy = std::max(share_ports(live.source, nvlink, pool.instance.kv_bytes(live.computed), lasts),
                               share_ports(live.hold, nvlink, all, lasts));
  const double slowed = 1 / (1 - std::min(busy, 0.5));  // two sides with data to send share a port evenly
  const auto done = [this, slot] {
    Live& moved = requests_[slot];
    Member& source = instances_[std::size_t(moved.source.instance)];
    source.instance->release_source(slot);
    left(source.pool, moved);
    instances_[std::size_t(moved.hold.instance)].instance->received(slot);
  };
  if (mover_ == nullptr || bytes.v == 0)
    engine_.after({}, "kv moved", done);
  else {
    count_cache(live, bytes, lasts);
    mover_->move(gpu_of(live.source), gpu_of(live.hold), bytes, slowed, done);
  }
}

void Service::homeless(std::uint32_t slot) {
  if (!prompters_ && !mixed_ && !requests_[slot].remote) come_prefilled(requests_[slot]);
  if (!dispatch(slot)) lobby_.push_back(slot);
}
}  // namespace moesim
