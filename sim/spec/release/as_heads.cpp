// Layers of keys and values of their heads as a model to run: one shape for all, or windowed layers with heads of their
// own beside the others (Step, MiMo-V2, Gemma-4).
#include <algorithm>
#include <variant>

#include "spec/release/as_model.h"

namespace moesim::spec {
namespace {
const HeadPlan* heads_in(const LayerPlan& layer) {
  return layer.mixers.size() == 1 ? std::get_if<HeadPlan>(&layer.mixers.front()) : nullptr;
}
/// Layers that keep a state, or are a network alone.
bool without_keys(const LayerPlan& layer) {
  return layer.mixers.empty() ||
         (layer.mixers.size() == 1 && (std::holds_alternative<DeltaPlan>(layer.mixers.front()) ||
                                       std::holds_alternative<MambaPlan>(layer.mixers.front())));
}

bool same_heads(const HeadPlan& a, const HeadPlan& b) {
  return a.heads == b.heads && a.kv_heads == b.kv_heads && a.head_dim == b.head_dim && a.v_head_dim == b.v_head_dim &&
         a.q_rank == b.q_rank && a.sinks == b.sinks && a.gate == b.gate && a.keys_are_values == b.keys_are_values;
}

/// The first layer's that reads a window, or that does not; null without.
const HeadPlan* first_of(const Plan& plan, bool windowed) {
  for (const LayerPlan& layer : plan.layers)
    if (const HeadPlan* const own = heads_in(layer); own && (own->window > 0) == windowed) return own;
  return nullptr;
}

void take(const HeadPlan& p, AttentionShape& a) {
  a.kind = p.q_rank > 0 ? AttentionKind::factored : p.heads == p.kv_heads ? AttentionKind::mha : AttentionKind::gqa;
  a.q_lora_rank = p.q_rank;
  a.heads = p.heads;
  a.kv_heads = p.kv_heads;
  a.head_dim = p.head_dim;
  a.v_head_dim = p.v_head_dim;
  a.qkv_bias = p.q_bias;
  a.o_bias = p.o_bias;
  a.qk_norm = p.norm != HeadPlan::Norm::none;
  a.qk_norm_whole = p.norm == HeadPlan::Norm::whole;
  a.qk_norm_bare = p.norm_uncounted;
  a.output_gate = p.gate == HeadPlan::Gate::wide_query;
  a.head_gate = p.gate == HeadPlan::Gate::per_head;
  a.keys_are_values = p.keys_are_values;
  a.sinks = p.sinks;
}
}  // namespace

void set_heads(const Described& d, Model& m, const std::function<void(std::string_view)>& refuse) {
  const HeadPlan* const windowed = first_of(d.plan, true);
  const HeadPlan* const full = first_of(d.plan, false) ? first_of(d.plan, false) : windowed;
  if (!full) return refuse("none of its layers has attention heads");
  AttentionShape& a = m.attention;
  take(*full, a);
  if (windowed && !same_heads(*windowed, *full)) {
    if (windowed->gate != full->gate || windowed->keys_are_values)
      refuse("its layers have gates or values of different kinds");
    a.window_heads = {windowed->heads, windowed->kv_heads, windowed->head_dim, windowed->v_head_dim, windowed->sinks};
  }
  for (std::size_t i = 0; i < d.plan.layers.size(); ++i) {
    if (without_keys(d.plan.layers[i])) continue;
    const HeadPlan* const own = heads_in(d.plan.layers[i]);
    if (!own || !same_heads(*own, own->window > 0 ? *windowed : *full)) {
      refuse("its layers have heads of different widths");
      return;
    }
    if (own->borrows_keys) refuse("keys that layers share have no kernels yet");
    if (own->window == 0) continue;
    if (a.sliding_window > 0 && a.sliding_window != own->window) refuse("its layers have windows of different lengths");
    a.sliding_window = int(own->window);
    a.chunked = own->chunked;
    a.sliding_layers.push_back(int(i));
  }
  if (d.text.has("swa_rope_theta")) m.rope.local_theta = d.text.object().number("swa_rope_theta");
}
}  // namespace moesim::spec
