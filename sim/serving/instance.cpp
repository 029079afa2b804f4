#include "serving/instance.h"

#include <algorithm>

#include "core/check.h"

namespace moesim {
namespace {
std::int64_t kv_needed(const Live& live) { return std::int64_t(live.request.input) + live.request.output - 1; }
}  // namespace

Instance::Instance(Engine& engine, Requests& requests, InstanceOwner& owner, const InstanceShape& shape,
                   const Batcher& batcher, std::unique_ptr<StepCost> cost, std::uint64_t seed)
    : engine_(engine),
      requests_(requests),
      owner_(owner),
      shape_(shape),
      batcher_(batcher),
      cost_(std::move(cost)),
      random_(seed, fmt::format("instance {} drafts", shape.number)),
      waiting_(std::size_t(shape.ranks)),
      held_(std::size_t(shape.ranks)),
      pending_(std::size_t(shape.ranks)),
      promised_(std::size_t(shape.ranks)),
      down_(std::size_t(shape.ranks)),
      lanes_(std::size_t(shape.stages)),
      stage_free_(std::size_t(shape.stages)) {
  for (int r = 0; r < shape.ranks; ++r) {
    KvShape kv = shape.kv;
    if (!shape.kv_capacity.empty()) kv.capacity = shape.kv_capacity[std::size_t(r)];
    kv_.emplace_back(kv);
  }
  for (Lane& lane : lanes_) {
    lane.seats.resize(std::size_t(shape.ranks));
    lane.work.ranks.resize(std::size_t(shape.ranks));
  }
}

/// Lets a batcher choose for one rank of one pipeline batch.
class Instance::Builder final : public StepBuilder {
 public:
  Builder(Instance& instance, Seat& seat, int rank, Batch& batch, std::vector<double>& domains)
      : i_(instance), seat_(seat), rank_(rank), batch_(batch), domains_(domains) {}

  int decoding() const override { return int(seat_.decoding.size()); }
  int queries() const override { return 1 + i_.shape_.speculation.drafts(); }
  void decode() override { seat_.decodes = !seat_.decoding.empty(); }
  std::optional<int> started() const override {
    for (const Prompt& p : seat_.prompts)
      if (p.chunk == 0) return i_.live(p.slot).target - i_.live(p.slot).computed;
    return std::nullopt;
  }
  void continue_prompt(int tokens) override {
    const auto found = std::ranges::find(seat_.prompts, 0, &Prompt::chunk);
    add(*found, tokens);
  }
  std::optional<int> waiting() const override {
    const auto& queue = i_.waiting_[std::size_t(rank_)];
    if (queue.empty() || i_.held_[std::size_t(rank_)] >= i_.batcher_.max_requests()) return std::nullopt;
    const std::size_t lanes = i_.lanes_.size();
    if (lanes > 1 && (seat_.decoding.size() + seat_.prompts.size()) * lanes >= std::size_t(i_.batcher_.max_requests()))
      return std::nullopt;
    const Live& live = i_.live(queue.front());
    if (live.remote || live.swapped) return std::nullopt;
    return live.target - usable(live).blocks * cache().hash_block();
  }
  bool admit(int tokens) override {
    const std::uint32_t slot = i_.waiting_[std::size_t(rank_)].front();
    Live& live = i_.live(slot);
    const KvCache::Match match = usable(live);
    const std::int64_t shared = std::int64_t(match.blocks) * cache().hash_block();
    if (!cache().pin(live.request.hashes, match.blocks)) return false;
    const bool first = i_.held_[std::size_t(rank_)] == 0;  // alone it may use all
    const std::int64_t spare = first ? 0 : std::int64_t(i_.shape_.watermark * double(cache().capacity()));
    const std::int64_t need = cache().rounded(live.target - shared);
    if (cache().available() < need + spare || !cache().take(need)) {
      cache().unpin(live.request.hashes, match.blocks);
      return false;
    }
    i_.waiting_[std::size_t(rank_)].pop_front();
    i_.promised_[std::size_t(rank_)] -= kv_needed(live);
    ++i_.held_[std::size_t(rank_)];
    live.hold = {i_.shape_.number, rank_, match.blocks, need};
    live.computed = std::int32_t(shared);
    live.stage = Stage::prompt;
    if (!live.started) {
      live.started = true;
      live.start = i_.engine_.now();
      live.cached = live.computed;
      i_.totals_.prompt_tokens += live.request.input;
      i_.totals_.cached_tokens += live.computed;
    }
    i_.pending_[std::size_t(rank_)] -= shared;
    load_lower_tiers(match);
    add(seat_.prompts.emplace_back(Prompt{slot, 0}), tokens);
    return true;
  }

