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

const HeadPlan* heads_of(const LayerPlan& layer) {
  return layer.mixers.size() == 1 ? std::get_if<HeadPlan>(&layer.mixers.front()) : nullptr;
}
const LatentPlan* latent_of(const LayerPlan& layer) {
  return layer.mixers.size() == 1 ? std::get_if<LatentPlan>(&layer.mixers.front()) : nullptr;
}

bool is_sparse(const LatentPlan& p) { return p.index_heads > 0 || p.reuses_index; }

bool same_heads(const HeadPlan& a, const HeadPlan& b) {
  return a.heads == b.heads && a.kv_heads == b.kv_heads && a.head_dim == b.head_dim && a.v_head_dim == b.v_head_dim &&
         a.sinks == b.sinks;
}

void set_heads(const Described& d, Model& m, const Refusal& refuse) {
  const HeadPlan& first = *heads_of(d.plan.layers.front());
  AttentionShape& a = m.attention;
  a.kind = first.heads == first.kv_heads ? AttentionKind::mha : AttentionKind::gqa;
  a.heads = first.heads;
  a.kv_heads = first.kv_heads;
  a.head_dim = first.head_dim;
  a.v_head_dim = first.v_head_dim;
  a.qkv_bias = first.q_bias;
  a.o_bias = first.o_bias;
  a.qk_norm = first.norm != HeadPlan::Norm::none;
  a.sinks = first.sinks;
  for (std::size_t i = 0; i < d.plan.layers.size(); ++i) {
    const HeadPlan* const own = heads_of(d.plan.layers[i]);
    if (!own || !same_heads(*own, first)) refuse("its layers have heads of different widths");
    if (own->gate != HeadPlan::Gate::none) refuse("gates of attention have no kernels yet");
    if (own->borrows_keys || own->keys_are_values) refuse("keys that layers share have no kernels yet");
    if (own->window == 0) continue;
    if (a.sliding_window > 0 && a.sliding_window != own->window) refuse("its layers have windows of different lengths");
    a.sliding_window = int(own->window);
    a.chunked = own->chunked;
    a.sliding_layers.push_back(int(i));
  }
}

void set_latent(const Described& d, Model& m) {
  const LatentPlan& p = *latent_of(d.plan.layers.front());
  AttentionShape& a = m.attention;
  a.kind = AttentionKind::mla;
  a.heads = a.kv_heads = p.heads;
  a.q_lora_rank = p.q_rank;
  a.kv_lora_rank = p.kv_rank;
  a.qk_nope_head_dim = p.nope;
  a.qk_rope_head_dim = p.rope;
  a.head_dim = p.nope + p.rope;
  a.v_head_dim = p.v_dim;
  if (!is_sparse(p)) return;
  a.kind = AttentionKind::dsa;
  read_indexer(d.text.object(), m);
}

/// How a token's experts are chosen, by the names that families have for it.
void set_gate(const Keys& k, const ExpertPlan& x, MoeShape& s, std::string_view type) {
  const std::string score = k.text_or(k.named({"scoring_func", "score_function", "moe_router_activation_func"}),
                                      x.selection_bias ? "sigmoid" : "softmax");
  const bool sigmoid = k.flag_or("moe_router_use_sigmoid", score == "sigmoid");
  s.score = sigmoid ? Score::sigmoid : Score::softmax;
  s.selection = x.selection_bias ? Selection::noaux_tc : Selection::greedy;
  s.selection_bias = x.selection_bias;
  s.router_linear_bias = x.gate_bias;
  s.expert_bias = x.expert_bias;
  s.groups = s.selection == Selection::greedy ? 1 : std::max(1, k.whole_or("n_group", 1));
  s.groups_used = s.selection == Selection::greedy ? 1 : std::max(1, k.whole_or("topk_group", 1));
  const bool usual = type != "qwen2_moe" && type != "olmoe";  // their classes say false
  s.normalise = k.flag_or(k.named({"norm_topk_prob", "route_norm", "moe_renormalize"}), usual);
  const char* const scale = k.named({"routed_scaling_factor", "router_scaling_factor", "moe_router_scaling_factor"});
  s.scale = k.has(scale) ? k.object().number(scale) : 1;
}

