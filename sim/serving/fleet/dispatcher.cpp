#include "serving/fleet/dispatcher.h"

#include <span>

namespace moesim::serving {

Dispatcher::Dispatcher(Fleet& fleet, Requests& requests, std::unique_ptr<Balancer> prompts,
                       std::unique_ptr<Balancer> decodes)
    : fleet_(fleet),
      requests_(requests),
      prompts_(std::move(prompts)),
      decodes_(std::move(decodes)),
      prompt_board_(fleet, false),
      decode_board_(fleet, true) {}

void Dispatcher::send(std::uint32_t slot) {
  if (!try_send(slot)) lobby_.push_back(slot);
}

/// The ranks of a board that are up and can ever hold the request.
void Dispatcher::find_eligible(LoadBoard& board, const Live& live, std::int64_t need) {
  eligible_.clear();
  loads_.clear();
  const std::span<RankLoad> all = board.loads();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Fleet::Member& m = fleet_[std::size_t(all[i].instance)];
    if (m.power != PowerState::on || !m.instance->rank_up(board.rank(i))) continue;
    const std::int64_t tokens = fleet_.pool_of(m).role == Role::prefill ? live.target : need;
    if (m.instance->shape().kv.space(tokens) > all[i].kv_capacity) continue;
    eligible_.push_back(i);
    loads_.push_back(all[i]);
  }
}

bool Dispatcher::try_send(std::uint32_t slot) {
  const Live& live = requests_[slot];
  Balancer& balancer = live.remote ? *decodes_ : *prompts_;
  LoadBoard& board = live.remote ? decode_board_ : prompt_board_;
  const std::int64_t need = kv_needed(live);
  board.refresh(fleet_);
  const bool all = board.all_can_take(fleet_, need);
  if (!all) find_eligible(board, live, need);
  const std::span<RankLoad> loads = all ? board.loads() : std::span(loads_);
  if (loads.empty()) return false;
  const auto rank = [&](std::size_t i) { return board.rank(all ? i : eligible_[i]); };
  const auto instance = [&](std::size_t i) -> Instance& { return *fleet_[std::size_t(loads[i].instance)].instance; };
  if (balancer.asks_cache())
    for (std::size_t i = 0; i < loads.size(); ++i) loads[i].cached = instance(i).cached_tokens(rank(i), live.request);
  const std::size_t pick = balancer.pick(live.request, loads);
  instance(pick).enqueue(slot, rank(pick));
  return true;
}

void Dispatcher::empty_lobby() {
  std::vector<std::uint32_t> still;
  for (std::uint32_t slot : lobby_)
    if (!try_send(slot)) still.push_back(slot);
  lobby_ = std::move(still);
}
}  // namespace moesim::serving
