#include "routing/importers/megatron_ranks.h"

#include <algorithm>

#include "core/splitmix.h"

namespace moesim::routing {

RepeatedRanks::RepeatedRanks(std::size_t ranks) : candidates_(ranks), seen_(ranks, false) {
  for (std::size_t r = 0; r < ranks; ++r)
    for (std::size_t earlier = 0; earlier < r; ++earlier) candidates_[r].insert(candidates_[r].end(), earlier);
}

void RepeatedRanks::add(const std::map<std::size_t, std::uint64_t>& passes) {
  for (const auto& [rank, holds] : passes) {
    seen_[rank] = true;
    std::erase_if(candidates_[rank], [&, holds = holds](std::size_t earlier) {
      const auto other = passes.find(earlier);
      return other == passes.end() || other->second != holds;
    });
  }
}

std::vector<std::size_t> RepeatedRanks::first() const {
  std::vector<std::size_t> out;
  for (std::size_t r = 0; r < candidates_.size(); ++r)
    out.push_back(seen_[r] && !candidates_[r].empty() ? *candidates_[r].begin() : r);
  return out;
}

std::vector<int> model_layers(const std::vector<int>& written, const std::optional<spec::Model>& model,
                              std::vector<std::string>& notes) {
  if (!model) return written;
  const std::vector<int> moe = model->moe_layers();
  const auto all_are = [&](int shift) {
    return std::ranges::all_of(written, [&](int l) { return std::ranges::binary_search(moe, l + shift); });
  };
  if (all_are(0)) return written;
  std::vector<int> out;
  if (all_are(-1)) {
    for (const int l : written) out.push_back(l - 1);
    notes.push_back("layers are counted from 1 in these files");
    return out;
  }
  if (written.size() == moe.size() && written.front() == 0 && written.back() == int(moe.size()) - 1) {
    notes.push_back("MoE layers alone are counted in these files");
    return moe;
  }
  return written;  // refused where layers are settled
}

std::uint64_t mixed(std::uint64_t before, std::uint64_t more) { return split_mix((before ^ more) + kSplitMixStep); }
}  // namespace moesim::routing
