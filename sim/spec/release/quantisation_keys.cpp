// What the readers of quantisations share.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "spec/release/quantisation_methods.h"

namespace moesim::spec {
namespace {
/// Keys that are about activations, the cache, the order of elements or the tool, and never about the weights' size.
constexpr auto kAboutOther = std::to_array<const char*>({"activation_scheme",
                                                         "kv_cache_scheme",
                                                         "kv_cache_quant_algo",
                                                         "producer",
                                                         "quantization_status",
                                                         "global_compression_ratio",
                                                         "version",
                                                         "checkpoint_format",
                                                         "damp_percent",
                                                         "static_groups",
                                                         "true_sequential",
                                                         "model_name_or_path",
                                                         "model_file_base_name",
                                                         "backend",
                                                         "iters",
                                                         "seqlen",
                                                         "batch_size",
                                                         "nsamples",
                                                         "enable_quanted_input",
                                                         "autoround_version",
                                                         "packing_format",
                                                         "meta",
                                                         "pad_token_id",
                                                         "is_marlin_format",
                                                         "do_fuse",
                                                         "exllama_config",
                                                         "fuse_max_seq_len",
                                                         "desc_act_order",
                                                         "scale_fmt",
                                                         "bnb_4bit_compute_dtype",
                                                         "bnb_4bit_quant_storage",
                                                         "_load_in_4bit",
                                                         "_load_in_8bit",
                                                         "llm_int8_enable_fp32_cpu_offload",
                                                         "llm_int8_has_fp16_weight",
                                                         "llm_int8_threshold",
                                                         "use_cuda_fp16",
                                                         "use_exllama",
                                                         "max_input_length",
                                                         "module_name_preceding_first_block",
                                                         "block_name_to_quantize",
                                                         "cache_block_outputs",
                                                         "dataset",
                                                         "tokenizer",
                                                         "pad_to",
                                                         "hadamard_config",
                                                         "transform_config",
                                                         "activation_scale_ub",
                                                         "amp",
                                                         "enable_minmax_tuning",
                                                         "enable_norm_bias_tuning",
                                                         "train_bs",
                                                         "act_per_tensor",
                                                         "low_gpu_mem_usage",
                                                         "lr",
                                                         "minmax_lr",
                                                         "gradient_accumulate_steps",
                                                         "is_checkpoint_quantized",
                                                         "run_compressed",
                                                         "observer",
                                                         "exclude_modules_note"});
}  // namespace

void add_modules(const Keys& q, const char* key, ModulePatterns& out) {
  if (!q.has(key)) return;
  for (const std::string& one : q.words(key)) out.add(one, q, key);
}

void refuse_unknown(const Keys& q, std::string_view method) {
  for (const char* key : kAboutOther) (void)q.has(key);
  const std::vector<std::string> rest = q.unread();
  if (!rest.empty())
    q.fail(rest.front(), fmt::format("is not understood for {}, so the weights cannot be weighed", method));
}

QuantisedGroup group_of(WeightFormat format, std::int64_t group) {
  QuantisedGroup out;
  out.format = std::move(format);
  out.group = group;
  return out;
}
}  // namespace moesim::spec
