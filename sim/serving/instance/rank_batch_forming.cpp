// What a rank computes in a step: the batcher's view of it, and the sums over its requests.
#include <algorithm>

#include "serving/instance/rank_batch.h"

namespace moesim::serving {
namespace {
constexpr std::int64_t kMostRoom = 1 << 29;  // tokens; in sliding-window layers more may fit than ever come
}  // namespace

/// Lets a batcher choose.
class RankBatch::Builder final : public StepBuilder {
 public:
  Builder(RankBatch& of, compute::Batch& batch, StepWork& work)
      : of_(of), context_(of.context_), rank_(of.rank_), batch_(batch), work_(work) {}

  int decoding() const override { return int(of_.decoding_.size()); }
  int queries() const override { return 1 + context_.shape.speculation.drafts(); }
  void decode() override { of_.decodes_ = !of_.decoding_.empty(); }
  std::optional<PromptPiece> started() const override {
    for (const Prompt& p : of_.prompts_)
      if (const Live& l = context_.live(p.slot); p.chunk == 0) return PromptPiece{l.target - l.computed, l.computed};
    return std::nullopt;
  }
  void continue_prompt(int tokens) override {
    const auto found = std::ranges::find(of_.prompts_, 0, &Prompt::chunk);
    add(*found, tokens);
  }
  std::optional<PromptPiece> waiting() const override {
    const std::size_t batches = std::size_t(context_.shape.stages);
    const std::size_t here = of_.decoding_.size() + of_.prompts_.size();
    if (batches > 1 && here * batches >= std::size_t(context_.batcher.max_requests())) return std::nullopt;
    const std::optional<KvCache::Match> match = rank_.startable();
    if (!match) return std::nullopt;
    const int cached = match->blocks * rank_.kv().hash_block();
    return PromptPiece{context_.live(rank_.queue().front()).target - cached, cached};
  }
  bool admit(int tokens) override {
    const std::uint32_t slot = rank_.queue().front();
    const std::optional<KvCache::Match> match = rank_.start_front();
    if (!match) return false;
    load_lower_tiers(*match);
    add(of_.prompts_.emplace_back(Prompt{slot, 0}), tokens);
    return true;
  }

 private:
  /// Blocks on their way up hold the step that uses them.
  void load_lower_tiers(const KvCache::Match& match) {
    const InstanceShape& shape = context_.shape;
    const auto time = [&](int blocks, Bandwidth rate) {
      return blocks > 0 && rate.v > 0 ? shape.kv_token * (std::int64_t(blocks) * rank_.kv().hash_block()) / rate
                                      : Time{};
    };
    context_.stall += std::max(
        {time(match.host + match.disk, shape.host), time(match.disk, shape.disk), time(match.remote, shape.remote)});
  }
  void add(Prompt& prompt, int tokens) {
    const Live& live = context_.live(prompt.slot);
    prompt.chunk = tokens;
    compute::add_prefill(batch_, context_.shape.window, tokens, live.computed);
    batch_.outputs += live.computed + tokens == live.target;
    if (!work_.domains.empty()) work_.domains[std::size_t(live.request.domain)] += double(tokens);
    if (context_.shape.own_routing) work_.recorded.push_back({live.request.recorded, live.computed, tokens});
  }

  RankBatch& of_;
  InstanceContext& context_;
  Rank& rank_;
  compute::Batch& batch_;
  StepWork& work_;
};

void RankBatch::form(compute::Batch& batch, StepWork& work) {
  prepare();
  Builder builder(*this, batch, work);
  context_.batcher.plan(builder);
  if (decodes_) add_decoding(batch, work);
}

/// Requests that come back from host memory or from another instance join before the batcher looks.
void RankBatch::prepare() {
  for (std::uint32_t slot : arrived_) add_to_decode(slot);
  arrived_.clear();
  decodes_ = false;
  while (!rank_.queue().empty()) {
    const std::uint32_t slot = rank_.queue().front();
    if (!rank_.swap_in_front()) return;
    add_to_decode(slot);
  }
}

void RankBatch::add_to_decode(std::uint32_t slot) {
  Live& l = live(slot);
  l.state = RequestState::decode;
  if (decoding_.empty()) last_decode_ = context_.engine.now();
  const KvCache& kv = rank_.kv();
  const std::int64_t held = std::int64_t(l.hold.pinned) * kv.hash_block() + kv.fits(l.hold.taken);
  decoding_.add(slot, l.computed, l.request.output - l.generated,
                std::int32_t(std::min<std::int64_t>(held - l.computed, kMostRoom)), l.hold.taken);
}

/// Makes sure that the next tokens of all fit.
void RankBatch::make_room(int queries) {
  if (!decoding_.may_lack_room(queries)) return;
  const std::size_t before = decoding_.size();
  for (std::size_t i = 0; (i = decoding_.next_lacking(i, queries)) < decoding_.size();)
    if (decoding_.room(i) >= decoding_.left(i) || grow(i)) ++i;
  decoding_.size() == before ? decoding_.recount_room() : decoding_.recount();
}

/// Takes a block for the request at `at`; if there is none, the youngest request loses its place.  False if that was
/// the request itself.
bool RankBatch::grow(std::size_t at) {
  const KvCache& kv = rank_.kv();
  const std::int64_t more = kv.rounded(1 + context_.shape.speculation.drafts());
  while (!rank_.grow(more)) {
    std::size_t youngest = 0;
    for (std::size_t i = 1; i < decoding_.size(); ++i)
      if (live(decoding_.slot(i)).id > live(decoding_.slot(youngest)).id) youngest = i;
    preempt(youngest);
    if (youngest == at) return false;
    at -= youngest < at;
  }
  const std::int64_t taken = decoding_.taken(at), room = kv.fits(taken + more) - kv.fits(taken);
  decoding_.grow(at, std::int32_t(std::min<std::int64_t>(room, kMostRoom)), more);
  return true;
}

void RankBatch::preempt(std::size_t at) {
  const std::uint32_t slot = decoding_.slot(at);
  leave_decode(at);
  decoding_.erase(at);
  rank_.preempt(slot);
}

/// Sums the attention of all decoding requests.
void RankBatch::add_decoding(compute::Batch& batch, StepWork& work) {
  const int q = 1 + context_.shape.speculation.drafts();
  const spec::KeysRead& window = context_.shape.window;
  make_room(q);
  const DecodeSet& all = decoding_;
  const std::int64_t n = std::int64_t(all.size()), contexts = all.contexts(), longest = all.longest();
  if (n == 0) return void(decodes_ = false);
  const auto put = [&](compute::AttentionWork& sum, std::int64_t context, std::int64_t most) {
    sum.sequences += n;
    sum.queries += n * q;
    sum.keys += context + n * q;
    sum.longest = std::max(sum.longest, most + q);
    sum.pairs += double(q) * double(context) + double(n) * q * (q + 1) / 2;
  };
  put(batch.decode, contexts, longest);
  if (window.bounded()) {
    std::int64_t in_window = 0;
    for (std::size_t i = 0; i < all.size(); ++i) in_window += window.seen(all.context(i));
    put(batch.window_decode, in_window, std::min(longest, window.width - 1));
  }
  if (!work.domains.empty())
    for (std::size_t i = 0; i < all.size(); ++i) work.domains[std::size_t(live(all.slot(i)).request.domain)] += q;
  if (context_.shape.own_routing)
    for (std::size_t i = 0; i < all.size(); ++i)
      work.recorded.push_back({live(all.slot(i)).request.recorded, all.context(i), q});
  batch.tokens += n * q;
  batch.outputs += n * q;
}
}  // namespace moesim::serving
