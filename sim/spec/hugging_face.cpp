#include "spec/hugging_face.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "formats/json.h"
#include "spec/check_model.h"
#include "spec/hugging_face_attention.h"
#include "spec/release/as_model.h"
#include "spec/release/described.h"
#include "spec/release/python_json.h"
#include "spec/release/run_formats.h"

namespace moesim::spec {
namespace {
/// A checked field's path as config.json calls it.
std::string_view key_of(std::string_view path) {
  constexpr std::pair<std::string_view, std::string_view> table[] = {
      {"vocabulary", "vocab_size"},
      {"hidden", "hidden_size"},
      {"layers", "num_hidden_layers"},
      {"mtp_layers", "num_nextn_predict_layers"},
      {"dense_width", "intermediate_size"},
      {"attention.heads", "num_attention_heads"},
      {"attention.kv_heads", "num_key_value_heads"},
      {"attention.temperature_floor", "floor_scale"},
      {"attention.indexer.heads", "index_n_heads"},
      {"attention.indexer.head_dim", "index_head_dim"},
      {"attention.indexer.top_k", "index_topk"},
      {"attention.temperature_scale", "attn_scale"},
      {"moe.experts", "number of experts"},
      {"moe.expert_width", "width of the experts"},
      {"moe.shared_experts", "n_shared_experts"},
      {"moe.top_k", "num_experts_per_tok"},
      {"moe.first_dense_layers", "first_k_dense_replace"},
      {"moe.groups", "n_group"},
      {"moe.groups_used", "topk_group"},
      {"norm_epsilon", "rms_norm_eps"},
      {"max_positions", "max_position_embeddings"},
      {"moe.scale", "routed_scaling_factor"},
      {"moe.balance_loss", "coefficient of the auxiliary loss"},
      {"attention.query_scalar", "query_pre_attn_scalar"},
      {"rope.local_theta", "theta of the windowed layers"},
      {"rope.theta", "rope_theta"},
      {"rope.partial", "partial_rotary_factor"}};
  for (const auto& [field, key] : table)
    if (field == path) return key;
  return path.substr(path.rfind('.') + 1);
}

/// "Every n-th layer": a divisor.
int every_nth(const formats::JsonObject& v, const char* key) {
  return v.has(key) ? int(v.integer(key, 1, kMostLayers)) : 1;
}

/// DeepSeek's names; DeepSeekMoE-16B has no gate keys and behaves as softmax, greedy.
MoeShape read_deepseek_moe(const formats::JsonObject& v, const Model& m) {
  MoeShape s;
  s.experts = v.whole("n_routed_experts");
  s.expert_width = v.whole("moe_intermediate_size");
  s.shared_experts = v.whole_or("n_shared_experts", 0);
  s.top_k = v.whole("num_experts_per_tok");
  s.first_dense_layers = v.whole_or("first_k_dense_replace", 0);
  s.layer_frequency = every_nth(v, "moe_layer_freq");
  const bool sigmoid_family = traits_of(m.architecture).missing.sigmoid_gate;
  const std::string score = v.text_or("scoring_func", sigmoid_family ? "sigmoid" : "softmax");
  if (score != "softmax" && score != "sigmoid")
    v.fail("scoring_func", fmt::format("expected softmax or sigmoid, got \"{}\"", score));
  s.score = score == "sigmoid" ? Score::sigmoid : Score::softmax;
  const std::string method = v.text_or("topk_method", sigmoid_family ? "noaux_tc" : "greedy");
  if (method == "noaux_tc")
    s.selection = Selection::noaux_tc;
  else if (method == "group_limited_greedy")
    s.selection = Selection::group_limited_greedy;
  else if (method == "greedy")
    s.selection = Selection::greedy;
  else
    v.fail("topk_method", fmt::format("expected greedy, group_limited_greedy or noaux_tc, got \"{}\"", method));
  s.selection_bias = s.selection == Selection::noaux_tc;
  s.groups = v.whole_or("n_group", 1);
  s.groups_used = v.whole_or("topk_group", 1);
  if (s.selection == Selection::greedy) s.groups = s.groups_used = 1;  // the keys are there but not used
  s.normalise = v.flag_or("norm_topk_prob", sigmoid_family);
  s.scale = v.number_or("routed_scaling_factor", 1);
  s.balance_loss = v.number_or("aux_loss_alpha", 0);
  return s;
}

/// Which layers have experts; a run of dense ones from the first on is all that can be said.
void read_qwen_layers(const formats::JsonObject& v, MoeShape& s) {
  s.layer_frequency = every_nth(v, "decoder_sparse_step");
  const std::vector<int> dense = v.has("mlp_only_layers") ? v.list("mlp_only_layers") : std::vector<int>{};
  for (std::size_t i = 0; i < dense.size(); ++i)
    if (dense[i] != int(i)) v.fail("mlp_only_layers", "only a run of layers from 0 on can be dense");
  s.first_dense_layers = int(dense.size());
}

MoeShape read_other_moe(const formats::JsonObject& v, const Model& m) {
  const ArchitectureTraits& family = traits_of(m.architecture);
  MoeShape s;
  s.experts = v.has("num_local_experts") ? v.whole("num_local_experts") : v.whole("num_experts");
  s.expert_width = v.has("moe_intermediate_size") ? v.whole("moe_intermediate_size") : v.whole("intermediate_size");
  s.top_k = v.whole_or("num_experts_per_tok", family.missing.top_k);
  s.balance_loss = v.number_or("router_aux_loss_coef", 0);
  s.selection = Selection::topk_softmax;
  s.normalise = true;
  s.router_linear_bias = s.expert_bias = family.biased_experts;
  if (family.moe == MoeKeys::qwen) {
    s.selection = Selection::greedy;
    s.normalise = v.flag_or("norm_topk_prob", false);
    read_qwen_layers(v, s);
  } else if (family.moe == MoeKeys::llama4) {
    s.selection = Selection::top1_input;
    s.score = Score::sigmoid;
    s.normalise = false;
    s.shared_experts = 1;
    s.layer_frequency = every_nth(v, "interleave_moe_layer_step");
    if (s.top_k != 1) v.fail("num_experts_per_tok", fmt::format("expected 1 for llama4, got {}", s.top_k));
  }
  return s;
}

/// The key that no config.json of a mixture may lack.
const char* experts_key(MoeKeys keys) {
  switch (keys) {
    case MoeKeys::none:
    case MoeKeys::local_experts:
    case MoeKeys::llama4:
    case MoeKeys::minimax:
      return "num_local_experts";
    case MoeKeys::qwen:
    case MoeKeys::olmoe:
      return "num_experts";
    case MoeKeys::deepseek:
      return "n_routed_experts";
  }
  return "num_local_experts";
}

void read_ffn(const formats::JsonObject& v, Model& m) {
  const MoeKeys keys = traits_of(m.architecture).moe;
  if (keys != MoeKeys::none) {
    if (!v.has("n_routed_experts") && !v.has("num_local_experts") && !v.has("num_experts"))
      v.fail(fmt::format("missing key \"{}\"", experts_key(keys)));
    m.moe = keys == MoeKeys::deepseek ? read_deepseek_moe(v, m) : read_other_moe(v, m);
  }
  if (int(m.moe_layers().size()) == m.layers) return;
  m.dense_width = v.has("intermediate_size_mlp") ? v.whole("intermediate_size_mlp") : v.whole("intermediate_size");
}

formats::JsonObject text_part(const formats::JsonObject& root) {
  return root.has("text_config") ? root.part("text_config") : root;
}

/// Whether the file or one beside it speaks of quantisation.
bool is_quantised(const formats::JsonValue& document, const std::string& file) {
  const formats::JsonObject root(document, file);
  const formats::JsonObject v = text_part(root);
  for (const char* key : {"quantization_config", "compression_config", "quantization", "quantize"})
    if (root.has(key) || v.has(key)) return true;
  std::error_code error;
  return std::filesystem::is_regular_file(std::filesystem::path(file).parent_path() / "hf_quant_config.json", error);
}

Dtype plain_dtype(const formats::JsonObject& root, const formats::JsonObject& v) {
  const std::string word = root.text_or("torch_dtype", v.text_or("torch_dtype", v.text_or("dtype", "bfloat16")));
  if (word == "float32") return Dtype::fp32;
  if (word == "float16") return Dtype::fp16;
  if (word == "bfloat16") return Dtype::bf16;
  root.fail("torch_dtype", fmt::format("expected float32, float16 or bfloat16, got \"{}\"", word));
}

/// The family that `model_type` names, if it has a row.
std::optional<Architecture> architecture_of(const formats::JsonObject& root) {
  const std::string type = root.text_or("model_type", "");
  for (const ArchitectureTraits& family : architectures())
    if (type == name_of(family.of) || (!type.empty() && type == family.also_read)) return family.of;
  return std::nullopt;
}
}  // namespace

bool has_forward_pass(const std::string& file) {
  const formats::JsonValue document = read_python_json(file);
  return architecture_of(formats::JsonObject(document, file)).has_value();
}

std::optional<Model> read_family(const formats::JsonValue& document, const std::string& where) {
  const formats::JsonObject root(document, where);
  const std::optional<Architecture> architecture = architecture_of(root);
  if (!architecture || traits_of(*architecture).from_release) return std::nullopt;
  // DeepSeek's layers with attention heads: a release, and no member of the family.
  if (!text_part(root).flag_or("use_mla", true)) return std::nullopt;
  Model m;
  m.architecture = *architecture;
  const formats::JsonObject v = text_part(root);
  const ArchitectureTraits& family = traits_of(m.architecture);
  const ConfigDefaults& missing = family.missing;
  m.vocabulary = missing.vocabulary > 0 ? v.whole_or("vocab_size", missing.vocabulary) : v.whole("vocab_size");
  m.hidden = v.whole("hidden_size");
  m.layers = int(v.integer("num_hidden_layers", 0, kMostLayers));
  read_rope(v, m);
  read_attention(v, m);
  read_ffn(v, m);
  if (family.attention == AttentionKind::dsa) check_mixture_list(v, m);
  m.tied_embeddings = v.flag_or("tie_word_embeddings", missing.tied_embeddings);
  m.mtp_layers = v.whole_or("num_nextn_predict_layers", 0);
  m.max_positions = v.whole_or("max_position_embeddings", missing.max_positions);
  m.norms_per_layer = family.norms_per_layer;
  m.norm_epsilon = v.number_or("rms_norm_eps", missing.norm_epsilon);
  m.swiglu_limit = v.number_or("swiglu_limit", missing.swiglu_limit);
  m.weights = plain_dtype(root, v);
  check_model(m, [&](std::string_view path, std::string_view problem) { v.fail(key_of(path), problem); });
  return m;
}

Model read_hugging_face(const std::string& file) {
  const auto document = std::make_shared<const formats::JsonValue>(read_python_json(file));
  std::optional<Model> m = read_family(*document, file);
  if (!m) return model_of_release(describe(document, file));
  if (is_quantised(*document, file)) set_formats(*m, run_formats(describe(document, file).release));
  const std::filesystem::path where = std::filesystem::absolute(file);
  m->name = where.filename() == "config.json" ? where.parent_path().filename().string() : where.stem().string();
  m->title = m->name;
  m->source = file;
  return *std::move(m);
}
}  // namespace moesim::spec
