// What GPUs that share prompts send each other: new keys in every layer, and at the end what the head reads.
#include <algorithm>

#include "serving/step/layered_cost.h"

namespace moesim::serving {

void LayeredCost::set_up_context() {
  const Parallel& p = s_.parallel;
  if (p.context == 1) return;
  for (int part = 0; part < p.context; ++part) context_group_.push_back(GpuId(std::uint32_t(part * p.tensor)));
  gathered_.resize(std::size_t(parts_.classes()));
  std::vector<bool> known(gathered_.size());
  for (int l = 0; l < s_.model->layers; ++l) {
    const std::size_t c = std::size_t(parts_.class_of(l));
    if (!known[c]) gathered_[c] = compute::gathered_keys(*s_.model, l, s_.options);
    known[c] = true;
  }
}

/// Each GPU of a tensor group gathers what it caches; they do so side by side.
Time LayeredCost::gather_time(Bytes bytes) {
  if (bytes.v == 0) return {};
  const auto [entry, fresh] = gather_times_.try_emplace(bytes.v);
  if (fresh)
    entry->second = network::collective_time(*s_.topology, s_.calibration, network::Collective::all_gather,
                                             network::CollectiveAlgorithm::best, context_group_, bytes);
  return entry->second;
}

/// New keys come to all GPUs that share prompts before their attention; parts are filled up to the fullest one's
/// `tokens` (SGLang, layers/cp/padding.py).  The latent and the indexer's key are gathered one after the other.
Time LayeredCost::keys_time(int layer_class, std::int64_t tokens) {
  if (s_.parallel.context == 1) return {};
  const compute::GatheredKeys& keys = gathered_[std::size_t(layer_class)];
  return gather_time(keys.kept * (tokens * s_.parallel.context)) +
         gather_time(keys.index * (tokens * s_.parallel.context));
}

/// What the last layer gives comes together before the head (SGLang pull request 12065, 2025).
Time LayeredCost::hidden_time(std::int64_t tokens) {
  if (s_.parallel.context == 1) return {};
  return gather_time({tokens * s_.parallel.context * s_.model->hidden * 2});
}

/// Adds a stage's gathers to the books, layers [first, last).
void LayeredCost::count_gathers(int stage, int first, int last) {
  const int parts = s_.parallel.context;
  if (parts == 1) return;
  std::vector<double> layers(gathered_.size());
  for (int l = first; l < last; ++l) ++layers[std::size_t(parts_.class_of(l))];
  for (const std::vector<compute::Batch>& micro : micro_)
    for (int rank = 0; rank < s_.parallel.data; ++rank) {
      std::int64_t tokens = 0;
      for (int part = 0; part < parts; ++part)
        tokens = std::max(tokens, micro[std::size_t(rank * parts + part)].tokens);
      const auto add = [&](Bytes each, double times) {
        if (tokens > 0 && each.v > 0 && times > 0)
          sent_.gathers[{stage * s_.parallel.data + rank, each.v * tokens * parts}] += times;
      };
      for (std::size_t c = 0; c < layers.size(); ++c) {
        add(gathered_[c].kept, layers[c]);
        add(gathered_[c].index, layers[c]);
      }
      if (stage + 1 == s_.parallel.pipeline) add({s_.model->hidden * 2}, 1);
    }
}
}  // namespace moesim::serving
