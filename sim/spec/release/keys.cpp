#include "spec/release/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "formats/json.h"

namespace moesim::spec {
namespace {
/// Keys of a config.json that say nothing about the number or the shape of weights, nor about the cache: names and
/// versions, token ids, training, generation, positions, and how results are given back.
constexpr auto kHarmless = std::to_array<std::string_view>({"_attn_implementation",
                                                            "_attn_implementation_autoset",
                                                            "_name_or_path",
                                                            "_commit_hash",
                                                            "activation_dropout",
                                                            "add_cross_attention",
                                                            "architectures",
                                                            "attention_dropout",
                                                            "attention_multiplier",
                                                            "attn_implementation",
                                                            "attn_pdrop",
                                                            "auto_map",
                                                            "aux_loss_alpha",
                                                            "bad_words_ids",
                                                            "begin_suppress_tokens",
                                                            "bos_token_id",
                                                            "chunk_size",
                                                            "chunk_size_feed_forward",
                                                            "clip_qkv",
                                                            "cross_attention_hidden_size",
                                                            "decoder_start_token_id",
                                                            "diversity_penalty",
                                                            "do_sample",
                                                            "dtype",
                                                            "early_stopping",
                                                            "embd_pdrop",
                                                            "embedding_dropout",
                                                            "embedding_multiplier",
                                                            "encoder_no_repeat_ngram_size",
                                                            "eod_token_id",
                                                            "eos_token_id",
                                                            "ep_size",
                                                            "exponential_decay_length_penalty",
                                                            "final_logit_softcapping",
                                                            "attn_logit_softcapping",
                                                            "query_pre_attn_scalar",
                                                            "finetuning_task",
                                                            "forced_bos_token_id",
                                                            "forced_eos_token_id",
                                                            "fused_qkv",
                                                            "gradient_checkpointing",
                                                            "hidden_act",
                                                            "hidden_activation",
                                                            "hidden_dropout",
                                                            "hidden_dropout_prob",
                                                            "id2label",
                                                            "im_end_id",
                                                            "im_start_id",
                                                            "initial_context_length",
                                                            "initializer_range",
                                                            "initializer_factor",
                                                            "input_jitter_noise",
                                                            "is_decoder",
                                                            "is_encoder_decoder",
                                                            "label2id",
                                                            "layer_norm_eps",
                                                            "layer_norm_epsilon",
                                                            "layernorm_epsilon",
                                                            "length_penalty",
                                                            "logits_scaling",
                                                            "mask_token_id",
                                                            "max_length",
                                                            "max_window_layers",
                                                            "min_length",
                                                            "model_type",
                                                            "n_group",
                                                            "name_or_path",
                                                            "no_repeat_ngram_size",
                                                            "norm_eps",
                                                            "norm_topk_prob",
                                                            "num_beam_groups",
                                                            "num_beams",
                                                            "num_return_sequences",
                                                            "output_attentions",
                                                            "output_hidden_states",
                                                            "output_router_logits",
                                                            "output_scores",
                                                            "pad_token_id",
                                                            "partial_rotary_factor",
                                                            "prefix",
                                                            "pretraining_tp",
                                                            "problem_type",
                                                            "pruned_heads",
                                                            "remove_invalid_values",
                                                            "repetition_penalty",
                                                            "resid_pdrop",
                                                            "residual_multiplier",
                                                            "return_dict",
                                                            "return_dict_in_generate",
                                                            "rms_norm_eps",
                                                            "rope_interleave",
                                                            "rope_local_base_freq",
                                                            "rope_parameters",
                                                            "rope_pct",
                                                            "rope_scaling",
                                                            "rope_theta",
                                                            "rope_type",
                                                            "rotary_dim",
                                                            "rotary_emb_base",
                                                            "routed_scaling_factor",
                                                            "router_aux_loss_coef",
                                                            "router_jitter_noise",
                                                            "router_z_loss_coef",
                                                            "scale_attn_weights",
                                                            "scoring_func",
                                                            "score_function",
                                                            "sep_token_id",
                                                            "seq_aux",
                                                            "summary_type",
                                                            "suppress_tokens",
                                                            "swiglu_limit",
                                                            "task_specific_params",
                                                            "temperature",
                                                            "tf_legacy_loss",
                                                            "tie_encoder_decoder",
                                                            "tokenizer_class",
                                                            "top_k",
                                                            "top_p",
                                                            "topk_group",
                                                            "topk_method",
                                                            "torch_dtype",
                                                            "torchscript",
                                                            "transformers_version",
                                                            "typical_p",
                                                            "unsloth_fixed",
                                                            "unsloth_version",
                                                            "use_bfloat16",
                                                            "use_cache",
                                                            "use_flash_attn",
                                                            "z_loss_coefficient"});

bool harmless(std::string_view key) {
  return std::ranges::find(kHarmless, key) != kHarmless.end() || key.ends_with("_token_id") ||
         key.ends_with("_token_index") || key.ends_with("_loss_coef") || key.ends_with("_dropout");
}
}  // namespace

Keys::Keys(const formats::JsonObject& object, const formats::JsonValue& value)
    : object_(object), value_(&value), read_(std::make_shared<std::set<std::string, std::less<>>>()) {}

bool Keys::has(const char* key) const {
  note(key);
  return object_.has(key);
}

const char* Keys::named(std::initializer_list<const char*> names) const {
  for (const char* name : names)
    if (has(name)) return name;
  return *names.begin();
}

int Keys::whole(const char* key) const {
  note(key);
  return object_.whole(key);
}
int Keys::whole_or(const char* key, int fallback) const { return has(key) ? whole(key) : fallback; }

int Keys::size(const char* key) const {
  note(key);
  return int(object_.integer(key, 1, 1 << 24));
}
int Keys::size_or(const char* key, int fallback) const { return has(key) ? size(key) : fallback; }

int Keys::same_for_all(const char* key, int fallback, int layers) const {
  if (!has(key)) return fallback;
  if (!is_list(key)) return whole(key);
  const std::vector<int> all = list(key);
  check_length(key, all.size(), layers);
  for (const int one : all)
    if (one != all.front()) fail(key, fmt::format("layers that differ are not read, got {} and {}", all.front(), one));
  return all.front();
}

bool Keys::flag_or(const char* key, bool fallback) const {
  note(key);
  return object_.flag_or(key, fallback);
}
std::string Keys::text_or(const char* key, const std::string& fallback) const {
  note(key);
  return object_.text_or(key, fallback);
}
std::vector<int> Keys::list(const char* key) const {
  note(key);
  return object_.list(key);
}
std::vector<std::string> Keys::words(const char* key) const {
  note(key);
  return object_.words(key);
}
bool Keys::is_list(const char* key) const { return has(key) && object_.at(key).is_array(); }
bool Keys::is_text(const char* key) const { return has(key) && object_.at(key).is_string(); }
bool Keys::is_number(const char* key) const { return has(key) && object_.at(key).is_number(); }

Keys Keys::part(const char* key) const {
  note(key);
  return {object_.part(key), object_.at(key)};
}

void Keys::check_length(const char* key, std::size_t has, int layers, int more) const {
  if (int(has) == layers || int(has) == layers + more) return;
  fail(key, fmt::format("must have one entry for each of the {} layers, has {}", layers, has));
}

std::vector<std::string> Keys::unread() const {
  std::vector<std::string> out;
  for (const auto& [key, value] : value_->items())
    if (!value.is_null() && !harmless(key) && !read_->contains(key)) out.push_back(key);
  return out;
}
}  // namespace moesim::spec
