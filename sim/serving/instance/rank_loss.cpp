// What becomes of requests when an attention rank is lost.
#include "serving/instance/instance.h"

#include <algorithm>

namespace moesim {
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
    for (std::size_t i = 0; i < s.decoding.size(); ++i) {
      leave_decode(s.decoding, i);
      homeless.push_back(s.decoding.slot(i));
    }
    for (const Prompt& p : s.prompts) homeless.push_back(p.slot);
    homeless.insert(homeless.end(), s.arrived.begin(), s.arrived.end());
    s = Seat{};
  }
  for (std::uint32_t slot : homeless) {
    lost += live(slot).computed;
    let_go(live(slot).hold, live(slot));
    --held_[std::size_t(rank)];
  }
  const std::deque<std::uint32_t> queue = std::exchange(waiting_[std::size_t(rank)], {});
  homeless.insert(homeless.end(), queue.begin(), queue.end());
  pending_[std::size_t(rank)] = 0;
  promised_[std::size_t(rank)] = 0;
  set_down(rank, stays_down);
  touch(rank);
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
  set_down(rank, false);
  kick();
}
}  // namespace moesim
