#include "serving/step/part_costs.h"

#include <algorithm>

#include "core/check.h"

namespace moesim {
namespace {
bool is_windowed(const Model& model, int layer) {
  const std::vector<int>& layers = model.attention.sliding_layers;
  return model.attention.sliding_window > 0 && std::ranges::binary_search(layers, layer);
}
bool is_core(const Kernel& kernel) {
  return std::holds_alternative<AttentionPrefill>(kernel) || std::holds_alternative<AttentionDecode>(kernel);
}
constexpr std::size_t kMostEntries = 1 << 20;
}  // namespace

PartCosts::PartCosts(const Model& model, KernelCosts& kernels, const LayerOptions& options, GpuShare share)
    : model_(model), kernels_(kernels), options_(options), share_(share) {
  for (int l = 0; l < model.layers; ++l) {
    const bool window = is_windowed(model, l);
    int found = -1;
    for (std::size_t c = 0; c < representative_.size(); ++c)
      if (windowed_[c] == window && model.is_moe_layer(representative_[c]) == model.is_moe_layer(l)) found = int(c);
    if (found < 0) {
      found = int(representative_.size());
      representative_.push_back(l);
      windowed_.push_back(window);
    }
    class_of_.push_back(found);
  }
  for (std::size_t c = 0; c < representative_.size(); ++c)
    attention_class_.push_back(int(std::ranges::find(windowed_, windowed_[c]) - windowed_.begin()));
}

void PartCosts::list(int layer_class, LayerPart part, const Batch& batch) {
  operations_.clear();
  append_operations(operations_, model_, representative_[std::size_t(layer_class)], part, Pass::forward, batch, {},
                    options_);
}

Time PartCosts::part(int layer_class, LayerPart part, std::int64_t tokens, std::int64_t outputs) {
  if (tokens == 0) return {};
  const std::uint64_t key = (std::uint64_t(part) << 60) | (std::uint64_t(layer_class) << 56) |
                            (std::uint64_t(outputs) << 28) | std::uint64_t(tokens);
  if (parts_.size() > kMostEntries) parts_.clear();
  const auto [entry, fresh] = parts_.try_emplace(key);
  if (!fresh) return entry->second;
  Batch batch;
  batch.tokens = tokens;
  batch.outputs = outputs;
  list(layer_class, part, batch);
  Time sum{};
  for (const Operation& o : operations_) sum += time(o.kernel);
  return entry->second = sum;
}

Time PartCosts::shared(int layer_class, std::int64_t tokens) {
  const int layer = representative_[std::size_t(layer_class)];
  if (!model_.is_moe_layer(layer)) return part(layer_class, LayerPart::shared, tokens);
  const Time merge = part(layer_class, LayerPart::merge, tokens);
  return model_.moe->shared_experts > 0 ? part(layer_class, LayerPart::shared, tokens) + merge : merge;
}

Time PartCosts::head(std::int64_t tokens, std::int64_t outputs) {
  return outputs > 0 ? part(0, LayerPart::head, tokens, outputs) : Time{};
}

PartCosts::Attention PartCosts::attention(int layer_class, const Batch& batch) {
  if (batch.tokens == 0) return {};
  const bool windowed = windowed_[std::size_t(layer_class)];
  const AttentionWork& decode = windowed ? batch.window_decode : batch.decode;
  const bool only_decodes = batch.prefill.queries == 0 && batch.decode.queries > 0;
  const std::uint64_t key = (std::uint64_t(layer_class) << 56) | std::uint64_t(batch.tokens);
  if (only_decodes) {
    const auto found = decode_.find(key);
    if (found != decode_.end()) {
      const DecodeShape& shape = found->second;
      AttentionDecode core = shape.core;
      core.work = decode;
      return {shape.fixed.in, shape.fixed.core + time(core)};
    }
  }
  list(layer_class, LayerPart::attention, batch);
  DecodeShape shape;
  Attention out;
  bool before = true;
  for (const Operation& o : operations_) {
    const Time t = time(o.kernel);
    before = before && !is_core(o.kernel);
    (before ? out.in : out.core) += t;
    if (const auto* core = std::get_if<AttentionDecode>(&o.kernel)) {
      shape.core = *core;
      shape.fixed.core = shape.fixed.core - t;
    }
  }
  if (only_decodes) {
    shape.fixed.in = out.in;
    shape.fixed.core += out.core;
    decode_.emplace(key, shape);
  }
  return out;
}
}  // namespace moesim
