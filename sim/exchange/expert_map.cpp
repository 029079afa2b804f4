#include "exchange/expert_map.h"

#include <algorithm>

#include "core/ceil_div.h"
#include "core/check.h"

namespace moesim::exchange {

std::vector<int> ExpertMap::copies_of(int expert) const {
  std::vector<int> out;
  for (int slot = 0; slot < slots(); ++slot)
    if (slot_to_expert[std::size_t(slot)] == expert) out.push_back(slot);
  return out;
}

bool has_copies(const ExpertMap& map) {
  return std::ranges::count_if(map.slot_to_expert, [](int e) { return e >= 0; }) > map.experts;
}

CopyTable copy_table(const ExpertMap& map) {
  CopyTable out;
  out.first.assign(std::size_t(map.experts) + 1, 0);
  for (const int expert : map.slot_to_expert)
    if (expert >= 0) ++out.first[std::size_t(expert) + 1];
  for (std::size_t e = 0; e < std::size_t(map.experts); ++e) out.first[e + 1] += out.first[e];
  out.slots.resize(std::size_t(out.first.back()));
  std::vector<int> next(out.first.begin(), out.first.end() - 1);
  for (int slot = 0; slot < map.slots(); ++slot)
    if (const int expert = map.slot_to_expert[std::size_t(slot)]; expert >= 0)
      out.slots[std::size_t(next[std::size_t(expert)]++)] = slot;
  return out;
}

ExpertMap contiguous_map(int experts, int gpus) {
  check(experts > 0 && gpus > 0, "a placement needs experts and GPUs, got {} and {}", experts, gpus);
  ExpertMap out{experts, gpus, ceil_div(experts, gpus), {}};
  out.slot_to_expert.assign(std::size_t(out.slots()), -1);
  for (int e = 0; e < experts; ++e) out.slot_to_expert[std::size_t(e)] = e;
  return out;
}

void check_map(const ExpertMap& map) {
  check(map.experts > 0 && map.gpus > 0 && map.slots_per_gpu > 0,
        "a placement has {} experts on {} GPUs with {} slots each", map.experts, map.gpus, map.slots_per_gpu);
  check(map.slot_to_expert.size() == std::size_t(map.slots()), "a placement of {} slots lists {}", map.slots(),
        map.slot_to_expert.size());
  std::vector<bool> placed(std::size_t(map.experts), false);
  for (std::size_t slot = 0; slot < map.slot_to_expert.size(); ++slot) {
    const int expert = map.slot_to_expert[slot];
    check(expert >= -1 && expert < map.experts, "slot {} holds expert {} of {}", slot, expert, map.experts);
    if (expert >= 0) placed[std::size_t(expert)] = true;
  }
  for (std::size_t e = 0; e < placed.size(); ++e) check(placed[e], "expert {} has no slot", e);
}
}  // namespace moesim::exchange