 private:
  KvCache& cache() const { return i_.kv_[std::size_t(rank_)]; }
  /// At least one token must be computed for the next to come out.
  KvCache::Match usable(const Live& live) const {
    if (cache().hash_block() == 0) return {};
    const std::size_t most = std::size_t((live.target - 1) / cache().hash_block());
    return cache().match(std::span(live.request.hashes).first(std::min(most, live.request.hashes.size())));
  }
  /// Blocks on their way up hold the step that uses them.
  void load_lower_tiers(const KvCache::Match& match) {
    const auto time = [&](int blocks, Bandwidth rate) {
      return blocks > 0 && rate.v > 0 ? i_.shape_.kv_token * (std::int64_t(blocks) * cache().hash_block()) / rate
                                      : Time{};
    };
    i_.stall_ += std::max(time(match.host + match.disk, i_.shape_.host), time(match.disk, i_.shape_.disk));
  }
  void add(Prompt& prompt, int tokens) {
    const Live& live = i_.live(prompt.slot);
    prompt.chunk = tokens;
    const std::int64_t n = tokens, context = live.computed, w = i_.shape_.window;
    const auto put = [&](AttentionWork& work, std::int64_t reach) {  // keys a token may look back on
      work.sequences += 1;
      work.queries += n;
      const std::int64_t keys = std::min(context + n, reach + n);
      work.keys += keys;
      work.longest = std::max(work.longest, keys);
      const std::int64_t full = std::max<std::int64_t>(0, std::min(n, reach - context));  // tokens that see all before
      work.pairs +=
          double(full) * double(context) + double(full) * double(full + 1) / 2 + double(n - full) * double(reach);
    };
    put(batch_.prefill, std::int64_t{1} << 40);
    if (w > 0) put(batch_.window_prefill, w);
    batch_.tokens += n;
    batch_.outputs += live.computed + tokens == live.target;
    if (!domains_.empty()) domains_[std::size_t(live.request.domain)] += double(n);
  }

