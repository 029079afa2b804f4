// Adapters that are trained in place of the weights, checked.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "spec/layer_shape.h"
#include "training/plan.h"

namespace moesim::training {
namespace {
/// Whether the model has products of this kind: a network of every layer is dense, an expert's, or both.
bool has(const spec::Model& model, LoraTarget target) {
  switch (target) {
    case LoraTarget::attention:
      return true;
    case LoraTarget::dense:
      return !model.moe || model.moe->shared_experts > 0 || int(model.moe_layers().size()) < model.layers;
    case LoraTarget::experts:
      return model.moe.has_value();
  }
  return false;
}

/// Columns or rows of the narrowest product that has an adapter.
int narrowest(const spec::Model& model, const compute::Adapters& adapters) {
  int out = model.hidden;
  if (adapters.attention) out = std::min(out, model.attention.heads * model.attention.v_head_dim);
  if (adapters.attention && model.attention.kv_lora_rank > 0)
    for (const int latent : {model.attention.kv_lora_rank, model.attention.q_lora_rank})
      if (latent > 0) out = std::min(out, latent);
  if (adapters.dense && model.moe && model.moe->shared_experts > 0) out = std::min(out, model.moe->shared_total());
  if (adapters.dense && model.dense_width > 0 && (!model.moe || int(model.moe_layers().size()) < model.layers))
    out = std::min(out, model.dense_width);
  if (adapters.experts) out = std::min(out, model.moe->expert_width);
  return out;
}

void check_kinds(const Config& lora, const spec::Model& model) {
  for (int layer = 0; layer < model.layers; ++layer)
    if (const spec::AttentionKind kind = spec::layer_shape(model, layer).attention.kind;
        spec::passes_on(kind) || kind == spec::AttentionKind::dsa || kind == spec::AttentionKind::block_sparse)
      lora.fail(fmt::format("layer {} of {} has attention ({}) whose adapters have no kernels yet", layer, model.name,
                            name_of(kind)));
}
}  // namespace

compute::Adapters adapters_of(const Config& training, const spec::Model& model) {
  if (!training.has("lora")) return {};
  const Config lora = training.at("lora");
  const auto section = read<LoraSection>(lora);
  compute::Adapters out{.rank = section.rank};
  if (lora.has("targets") && section.targets.empty()) lora.at("targets").fail("expected at least one");
  std::vector<LoraTarget> targets = section.targets;
  if (targets.empty())
    for (const LoraTarget t : {LoraTarget::attention, LoraTarget::dense, LoraTarget::experts})
      if (has(model, t)) targets.push_back(t);
  for (const LoraTarget t : targets) {
    if (!has(model, t)) lora.at("targets").fail(fmt::format("{} has no products of \"{}\"", model.name, name_of(t)));
    bool& on = t == LoraTarget::attention ? out.attention : t == LoraTarget::dense ? out.dense : out.experts;
    if (on) lora.at("targets").fail(fmt::format("\"{}\" stands twice", name_of(t)));
    on = true;
  }
  if (section.rank < 1) lora.at("rank").fail(fmt::format("expected at least 1, got {}", section.rank));
  if (const int most = narrowest(model, out) - 1; section.rank > most)
    lora.at("rank").fail(fmt::format(
        "expected 1 to {}, got {}: the narrowest product with an adapter has {} columns, and one of as many is no "
        "smaller",
        most, section.rank, most + 1));
  check_kinds(lora, model);
  if (training.has("balance"))
    training.at("balance").fail("the gate stays as it is with training.lora: no bias of it is moved");
  return out;
}

std::vector<KeyHelp> lora_keys() { return keys_of<LoraSection>(); }
}  // namespace moesim::training
