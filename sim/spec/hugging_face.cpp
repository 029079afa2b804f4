#include "spec/hugging_face.h"

#include <fmt/format.h>

#include <filesystem>

#include "formats/json.h"
#include "spec/check_model.h"
#include "spec/hugging_face_attention.h"

namespace moesim {
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
      {"attention.temperature_scale", "attn_scale"},
      {"moe.experts", "number of experts"},
      {"moe.expert_width", "width of the experts"},
      {"moe.shared_experts", "n_shared_experts"},
      {"moe.top_k", "num_experts_per_tok"},
      {"moe.first_dense_layers", "first_k_dense_replace"},
      {"moe.groups", "n_group"},
      {"moe.groups_used", "topk_group"},
      {"rope.theta", "rope_theta"},
      {"rope.partial", "partial_rotary_factor"}};
  for (const auto& [field, key] : table)
    if (field == path) return key;
  return path.substr(path.rfind('.') + 1);
}

/// DeepSeek's names; DeepSeekMoE-16B has no gate keys and behaves as softmax, greedy.
MoeShape read_deepseek_moe(const JsonObject& v, const Model& m) {
  MoeShape s;
  s.experts = v.whole("n_routed_experts");
  s.expert_width = v.whole("moe_intermediate_size");
  s.shared_experts = v.whole_or("n_shared_experts", 0);
  s.top_k = v.whole("num_experts_per_tok");
  s.first_dense_layers = v.whole_or("first_k_dense_replace", 0);
  s.layer_frequency = v.whole_or("moe_layer_freq", 1);
  const bool sigmoid_family = m.architecture == "deepseek_v3" || m.architecture == "glm4_moe";
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

MoeShape read_other_moe(const JsonObject& v, const Model& m) {
  MoeShape s;
  s.experts = v.has("num_local_experts") ? v.whole("num_local_experts") : v.whole("num_experts");
  s.expert_width = v.has("moe_intermediate_size") ? v.whole("moe_intermediate_size") : v.whole("intermediate_size");
  s.top_k = v.whole_or("num_experts_per_tok", m.architecture == "llama4" ? 1 : 2);
  s.balance_loss = v.number_or("router_aux_loss_coef", 0);
  s.selection = Selection::topk_softmax;
  s.normalise = true;
  if (m.architecture == "qwen3_moe") {
    s.selection = Selection::greedy;
    s.normalise = v.flag_or("norm_topk_prob", false);
    s.layer_frequency = v.whole_or("decoder_sparse_step", 1);
    const std::vector<int> dense = v.has("mlp_only_layers") ? v.list("mlp_only_layers") : std::vector<int>{};
    for (std::size_t i = 0; i < dense.size(); ++i)
      if (dense[i] != int(i)) v.fail("mlp_only_layers", "only a run of layers from 0 on can be dense");
    s.first_dense_layers = int(dense.size());
  } else if (m.architecture == "gpt_oss") {
    s.router_linear_bias = s.expert_bias = true;
  } else if (m.architecture == "llama4") {
    s.selection = Selection::top1_input;
    s.score = Score::sigmoid;
    s.normalise = false;
    s.shared_experts = 1;
    s.layer_frequency = v.whole_or("interleave_moe_layer_step", 1);
    if (s.top_k != 1) v.fail("num_experts_per_tok", fmt::format("expected 1 for llama4, got {}", s.top_k));
  }
  return s;
}

void read_ffn(const JsonObject& v, Model& m) {
  const bool deepseek = m.architecture.starts_with("deepseek") || m.architecture == "glm4_moe";
  const bool mixture = v.has("n_routed_experts") || v.has("num_local_experts") || v.has("num_experts");
  const bool expected = deepseek || m.architecture == "mixtral" || m.architecture == "qwen3_moe" ||
                        m.architecture == "gpt_oss" || m.architecture == "llama4";
  if (expected && !mixture)
    v.fail(fmt::format("missing key \"{}\"", deepseek                        ? "n_routed_experts"
                                             : m.architecture == "qwen3_moe" ? "num_experts"
                                                                             : "num_local_experts"));
  if (mixture && expected) m.moe = deepseek ? read_deepseek_moe(v, m) : read_other_moe(v, m);
  if (int(m.moe_layers().size()) == m.layers) return;
  m.dense_width = v.has("intermediate_size_mlp") ? v.whole("intermediate_size_mlp") : v.whole("intermediate_size");
}

Dtype read_dtype(const JsonObject& root, const JsonObject& v) {
  if (root.has("quantization_config")) {
    const JsonObject q = root.part("quantization_config");
    const std::string method = q.text_or("quant_method", "");
    if (method == "fp8") return Dtype::fp8;
    if (method == "mxfp4") return Dtype::fp4;
    q.fail("quant_method", fmt::format("expected fp8 or mxfp4, got \"{}\"", method));
  }
  const std::string word = root.text_or("torch_dtype", v.text_or("torch_dtype", v.text_or("dtype", "bfloat16")));
  if (word == "float32") return Dtype::fp32;
  if (word == "float16") return Dtype::fp16;
  if (word == "bfloat16") return Dtype::bf16;
  root.fail("torch_dtype", fmt::format("expected float32, float16 or bfloat16, got \"{}\"", word));
}

/// model_type to the architecture whose layers it has.
constexpr std::pair<std::string_view, std::string_view> kTypes[] = {{"deepseek", "deepseek"},
                                                                    {"deepseek_v2", "deepseek_v2"},
                                                                    {"deepseek_v3", "deepseek_v3"},
                                                                    {"kimi_k2", "deepseek_v3"},
                                                                    {"mixtral", "mixtral"},
                                                                    {"mistral", "mistral"},
                                                                    {"qwen3_moe", "qwen3_moe"},
                                                                    {"qwen2", "qwen2"},
                                                                    {"llama", "llama"},
                                                                    {"llama4", "llama4"},
                                                                    {"llama4_text", "llama4"},
                                                                    {"gemma3", "gemma3"},
                                                                    {"gemma3_text", "gemma3"},
                                                                    {"gpt_oss", "gpt_oss"},
                                                                    {"glm4_moe", "glm4_moe"}};

std::string architecture_of(const JsonObject& root) {
  const std::string type = root.text("model_type");
  std::vector<std::string_view> known;
  for (const auto& [word, architecture] : kTypes) {
    if (word == type) return std::string(architecture);
    known.push_back(word);
  }
  root.fail("model_type", fmt::format("\"{}\" is not known{}", type, suggestion(type, known, "known types")));
}
}  // namespace

