#include "routing/importers/megatron_ranks.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/splitmix.h"

namespace moesim::routing {

RepeatedRanks::RepeatedRanks(std::size_t ranks) : candidates_(ranks), seen_(ranks, false) {
  for (std::size_t r = 0; r < ranks; ++r)
    for (std::size_t other = 0; other < ranks; ++other)
      if (other != r) candidates_[r].push_back({other});
}

void RepeatedRanks::add(const std::map<std::size_t, HeldPass>& passes) {
  for (const auto& [rank, holds] : passes) {
    seen_[rank] = true;
    std::erase_if(candidates_[rank], [&, &holds = holds](Candidate& c) {
      const auto other = passes.find(c.rank);
      if (c.ended || other == passes.end()) return true;
      c.ended = holds.size() < other->second.size();
      return !std::ranges::includes(other->second, holds);
    });
  }
}

const RepeatedRanks::Candidate* RepeatedRanks::find(std::size_t rank, std::size_t other) const {
  const auto at = std::ranges::lower_bound(candidates_[rank], other, {}, &Candidate::rank);
  return at != candidates_[rank].end() && at->rank == other ? &*at : nullptr;
}

bool RepeatedRanks::ends_earlier(std::size_t rank, std::size_t other) const { return find(other, rank) == nullptr; }

std::vector<std::size_t> RepeatedRanks::first() const {
  const auto repeats = [&](std::size_t r, std::size_t other) {
    return seen_[r] && find(r, other) != nullptr && (other < r || ends_earlier(r, other));
  };
  std::vector<std::size_t> out;
  for (std::size_t r = 0; r < candidates_.size(); ++r) {
    std::size_t at = r;
    // Holding all that another does is transitive, so that among those repeated one repeats no further.
    for (const Candidate& c : candidates_[r])
      if (repeats(at, c.rank)) at = c.rank;
    out.push_back(at);
  }
  return out;
}

std::string RepeatedRanks::note() const {
  const std::vector<std::size_t> of = first();
  std::size_t repeats = 0, shorter = 0;
  for (std::size_t r = 0; r < of.size(); ++r)
    if (of[r] != r) ++repeats, shorter += ends_earlier(r, of[r]);
  if (repeats == 0) return "";
  std::string out = fmt::format(
      "{} of {} ranks hold the same tokens as another, as tensor-parallel ones do: counted once", repeats, of.size());
  if (shorter > 0) out += fmt::format("; {} of them as far as they go: cut short, or stopped earlier", shorter);
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
