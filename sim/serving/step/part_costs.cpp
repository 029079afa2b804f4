#include "serving/step/part_costs.h"

#include <algorithm>

#include "compute/layers/index_kernels.h"
#include "core/check.h"

namespace moesim::serving {
namespace {
bool is_core(const compute::Kernel& kernel) {
  return std::holds_alternative<compute::AttentionPrefill>(kernel) ||
         std::holds_alternative<compute::SparsePrefill>(kernel) ||
         std::holds_alternative<compute::ShortConvolution>(kernel) ||
         std::holds_alternative<compute::StateScan>(kernel) || compute::reads_cache(kernel);
}
constexpr std::size_t kMostEntries = 1 << 20;
}  // namespace

PartCosts::PartCosts(const spec::Model& model, compute::KernelCosts& kernels, const compute::LayerOptions& options,
                     compute::GpuShare share)
    : model_(model), kernels_(kernels), options_(options), share_(share) {
  // An MTP module's layer is a class of its own where the model has no such layer.
  for (int l = 0; l < model.layers + (model.mtp_layers > 0 ? 1 : 0); ++l) {
    const spec::LayerShape shape = spec::layer_shape(model, l);
    const auto found = std::ranges::find(shapes_, shape);
    class_of_.push_back(int(found - shapes_.begin()));
    if (found != shapes_.end()) continue;
    representative_.push_back(l);
    shapes_.push_back(shape);
  }
  check(shapes_.size() <= 16, "{} shapes of layers", shapes_.size());  // part() has four bits for them
  for (const spec::LayerShape& shape : shapes_)
    attention_class_.push_back(
        int(std::ranges::find(shapes_, shape.attention, &spec::LayerShape::attention) - shapes_.begin()));
}

void PartCosts::list(int layer_class, compute::LayerPart part, const compute::Batch& batch) {
  operations_.clear();
  compute::append_operations(operations_, model_, representative_[std::size_t(layer_class)], part,
                             compute::Pass::forward, batch, {}, options_);
}

Time PartCosts::part(int layer_class, compute::LayerPart part, std::int64_t tokens, std::int64_t outputs) {
  if (tokens == 0) return {};
  const std::uint64_t key = (std::uint64_t(part) << 60) | (std::uint64_t(layer_class) << 56) |
                            (std::uint64_t(outputs) << 28) | std::uint64_t(tokens);
  if (parts_.size() > kMostEntries) parts_.clear();
  const auto [entry, fresh] = parts_.try_emplace(key);
  if (!fresh) {
    above_ += entry->second.above;
    return entry->second.time;
  }
  compute::Batch batch;
  batch.tokens = tokens;
  batch.outputs = outputs;
  list(layer_class, part, batch);
  Part& sum = entry->second;
  for (const compute::Operation& o : operations_) {
    const compute::Cost cost = this->cost(o.kernel);
    sum.time += cost.time;
    sum.above += compute::above_waiting(cost, kernels_.model().gpu());
  }
  above_ += sum.above;
  return sum.time;
}

Time PartCosts::shared(int layer_class, std::int64_t tokens) {
  if (shapes_[std::size_t(layer_class)].ffn.kind == spec::FfnKind::none) return {};
  if (!shapes_[std::size_t(layer_class)].has_experts()) return part(layer_class, compute::LayerPart::shared, tokens);
  const Time merge = part(layer_class, compute::LayerPart::merge, tokens);
  return model_.moe->shared_experts > 0 ? part(layer_class, compute::LayerPart::shared, tokens) + merge : merge;
}

Time PartCosts::head(std::int64_t tokens, std::int64_t outputs) {
  return outputs > 0 ? part(0, compute::LayerPart::head, tokens, outputs) : Time{};
}

PartCosts::Attention PartCosts::attention(int layer_class, const compute::Batch& batch) {
  const spec::AttentionKind kind = shapes_[std::size_t(layer_class)].attention.kind;
  if (batch.tokens == 0 || kind == spec::AttentionKind::none) return {};
  const bool state = spec::keeps_state(kind);  // its core is several kernels
  const bool only_decodes = !state && batch.prefill.queries == 0 && batch.decode.queries > 0;
  const std::uint64_t key = (std::uint64_t(layer_class) << 56) | std::uint64_t(batch.tokens);
  if (only_decodes) {
    const auto found = decode_.find(key);
    if (found != decode_.end()) {
      Attention out = found->second.fixed;
      for (const compute::Kernel& core : found->second.cores) {
        const compute::Cost cost = this->cost(compute::for_batch(core, batch, windowed(layer_class)));
        out.core += cost.time;
        out.above += compute::above_waiting(cost, kernels_.model().gpu());
      }
      return out;
    }
  }
  list(layer_class, compute::LayerPart::attention, batch);
  DecodeShape shape;
  Attention out;
  bool before = true;
  for (const compute::Operation& o : operations_) {
    const compute::Cost cost = this->cost(o.kernel);
    before = before && !is_core(o.kernel);
    (before ? out.in : out.core) += cost.time;
    out.above += compute::above_waiting(cost, kernels_.model().gpu());
    if (compute::reads_cache(o.kernel)) {
      shape.cores.push_back(o.kernel);
      shape.fixed.core = shape.fixed.core - cost.time;
      shape.fixed.above -= compute::above_waiting(cost, kernels_.model().gpu());
    }
  }
  if (only_decodes) {
    shape.fixed.in = out.in;
    shape.fixed.core += out.core;
    shape.fixed.above += out.above;
    decode_.emplace(key, shape);
  }
  return out;
}
}  // namespace moesim::serving