Model read_hugging_face(const std::string& file) {
  const JsonValue document = read_json(file);
  const JsonObject root(document, file);
  Model m;
  m.architecture = architecture_of(root);
  const JsonObject v = root.has("text_config") ? root.part("text_config") : root;
  m.vocabulary = v.has("vocab_size") || m.architecture != "gemma3" ? v.whole("vocab_size") : 262208;
  m.hidden = v.whole("hidden_size");
  m.layers = v.whole("num_hidden_layers");
  read_rope(v, m);
  read_attention(v, m);
  read_ffn(v, m);
  m.tied_embeddings = v.flag_or("tie_word_embeddings", m.architecture == "gemma3");
  m.mtp_layers = v.whole_or("num_nextn_predict_layers", 0);
  m.max_positions = v.whole_or("max_position_embeddings", m.architecture == "gemma3" ? 131072 : 0);
  m.norms_per_layer = m.architecture == "gemma3" ? 4 : 2;
  m.norm_epsilon = v.number_or("rms_norm_eps", m.norm_epsilon);
  m.swiglu_limit = v.number_or("swiglu_limit", m.architecture == "gpt_oss" ? 7 : 0);
  m.weights = read_dtype(root, v);
  const std::filesystem::path where = std::filesystem::absolute(file);
  m.name = where.filename() == "config.json" ? where.parent_path().filename().string() : where.stem().string();
  m.title = m.name;
  m.source = file;
  check_model(m, [&](std::string_view path, std::string_view problem) { v.fail(key_of(path), problem); });
  return m;
}
}  // namespace moesim
