#include "spec/release/as_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "spec/check_model.h"
#include "spec/count.h"
#include "spec/hugging_face_attention.h"
#include "spec/release/described.h"
#include "spec/release/missing.h"
#include "spec/release/run_formats.h"
#include "spec/release/totals.h"

namespace moesim::spec {
namespace {
/// Why a release cannot be run.
struct Refusal {
  const Described& d;
  [[noreturn]] void operator()(std::string_view why) const {
    throw ConfigError::placed(
        fmt::format("{}: model_type \"{}\" can be counted and not run: {}", d.release.file, d.type, why));
  }
};

const DeltaPlan* delta_of(const LayerPlan& layer) {
  return layer.mixers.size() == 1 ? std::get_if<DeltaPlan>(&layer.mixers.front()) : nullptr;
}
const MambaPlan* mamba_of(const LayerPlan& layer) {
  return layer.mixers.size() == 1 ? std::get_if<MambaPlan>(&layer.mixers.front()) : nullptr;
}
const LatentPlan* latent_of(const LayerPlan& layer) {
  return layer.mixers.size() == 1 ? std::get_if<LatentPlan>(&layer.mixers.front()) : nullptr;
}
/// Of the first layer that has one: nothing else attends in a model with MLA; null without.
const LatentPlan* latent_of(const Plan& plan) {
  const auto at = std::ranges::find_if(plan.layers, [](const LayerPlan& l) { return latent_of(l) != nullptr; });
  return at == plan.layers.end() ? nullptr : latent_of(*at);
}

bool is_sparse(const LatentPlan& p) { return p.index_heads > 0 || p.reuses_index; }

/// Whether its layers attend over entries of several tokens.
bool has_entries(const Described& d) {
  return std::ranges::any_of(d.release.layers, [](const ReleaseLayer& l) {
    return std::ranges::any_of(
        l.mixers, [](MixerKind k) { return k == MixerKind::compressed || k == MixerKind::compressed_sparse; });
  });
}

/// Layers of gated DeltaNet, if it has any.
void set_delta(const Described& d, Model& m, const Refusal& refuse) {
  DeltaShape shape;
  for (std::size_t i = 0; i < d.plan.layers.size(); ++i) {
    const DeltaPlan* const p = delta_of(d.plan.layers[i]);
    if (!p) continue;
    if (p->apart == traits_of(m.architecture).joined_delta) refuse("its projections are not stored as its family's");
    shape.key_heads = p->key_heads;
    shape.value_heads = p->value_heads;
    shape.key_dim = p->key_dim;
    shape.value_dim = p->value_dim;
    shape.convolution = p->convolution;
    shape.layers.push_back(int(i));
  }
  if (!shape.layers.empty()) m.delta = shape;
}

/// Layers of Mamba-2, and layers that are a network alone.
void set_halves(const Described& d, Model& m, const Refusal& refuse) {
  MambaShape shape;
  for (std::size_t i = 0; i < d.plan.layers.size(); ++i) {
    const LayerPlan& layer = d.plan.layers[i];
    if (layer.mixers.empty()) {
      if (!layer.experts) refuse("dense networks of two matrices have no forward pass");
      m.network_layers.push_back(int(i));
    }
    const MambaPlan* const p = mamba_of(layer);
    if (!p) continue;
    if (!p->second || p->bias) refuse("Mamba-1, and biases of Mamba-2's projections, have no forward pass");
    shape.heads = p->heads;
    shape.head_dim = p->head_dim;
    shape.groups = p->groups;
    shape.state = p->state;
    shape.convolution = p->convolution;
    shape.convolution_bias = p->convolution_bias;
    shape.layers.push_back(int(i));
  }
  if (!shape.layers.empty()) m.mamba = shape;
  m.rope.no_rope_every = 1;  // its attention has no positions, whatever config.json says of them
}

void set_latent(const Described& d, Model& m) {
  const LatentPlan& p = *latent_of(d.plan);
  AttentionShape& a = m.attention;
  a.kind = AttentionKind::mla;
  a.heads = a.kv_heads = p.heads;
  a.q_lora_rank = p.q_rank;
  a.kv_lora_rank = p.kv_rank;
  a.qk_nope_head_dim = p.nope;
  a.qk_rope_head_dim = p.rope;
  a.head_dim = p.nope + p.rope;
  a.v_head_dim = p.v_dim;
  a.output_gate = p.output_gate;
  if (!is_sparse(p)) return;
  a.kind = AttentionKind::dsa;
  read_indexer(d.text.object(), m);
}

/// How a token's experts are chosen, by the names that families have for it.
void set_gate(const Keys& k, const ExpertPlan& x, MoeShape& s, std::string_view type) {
  const bool longcat = type == "longcat_flash";  // whose class says neither score nor norm: softmax, none
  const std::string score = k.text_or(k.named({"scoring_func", "score_function", "moe_router_activation_func"}),
                                      x.selection_bias && !longcat ? "sigmoid" : "softmax");
  const bool sigmoid = k.flag_or("moe_router_use_sigmoid", score == "sigmoid");
  s.score = score == name_of(Score::sqrt_softplus) ? Score::sqrt_softplus : sigmoid ? Score::sigmoid : Score::softmax;
  s.selection = x.selection_bias ? Selection::noaux_tc : Selection::greedy;
  s.selection_bias = x.selection_bias;
  s.router_linear_bias = x.gate_bias;
  s.expert_bias = x.expert_bias;
  s.groups = s.selection == Selection::greedy ? 1 : std::max(1, k.whole_or("n_group", 1));
  s.groups_used = s.selection == Selection::greedy ? 1 : std::max(1, k.whole_or("topk_group", 1));
  const bool usual = type != "qwen2_moe" && type != "olmoe" && !longcat;  // their classes say false
  s.normalise = k.flag_or(k.named({"norm_topk_prob", "route_norm", "moe_renormalize", "norm_expert_weight"}), usual);
  const char* const scale = k.named({"routed_scaling_factor", "router_scaling_factor", "moe_router_scaling_factor"});
  s.scale = k.has(scale) ? k.object().number(scale) : 1;
}

void set_ffn(const Described& d, Model& m, const Refusal& refuse) {
  const std::vector<LayerPlan>& layers = d.plan.layers;
  const ExpertPlan* experts = nullptr;
  int first = -1, last = -1, count = 0, hashed = 0, beside = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const bool halved = traits_of(m.architecture).halved_layers && layers[i].dense.empty();
    if (!halved && (layers[i].dense_matrices != 3 || layers[i].dense_bias))
      refuse("dense networks of two matrices or with biases");
    if (!layers[i].dense.empty()) m.dense_width = layers[i].dense.front();
    if (!layers[i].experts) continue;
    experts = &*layers[i].experts;
    beside += !layers[i].dense.empty();
    hashed += has_entries(d) && !experts->selection_bias;
    if (first < 0) first = int(i);
    last = int(i);
    ++count;
  }
  if (!experts) return;
  const int matrices = traits_of(m.architecture).gating == Gating::relu_squared ? 2 : 3;
  if (experts->matrices != matrices) refuse("experts of two matrices have no kernels yet");
  if (beside > 0 && (beside < count || experts->shared_width > 0 || (m.norms_per_layer != 2 && !m.norms_branches())))
    refuse("dense networks beside some of the experts, or beside shared ones, have no kernels yet");
  MoeShape s;
  s.experts = experts->experts;
  s.top_k = experts->top_k;
  s.expert_width = experts->width;
  s.idle_experts = experts->idle;
  s.dense_beside = beside > 0;
  s.shortcut = joins_later(d.release);
  const int shared = beside > 0 ? m.dense_width : experts->shared_width;
  const bool multiple = shared % std::max(1, experts->width) == 0;
  s.shared_experts = multiple ? shared / std::max(1, experts->width) : 1;
  s.shared_width = multiple ? 0 : shared;
  s.shared_gate = experts->shared_gate;
  s.latent_width = experts->latent;
  s.latent_norm = experts->latent_norm;
  s.hash_layers = hashed;
  s.layer_frequency = !m.halved() && count > 1 ? (last - first) / (count - 1) : 1;
  s.first_dense_layers = !m.halved() && s.layer_frequency == 1 ? first : 0;
  s.last_dense_layers = !m.halved() && s.layer_frequency == 1 ? int(layers.size()) - 1 - last : 0;
  s.layer_offset = (s.layer_frequency - (first + 1) % s.layer_frequency) % s.layer_frequency;
  if (m.halved()) s.layer_offset = 0;
  set_gate(d.text, *experts, s, d.type);
  m.moe = s;
  for (std::size_t i = 0; i < layers.size(); ++i)
    if (layers[i].experts.has_value() != m.is_moe_layer(int(i)))
      refuse("its layers with experts follow no rule that runs");
}

/// Whether its MTP modules, of layers that are halves, are attention and experts each: a whole layer.
bool whole_modules(const Plan& plan) {
  for (std::size_t i = 0; i + 1 < plan.mtp.size(); i += 2) {
    const LayerPlan &first = plan.mtp[i], &second = plan.mtp[i + 1];
    if (first.mixers.size() != 1 || !std::holds_alternative<HeadPlan>(first.mixers.front()) || first.experts)
      return false;
    if (!second.mixers.empty() || !second.experts) return false;
  }
  return plan.mtp.size() % 2 == 0;
}

/// Biases of norms and of the head: a Model has no place for them, nor have they a time to speak of.
std::int64_t left_out(const Described& d) {
  std::int64_t sum = std::int64_t{d.plan.final_norm_values - 1} * d.plan.hidden;
  if (d.plan.head_bias) sum += d.plan.vocabulary;
  for (const LayerPlan& layer : d.plan.layers)
    sum += std::int64_t{layer.norms} * (layer.norm_values - 1) * d.plan.hidden;
  return sum;
}

/// The family whose forward pass it has; else one whose layers cost the same.
Architecture family_of(const Described& d) {
  for (const ArchitectureTraits& family : architectures())
    if (family.from_release && (d.type == name_of(family.of) || d.type == family.also_read)) return family.of;
  if (const LatentPlan* const latent = latent_of(d.plan))
    return is_sparse(*latent) ? Architecture::deepseek_v32 : Architecture::deepseek_v3;
  const bool mixture = std::ranges::any_of(d.plan.layers, [](const LayerPlan& l) { return l.experts.has_value(); });
  return mixture ? Architecture::glm4_moe : Architecture::llama;
}

/// What only a forward pass would show to be another model.
void check_pass(const Described& d, const Model& m, const Refusal& refuse) {
  if (!traits_of(m.architecture).from_release) return;
  const bool squared = traits_of(m.architecture).gating == Gating::relu_squared;
  const std::string act = d.text.text_or(squared ? "mlp_hidden_act" : "hidden_act", squared ? "relu2" : "silu");
  if (squared && act == "relu2") return;
  if (act != "silu" && act != "swish")
    refuse(fmt::format("{}: expected {}, got \"{}\"", squared ? "mlp_hidden_act" : "hidden_act",
                       squared ? "relu2" : "silu", act));
  if (d.text.has("clip_qkv")) refuse("clip_qkv: queries, keys and values that are clipped have no forward pass");
}

/// Where a family says how many columns of a head turn, and not which share of them.
void read_rotated(const Described& d, Model& m) {
  if (!d.text.has("rotary_dim") || d.text.has("partial_rotary_factor")) return;
  const int columns = d.text.size("rotary_dim");
  if (columns > m.attention.head_dim || columns % 2 != 0)
    d.text.fail("rotary_dim",
                fmt::format("must be even and at most the head_dim {}, got {}", m.attention.head_dim, columns));
  m.rope.partial = double(columns) / m.attention.head_dim;
}

Model model_of(const Described& d) {
  const Refusal refuse{d};
  const Plan& plan = d.plan;
  const LayerPlan& first = plan.layers.front();
  Model m;
  m.architecture = family_of(d);
  const bool halved = traits_of(m.architecture).halved_layers;
  m.uncosted = missing_to_run(d.release);
  if (!m.uncosted.empty()) refuse(m.uncosted);
  m.vocabulary = plan.vocabulary;
  m.hidden = plan.hidden;
  m.layers = int(plan.layers.size());
  m.tied_embeddings = plan.tied;
  const int modules = int(plan.mtp.size());  // those of other halves are left out, and that is said
  m.mtp_layers = !halved ? modules : whole_modules(plan) ? modules / 2 : 0;
  m.max_positions = plan.max_positions;
  m.norms_per_layer = first.norms;
  m.norm_epsilon = d.text.object().number_or(d.text.named({"rms_norm_eps", "layer_norm_epsilon", "norm_eps"}),
                                             traits_of(m.architecture).missing.norm_epsilon);
  read_rope(d.text.object(), m);
  if (latent_of(plan))
    set_latent(d, m);
  else if (has_entries(d))
    set_compressed(d, m, refuse);
  else
    set_heads(d, m, refuse);
  if (!latent_of(plan) && !has_entries(d)) read_rotated(d, m);
  set_delta(d, m, refuse);
  set_kimi(d, m);
  set_blocks(d, m, refuse);
  if (halved) set_halves(d, m, refuse);
  check_pass(d, m, refuse);
  set_ffn(d, m, refuse);
  set_formats(m, run_formats(d.release));
  if (m.mtp_layers == 0 && modules > 0)
    m.weights_note +=
        fmt::format("{}its MTP module, of layers that are halves, is left out", m.weights_note.empty() ? "" : "; ");
  m.name = m.title = d.release.name;
  m.source = d.release.file;
  check_model(m,
              [&](std::string_view path, std::string_view problem) { refuse(fmt::format("{}: {}", path, problem)); });
  // What is run must be what was counted.
  const ReleaseTotals t = count_release(d.release);
  const Parameters p = count_parameters(m);
  if (p.total() + left_out(d) != t.total || p.active + left_out(d) != t.active)
    refuse("it has weights that a run has no place for");
  return m;
}
}  // namespace

Model model_of_release(const Described& d) {
  if (!joins_later(d.release)) return model_of(d);
  Described apart = d;
  apart.plan = layers_apart(d.plan);
  return model_of(apart);
}
}  // namespace moesim::spec
