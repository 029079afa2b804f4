#include "spec/model.h"

#include <algorithm>

#include "spec/catalogue.h"
#include "spec/extend.h"

namespace moesim {
namespace {
bool is_unpublished(const Config& config) { return config.has("unpublished"); }

/// What belongs to one release and not to its architecture.
void forget_release(Model& m) {
  m.title.clear();
  m.hugging_face.clear();
  m.source.clear();
  m.published = {};
}

void positive(const Config& config, std::string_view key, int value) {
  if (value <= 0) fail_at(config, key, fmt::format("must be more than 0, got {}", value));
}

void check_attention(const Config& config, const Model& m) {
  const AttentionShape& a = m.attention;
  positive(config, "attention.heads", a.heads);
  positive(config, "attention.kv_heads", a.kv_heads);
  positive(config, "attention.head_dim", a.head_dim);
  positive(config, "attention.v_head_dim", a.v_head_dim);
  if (a.heads % a.kv_heads != 0)
    fail_at(config, "attention.kv_heads", fmt::format("must divide the {} heads, got {}", a.heads, a.kv_heads));
  if (a.kind != AttentionKind::gqa && a.kv_heads != a.heads)
    fail_at(config, "attention.kv_heads",
            fmt::format("must equal the {} heads for {}, got {}", a.heads, name_of(a.kind), a.kv_heads));
  if (a.kind == AttentionKind::mla) {
    positive(config, "attention.kv_lora_rank", a.kv_lora_rank);
    positive(config, "attention.qk_nope_head_dim", a.qk_nope_head_dim);
    positive(config, "attention.qk_rope_head_dim", a.qk_rope_head_dim);
    if (a.q_lora_rank < 0) fail_at(config, "attention.q_lora_rank", "must be 0 or more");
    if (a.head_dim != a.qk_nope_head_dim + a.qk_rope_head_dim)
      fail_at(config, "attention.head_dim",
              fmt::format("must be qk_nope_head_dim + qk_rope_head_dim = {}, got {}",
                          a.qk_nope_head_dim + a.qk_rope_head_dim, a.head_dim));
  }
  if (!a.sliding_layers.empty()) positive(config, "attention.sliding_window", a.sliding_window);
  int last = -1;
  for (const int layer : a.sliding_layers) {
    if (layer <= last || layer >= m.layers)
      fail_at(config, "attention.sliding_layers",
              fmt::format("must be ascending layer numbers from 0 to {}, got {} after {}", m.layers - 1, layer, last));
    last = layer;
  }
}

void check_moe(const Config& config, const Model& m) {
  const MoeShape& s = *m.moe;
  positive(config, "moe.experts", s.experts);
  positive(config, "moe.expert_width", s.expert_width);
  positive(config, "moe.groups", s.groups);
  positive(config, "moe.layer_frequency", s.layer_frequency);
  if (s.shared_experts < 0) fail_at(config, "moe.shared_experts", "must be 0 or more");
  if (s.top_k < 1 || s.top_k > s.experts)
    fail_at(config, "moe.top_k", fmt::format("must lie between 1 and the {} experts, got {}", s.experts, s.top_k));
  if (s.experts % s.groups != 0)
    fail_at(config, "moe.groups", fmt::format("must divide the {} experts, got {}", s.experts, s.groups));
  if (s.groups_used < 1 || s.groups_used > s.groups)
    fail_at(config, "moe.groups_used",
            fmt::format("must lie between 1 and the {} groups, got {}", s.groups, s.groups_used));
  const int reachable = s.groups_used * (s.experts / s.groups);
  if (s.top_k > reachable)
    fail_at(config, "moe.top_k",
            fmt::format("must be at most the {} experts of {} groups, got {}", reachable, s.groups_used, s.top_k));
  if (s.first_dense_layers < 0 || s.first_dense_layers > m.layers)
    fail_at(config, "moe.first_dense_layers",
            fmt::format("must lie between 0 and the {} layers, got {}", m.layers, s.first_dense_layers));
}

void finish_model(const Config& config, Model& m, bool extends) {
  if (!m.unpublished.empty()) return;
  if (!extends) (void)config.at("attention");
  positive(config, "vocabulary", m.vocabulary);
  positive(config, "hidden", m.hidden);
  positive(config, "layers", m.layers);
  if (m.mtp_layers < 0) fail_at(config, "mtp_layers", "must be 0 or more");
  check_attention(config, m);
  if (m.moe) check_moe(config, m);
  if (int(m.moe_layers().size()) < m.layers) positive(config, "dense_width", m.dense_width);
}

constexpr EntryKind<Model> kModel = {"models", "model", forget_release, is_unpublished, finish_model};
}  // namespace

std::vector<int> Model::moe_layers() const {
  std::vector<int> out;
  for (int layer = 0; layer < layers; ++layer)
    if (is_moe_layer(layer)) out.push_back(layer);
  return out;
}

Model load_model(const std::string& name, const std::string& beside) { return load_entry(kModel, name, beside); }
Model read_model(const Config& config) { return read_entry(kModel, config); }
}  // namespace moesim