void set_ffn(const Described& d, Model& m, const Refusal& refuse) {
  const std::vector<LayerPlan>& layers = d.plan.layers;
  const ExpertPlan* experts = nullptr;
  int first = -1, last = -1, count = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].dense_matrices != 3 || layers[i].dense_bias) refuse("dense networks of two matrices or with biases");
    if (!layers[i].dense.empty()) m.dense_width = layers[i].dense.front();
    if (!layers[i].experts) continue;
    experts = &*layers[i].experts;
    if (first < 0) first = int(i);
    last = int(i);
    ++count;
  }
  if (!experts) return;
  if (experts->latent > 0 || experts->matrices != 3 || experts->idle > 0)
    refuse("experts of two matrices, of another width or that compute nothing have no kernels yet");
  MoeShape s;
  s.experts = experts->experts;
  s.top_k = experts->top_k;
  s.expert_width = experts->width;
  if (experts->shared_width % std::max(1, experts->width) != 0)
    refuse(fmt::format("the shared network of width {} is no multiple of the experts' {}", experts->shared_width,
                       experts->width));
  s.shared_experts = experts->width > 0 ? experts->shared_width / experts->width : 0;
  s.layer_frequency = count > 1 ? (last - first) / (count - 1) : 1;
  s.first_dense_layers = s.layer_frequency == 1 ? first : 0;
  set_gate(d.text, *experts, s, d.type);
  m.moe = s;
  for (std::size_t i = 0; i < layers.size(); ++i)
    if (layers[i].experts.has_value() != m.is_moe_layer(int(i)))
      refuse("its layers with experts follow no rule that runs");
}

/// Norms of whole projections, biases of norms and of the head, gates of shared experts: a Model has no place for them,
/// nor have they a time to speak of.
std::int64_t left_out(const Described& d) {
  std::int64_t sum = std::int64_t{d.plan.final_norm_values - 1} * d.plan.hidden;
  if (d.plan.head_bias) sum += d.plan.vocabulary;
  for (const LayerPlan& layer : d.plan.layers) {
    sum += std::int64_t{layer.norms} * (layer.norm_values - 1) * d.plan.hidden;
    if (const HeadPlan* const p = heads_of(layer); p && p->norm == HeadPlan::Norm::whole)
      sum += std::int64_t{p->heads + p->kv_heads - 2} * p->head_dim;
    if (layer.experts && layer.experts->shared_gate) sum += d.plan.hidden;
  }
  return sum;
}
}  // namespace

Model model_of_release(const Described& d) {
  const Refusal refuse{d};
  if (const std::string missing = missing_to_run(d.release); !missing.empty()) refuse(missing);
  const Plan& plan = d.plan;
  const LayerPlan& first = plan.layers.front();
  Model m;
  m.vocabulary = plan.vocabulary;
  m.hidden = plan.hidden;
  m.layers = int(plan.layers.size());
  m.tied_embeddings = plan.tied;
  m.mtp_layers = int(plan.mtp.size());
  m.max_positions = plan.max_positions;
  m.norms_per_layer = first.norms;
  m.architecture = latent_of(first) && is_sparse(*latent_of(first)) ? Architecture::deepseek_v32
                   : latent_of(first)                               ? Architecture::deepseek_v3
                   : first.experts || plan.layers.back().experts    ? Architecture::glm4_moe
                                                                    : Architecture::llama;
  read_rope(d.text.object(), m);
  if (latent_of(first))
    set_latent(d, m);
  else
    set_heads(d, m, refuse);
  set_ffn(d, m, refuse);
  set_formats(m, run_formats(d.release));
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
}  // namespace moesim::spec
