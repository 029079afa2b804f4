// What an instance's GPUs have sent each other, for the links' books.
#include "serving/step/layered_cost.h"

namespace moesim::serving {

/// Every place sums up its own tokens so often, and hands them on to the next stage.
void LayeredCost::count_ranks(int stage, int all_reduces) {
  if (s_.parallel.tensor == 1 && s_.parallel.pipeline == 1) return;
  const std::size_t places = sent_.hop_tokens.size();  // of all stages
  counted_.resize(micro_.size() * places);
  for (std::size_t m = 0; m < micro_.size(); ++m)
    for (std::size_t r = 0; r < micro_[m].size(); ++r) {
      const std::size_t place = std::size_t(stage * s_.parallel.places()) + r;
      const std::int64_t tokens = micro_[m][r].tokens;
      if (tokens == 0) continue;
      if (Counted& c = counted_[m * places + place]; s_.parallel.tensor > 1) {
        if (c.tokens != tokens) c = {tokens, &sent_.all_reduces[{int(place), tokens}]};
        *c.times += all_reduces;
      }
      if (stage > 0) sent_.hop_tokens[place] += double(tokens);
    }
}

LayeredCost::Sent LayeredCost::take_sent() {
  Sent out;
  std::swap(out.all_reduces, sent_.all_reduces);
  std::swap(out.gathers, sent_.gathers);
  counted_.clear();
  out.hop_tokens = std::exchange(sent_.hop_tokens, std::vector<double>(sent_.hop_tokens.size()));
  const int stages = s_.parallel.pipeline, layers = s_.model->layers;
  const auto first_of = [&](int stage) {  // MoE layers before this stage
    int count = 0;
    for (int l = 0; l < layers * stage / stages; ++l) count += ordinal_[std::size_t(l)] >= 0;
    return std::size_t(count);
  };
  for (int stage = 0; bank_ && stage < stages; ++stage)
    out.exchanges.push_back(bank_->take_exchanged(first_of(stage), first_of(stage + 1)));
  if (rebalancing_)
    for (const auto& [row, move] : rebalancing_->take_moves()) {
      int stage = 0;
      while (first_of(stage + 1) <= row) ++stage;
      out.experts.emplace_back(stage, move);
    }
  return out;
}
}  // namespace moesim::serving
