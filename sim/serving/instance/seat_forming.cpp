// What the ranks of an instance compute in a step: the batcher's view of a rank, and the sums over its requests.
#include "serving/instance/instance.h"

#include <algorithm>

namespace moesim {
/// Lets a batcher choose for one rank of one pipeline batch.
class Instance::Builder final : public StepBuilder {
 public:
  Builder(Instance& instance, Seat& seat, int rank, Batch& batch, std::vector<double>& domains)
      : i_(instance), seat_(seat), rank_(rank), batch_(batch), domains_(domains) {}

  int decoding() const override { return int(seat_.decoding.size()); }
  int queries() const override { return 1 + i_.shape_.speculation.drafts(); }
  void decode() override { seat_.decodes = !seat_.decoding.empty(); }
  std::optional<Piece> started() const override {
    for (const Prompt& p : seat_.prompts)
      if (const Live& l = i_.live(p.slot); p.chunk == 0) return Piece{l.target - l.computed, l.computed};
    return std::nullopt;
  }
  void continue_prompt(int tokens) override {
    const auto found = std::ranges::find(seat_.prompts, 0, &Prompt::chunk);
    add(*found, tokens);
  }
  std::optional<Piece> waiting() const override {
    const auto& queue = i_.waiting_[std::size_t(rank_)];
    if (queue.empty() || i_.held_[std::size_t(rank_)] >= i_.batcher_.max_requests()) return std::nullopt;
    const std::size_t lanes = i_.lanes_.size();
    if (lanes > 1 && (seat_.decoding.size() + seat_.prompts.size()) * lanes >= std::size_t(i_.batcher_.max_requests()))
      return std::nullopt;
    const Live& live = i_.live(queue.front());
    if (live.remote || live.swapped) return std::nullopt;
    const int shared = usable(live).blocks * cache().hash_block();
    return Piece{live.target - shared, shared};
  }
  bool admit(int tokens) override {
    const std::uint32_t slot = i_.waiting_[std::size_t(rank_)].front();
    Live& live = i_.live(slot);
    const KvCache::Match match = usable(live);
    const std::int64_t shared = std::int64_t(match.blocks) * cache().hash_block();
    if (!cache().pin(live.request.hashes, match.blocks)) return false;
    const bool first = i_.held_[std::size_t(rank_)] == 0;  // alone it may use all
    const std::int64_t spare = first ? 0 : std::int64_t(i_.shape_.watermark * double(cache().capacity()));
    const std::int64_t need = cache().space(live.target - shared);
    if (cache().available() < need + spare || !cache().take(need)) {
      cache().unpin(live.request.hashes, match.blocks);
      return false;
    }
    i_.waiting_[std::size_t(rank_)].pop_front();
    i_.promised_[std::size_t(rank_)] -= i_.shape_.kv.space(kv_needed(live));
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
    i_.touch(rank_);
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
    add_prefill(batch_, i_.shape_.window, tokens, live.computed);
    batch_.outputs += live.computed + tokens == live.target;
    if (!domains_.empty()) domains_[std::size_t(live.request.domain)] += double(tokens);
  }

  Instance& i_;
  Seat& seat_;
  int rank_;
  Batch& batch_;
  std::vector<double>& domains_;
};

/// Chooses what every rank computes in the next step of this pipeline batch.  Returns the step's tokens.
std::int64_t Instance::form(std::size_t lane_number) {
  Lane& lane = lanes_[lane_number];
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
  return tokens;
}

/// Sums the attention of all decoding requests, after making sure that their next tokens fit.
void Instance::add_decoding(Seat& s, int rank, Batch& batch, std::vector<double>& domains) {
  const int q = 1 + shape_.speculation.drafts();
  DecodeSet& all = s.decoding;
  if (all.may_lack_room(q)) {
    const std::size_t before = all.size();
    for (std::size_t i = 0; i < all.size();)
      if (all.room(i) >= q || all.room(i) >= all.left(i) || grow(s, rank, i)) ++i;
    all.size() == before ? all.recount_room() : all.recount();
  }
  const std::int64_t n = std::int64_t(all.size()), contexts = all.contexts(), longest = all.longest();
  std::int64_t in_window = 0;
  if (shape_.window.keys > 0)
    for (std::size_t i = 0; i < all.size(); ++i) in_window += shape_.window.kept(all.context(i));
  if (!domains.empty())
    for (std::size_t i = 0; i < all.size(); ++i) domains[std::size_t(live(all.slot(i)).request.domain)] += q;
  const auto put = [&](AttentionWork& work, std::int64_t context, std::int64_t most) {
    work.sequences += n;
    work.queries += n * q;
    work.keys += context + n * q;
    work.longest = std::max(work.longest, most + q);
    work.pairs += double(q) * double(context) + double(n) * q * (q + 1) / 2;
  };
  if (n == 0) return void(s.decodes = false);
  put(batch.decode, contexts, longest);
  if (shape_.window.keys > 0) put(batch.window_decode, in_window, std::min(longest, shape_.window.keys - 1));
  batch.tokens += n * q;
  batch.outputs += n * q;
}
}  // namespace moesim