  Instance& i_;
  Seat& seat_;
  int rank_;
  Batch& batch_;
  std::vector<double>& domains_;
};

void Instance::enqueue(std::uint32_t slot, int rank) {
  Live& l = live(slot);
  check(!down_[std::size_t(rank)], "a request is sent to rank {} of instance {}, which is down", rank, shape_.number);
  l.stage = Stage::waiting;
  l.hold = {shape_.number, rank, 0, 0};
  waiting_[std::size_t(rank)].push_back(slot);
  promised_[std::size_t(rank)] += kv_needed(l);
  if (l.remote)
    pull(rank);
  else
    pending_[std::size_t(rank)] += l.target;
  kick();
}

/// Makes room for remote requests at the head of the queue and has their KV caches sent.
void Instance::pull(int rank) {
  auto& queue = waiting_[std::size_t(rank)];
  KvCache& kv = kv_[std::size_t(rank)];
  while (!queue.empty() && held_[std::size_t(rank)] < batcher_.max_requests()) {
    Live& l = live(queue.front());
    const std::int64_t need = kv.rounded(l.computed);
    const std::int64_t spare =
        held_[std::size_t(rank)] == 0 ? 0 : std::int64_t(shape_.watermark * double(kv.capacity()));
    if (!l.remote || kv.available() < need + spare || !kv.take(need)) return;
    l.hold.taken = need;
    l.stage = Stage::transfer;
    ++held_[std::size_t(rank)];
    promised_[std::size_t(rank)] -= kv_needed(l);
    const std::uint32_t slot = queue.front();
    queue.pop_front();
    owner_.fetch(slot);
  }
}

void Instance::received(std::uint32_t slot) {
  Live& l = live(slot);
  l.remote = false;
  l.stage = Stage::decode;
  if (down_[std::size_t(l.hold.rank)]) {  // lost on arrival
    const int rank = l.hold.rank;
    let_go(l.hold, l.request);
    --held_[std::size_t(rank)];
    start_over(l);
    return owner_.homeless(slot);
  }
  std::size_t best = 0;  // the pipeline batch with the fewest requests
  for (std::size_t i = 1; i < lanes_.size(); ++i) {
    const auto size = [&](std::size_t at) {
      return seat(at, l.hold.rank).decoding.size() + seat(at, l.hold.rank).arrived.size();
    };
    if (size(i) < size(best)) best = i;
  }
  seat(best, l.hold.rank).arrived.push_back(slot);
  kick();
}

void Instance::let_go(Hold& hold, const Request& request) {
  KvCache& kv = kv_[std::size_t(hold.rank)];
  kv.give(hold.taken);
  kv.unpin(request.hashes, hold.pinned);
  hold.taken = 0;
  hold.pinned = 0;
}

void Instance::release_source(std::uint32_t slot) {
  Live& l = live(slot);
  let_go(l.source, l.request);
  kick();
}

void Instance::hold_until(Time moment) {
  if (moment <= not_before_) return;
  not_before_ = moment;
  engine_.at(moment, "instance resumes", [this] { kick(); });
}

void Instance::kick() {
  if (kicked_ || std::ranges::all_of(lanes_, &Lane::running)) return;
  kicked_ = true;
  engine_.after(
      {}, "step formed",
      [this] {
        kicked_ = false;
        for (std::size_t l = 0; l < lanes_.size(); ++l)
          if (!lanes_[l].running) start(l);
      },
      Phase::decide);
}

void Instance::add_to_decode(std::uint32_t slot, Seat& to) {
  Live& l = live(slot);
  l.stage = Stage::decode;
  if (to.decoding.empty()) to.last_decode = engine_.now();
  const std::int64_t held = std::int64_t(l.hold.pinned) * kv_[0].hash_block() + l.hold.taken;
  to.decoding.push_back({slot, l.computed, l.request.output - l.generated, std::int32_t(held - l.computed)});
}

/// Requests that come back from host memory or from another instance join before the batcher looks.
void Instance::prepare(Seat& to, int rank) {
  for (std::uint32_t slot : to.arrived) add_to_decode(slot, to);
  to.arrived.clear();
  to.decodes = false;
  auto& queue = waiting_[std::size_t(rank)];
  KvCache& kv = kv_[std::size_t(rank)];
  while (!queue.empty() && live(queue.front()).swapped && held_[std::size_t(rank)] < batcher_.max_requests()) {
    Live& l = live(queue.front());
    const std::int64_t need = kv.rounded(l.computed + 1);
    if (!kv.take(need)) return;
    l.hold.taken = need;
    l.swapped = false;
    if (shape_.host.v > 0) stall_ += shape_.kv_token * l.computed / shape_.host;
    ++held_[std::size_t(rank)];
    promised_[std::size_t(rank)] -= kv_needed(l);
    add_to_decode(queue.front(), to);
    queue.pop_front();
  }
}

void Instance::start(std::size_t lane_number) {
  if (engine_.now() < not_before_) return;
  Lane& lane = lanes_[lane_number];
  if (engine_.now() < stage_free_[0]) {  // the first stage still works for another batch
    engine_.at(stage_free_[0], "stage free", [this] { kick(); });
    return;
  }
  lane.work.step = steps_;
  lane.work.domains.assign(shape_.domains > 1 ? std::size_t(shape_.domains) : 0, 0);
  std::int64_t tokens = 0;
  for (int r = 0; r < shape_.ranks; ++r) {
    Batch& batch = lane.work.ranks[std::size_t(r)];
    batch = {};
    if (down_[std::size_t(r)]) continue;
    Seat& s = seat(lane_number, r);
    prepare(s, r);
    Builder builder(*this, s, r, batch, lane.work.domains);
    batcher_.plan(builder);
    if (s.decodes) add_decoding(s, r, batch, lane.work.domains);
    tokens += batch.tokens;
  }
  if (tokens == 0) return;
  cost_->cost(lane.work, lane.times);
  check(lane.times.stages.size() == stage_free_.size(), "a step has {} stages on an instance of {}",
        lane.times.stages.size(), stage_free_.size());
  lane.times.stages[0] += stall_;
  lane.times.parts[std::size_t(StepPart::other)] += seconds(stall_);
  stall_ = {};
  lane.step = steps_++;
  lane.running = true;
  lane.started = engine_.now();
  Time at = lane.started;
  for (std::size_t s = 0; s < stage_free_.size(); ++s) {
    at = std::max(at, stage_free_[s]) + lane.times.stages[s];
    stage_free_[s] = at;
  }
  engine_.at(at, "step done", [this, lane_number] { end(lane_number); });
  if (stage_free_.size() > 1) kick();
}

/// Sums the attention of all decoding requests, after making sure that their next tokens fit.
void Instance::add_decoding(Seat& s, int rank, Batch& batch, std::vector<double>& domains) {
  const int q = 1 + shape_.speculation.drafts();
  for (std::size_t i = 0; i < s.decoding.size();)
    if (s.decoding[i].room >= std::min(q, s.decoding[i].left) || grow(s, rank, i)) ++i;
  const std::int64_t n = std::int64_t(s.decoding.size());
  std::int64_t contexts = 0, longest = 0, in_window = 0;
  for (const Decoding& d : s.decoding) {
    contexts += d.context;
    longest = std::max<std::int64_t>(longest, d.context);
    if (shape_.window > 0) in_window += std::min(d.context, shape_.window);
  }
  if (!domains.empty())
    for (const Decoding& d : s.decoding) domains[std::size_t(live(d.slot).request.domain)] += q;
  const auto put = [&](AttentionWork& work, std::int64_t context, std::int64_t most) {
    work.sequences += n;
    work.queries += n * q;
    work.keys += context + n * q;
    work.longest = std::max(work.longest, most + q);
    work.pairs += double(q) * double(context) + double(n) * q * (q + 1) / 2;
  };
  if (n == 0) return void(s.decodes = false);
  put(batch.decode, contexts, longest);
  if (shape_.window > 0) put(batch.window_decode, in_window, std::min<std::int64_t>(longest, shape_.window));
  batch.tokens += n * q;
  batch.outputs += n * q;
}

/// Takes a block for the request at `at`; if there is none, the youngest request loses its place.  False if that was
/// the request itself.
bool Instance::grow(Seat& s, int rank, std::size_t at) {
  KvCache& kv = kv_[std::size_t(rank)];
  const std::int64_t more = kv.rounded(1 + shape_.speculation.drafts());
  while (!kv.take(more)) {
    std::size_t youngest = 0;
    for (std::size_t i = 1; i < s.decoding.size(); ++i)
      if (live(s.decoding[i].slot).id > live(s.decoding[youngest].slot).id) youngest = i;
    const std::uint32_t mine = s.decoding[at].slot;
    const bool itself = youngest == at;
    preempt(s, rank, youngest);
    if (itself) return false;
    at = std::size_t(std::ranges::find(s.decoding, mine, &Decoding::slot) - s.decoding.begin());
  }
  live(s.decoding[at].slot).hold.taken += more;
  s.decoding[at].room += std::int32_t(more);
  return true;
}

void Instance::preempt(Seat& s, int rank, std::size_t at) {
  const std::uint32_t slot = s.decoding[at].slot;
  Live& l = live(slot);
  l.computed = s.decoding[at].context;
  l.generated = l.request.output - s.decoding[at].left;
  s.decoding.erase(s.decoding.begin() + std::ptrdiff_t(at));
  let_go(l.hold, l.request);
  ++l.preemptions;
  ++totals_.preemptions;
  --held_[std::size_t(rank)];
  promised_[std::size_t(rank)] += kv_needed(l);
  l.stage = Stage::waiting;
  if (shape_.preemption == Preemption::swap) {
    l.swapped = true;
    if (shape_.host.v > 0) stall_ += shape_.kv_token * l.computed / shape_.host;
  } else {
    l.computed = 0;
    l.target = l.request.input + l.generated;
    pending_[std::size_t(rank)] += l.target;
  }
  waiting_[std::size_t(rank)].push_front(slot);
}

void Instance::end(std::size_t lane_number) {
  Lane& lane = lanes_[lane_number];
  if (!lane.running) return;
  lane.running = false;
  InstanceOwner::StepEnd report{
      .instance = shape_.number, .step = lane.step, .start = lane.started, .end = engine_.now(), .times = &lane.times};
  for (const Batch& b : lane.work.ranks) report.requests += int(b.prefill.sequences + b.decode.sequences);
  for (int r = 0; r < shape_.ranks; ++r) {
    if (down_[std::size_t(r)]) continue;
    Seat& s = seat(lane_number, r);
    if (s.decodes) end_decoding(s, r, report);
    end_prompts(s, r, report);
    pull(r);
  }
  ++totals_.steps;
  totals_.busy += lane.times.total() / std::int64_t(stage_free_.size());
  totals_.prefill_tokens += report.prefill;
  totals_.decode_tokens += report.decode;
  owner_.stepped(report);
  kick();
}

void Instance::end_decoding(Seat& s, int rank, InstanceOwner::StepEnd& report) {
  const bool drafts = shape_.speculation.drafts() > 0;
  const Time now = engine_.now();
  std::int64_t tokens = 0;
  const std::size_t before = s.decoding.size();
  if (drafts) totals_.verified_tokens += std::int64_t(before) * (1 + shape_.speculation.drafts());
  for (std::size_t i = 0; i < s.decoding.size();) {
    Decoding& d = s.decoding[i];
    const int some = drafts ? std::min(shape_.speculation.draw(random_), int(d.left)) : 1;
    d.context += some;
    d.left -= some;
    d.room -= some;
    tokens += some;
    if (d.left > 0) {
      ++i;
      continue;
    }
    const std::uint32_t slot = d.slot;
    Live& l = live(slot);
    l.computed = d.context;
    l.generated = l.request.output;
    l.last = now;
    publish(l);
    let_go(l.hold, l.request);
    --held_[std::size_t(rank)];
    s.decoding[i] = s.decoding.back();
    s.decoding.pop_back();
    owner_.finished(slot);
  }
  owner_.token_gap(now - s.last_decode, tokens);
  s.last_decode = now;
  report.decode += tokens;
}

/// Full blocks that were computed become visible to other requests.
void Instance::publish(Live& l) {
  KvCache& kv = kv_[std::size_t(l.hold.rank)];
  if (kv.hash_block() == 0 || l.request.hashes.empty()) return;
  const int to = int(std::min<std::int64_t>(l.computed / kv.hash_block(), std::int64_t(l.request.hashes.size())));
  if (to <= l.hold.pinned) return;
  const std::int64_t moved = std::int64_t(to - l.hold.pinned) * kv.hash_block();
  if (moved > l.hold.taken) return;
  kv.publish(l.request.hashes, l.hold.pinned, to);
  l.hold.taken -= moved;
  l.hold.pinned = to;
}

void Instance::end_prompts(Seat& s, int rank, InstanceOwner::StepEnd& report) {
  for (std::size_t i = 0; i < s.prompts.size();) {
    Prompt& p = s.prompts[i];
    const std::uint32_t slot = p.slot;
    Live& l = live(slot);
    l.computed += p.chunk;
    report.prefill += p.chunk;
    pending_[std::size_t(rank)] -= p.chunk;
    p.chunk = 0;
    if (l.computed < l.target) {
      ++i;
      continue;
    }
    s.prompts.erase(s.prompts.begin() + std::ptrdiff_t(i));
    publish(l);
    ++l.generated;
    l.last = engine_.now();
    if (l.generated == 1) {
      l.first = engine_.now();
      owner_.first_token(slot);
    }
    if (l.generated == l.request.output) {
      let_go(l.hold, l.request);
      --held_[std::size_t(rank)];
      owner_.finished(slot);
    } else if (shape_.role == Role::prefill) {
      --held_[std::size_t(rank)];
      l.source = l.hold;
      l.hold = {};
      l.remote = true;
      owner_.prefilled(slot);
    } else {
      add_to_decode(slot, s);
    }
  }
}

RankLoad Instance::load(int rank) const {
  const std::size_t r = std::size_t(rank);
  return {.instance = shape_.number,
          .requests = held_[r] + int(waiting_[r].size()),
          .tokens = pending_[r],
          .kv_used = kv_[r].in_use() + promised_[r],
          .kv_capacity = kv_[r].capacity(),
          .cached = 0};
}

std::int64_t Instance::cached_tokens(int rank, const Request& request) const {
  const KvCache& kv = kv_[std::size_t(rank)];
  return std::int64_t(kv.match(request.hashes).blocks) * kv.hash_block();
}

std::int64_t Instance::largest_request() const {
  std::int64_t out = 0;
  for (int r = 0; r < shape_.ranks; ++r)
    if (!down_[std::size_t(r)]) out = std::max(out, kv_[std::size_t(r)].capacity());
  return out / shape_.kv.block * shape_.kv.block;
}

void Instance::start_over(Live& l) {
  l.computed = 0;
  l.swapped = false;
  l.target = l.request.input + l.generated;
  ++l.retries;
}

std::int64_t Instance::lose_rank(int rank, bool stays_down) {
  std::int64_t lost = 0;
  std::vector<std::uint32_t> homeless;
  for (Lane& lane : lanes_) {
    Seat& s = lane.seats[std::size_t(rank)];
    for (const Decoding& d : s.decoding) {
      Live& l = live(d.slot);
      l.generated = l.request.output - d.left;
      l.computed = d.context;
      homeless.push_back(d.slot);
    }
    for (const Prompt& p : s.prompts) homeless.push_back(p.slot);
    homeless.insert(homeless.end(), s.arrived.begin(), s.arrived.end());
    s = Seat{};
  }
  for (std::uint32_t slot : homeless) {
    lost += live(slot).computed;
    let_go(live(slot).hold, live(slot).request);
    --held_[std::size_t(rank)];
  }
  const std::deque<std::uint32_t> queue = std::exchange(waiting_[std::size_t(rank)], {});
  homeless.insert(homeless.end(), queue.begin(), queue.end());
  pending_[std::size_t(rank)] = 0;
  promised_[std::size_t(rank)] = 0;
  down_[std::size_t(rank)] = stays_down;
  std::ranges::sort(homeless, {}, [&](std::uint32_t slot) { return live(slot).id; });
  for (std::uint32_t slot : homeless) {
    Live& l = live(slot);
    if (!l.remote) start_over(l);
    l.hold = {};
    owner_.homeless(slot);
  }
  if (kv_[std::size_t(rank)].in_use() == 0) kv_[std::size_t(rank)].clear();
  return lost;
}

void Instance::restore_rank(int rank) {
  down_[std::size_t(rank)] = false;
  kick();
}

bool Instance::empty() const {
  for (std::size_t r = 0; r < held_.size(); ++r)
    if (held_[r] > 0 || !waiting_[r].empty()) return false;
  return true;
}

int Instance::running() const {
  int out = 0;
  for (int held : held_) out += held;
  return out;
}

double Instance::kv_share() const {
  double used = 0, all = 0;
  for (const KvCache& kv : kv_) {
    used += double(kv.in_use());
    all += double(kv.capacity());
  }
  return all > 0 ? used / all : 0;
}
}  // namespace moesim
