// The table of families.  Sources: the modeling and configuration files of transformers for each model_type, the
// publishers' own code for DeepSeek, and the released config.json files.
#include "spec/architecture.h"

#include <array>
#include <cstddef>

namespace moesim::spec {
namespace {
constexpr std::array kFamilies = {
    ArchitectureTraits{.of = Architecture::deepseek, .moe = MoeKeys::deepseek},
    ArchitectureTraits{.of = Architecture::deepseek_v2, .attention = AttentionKind::mla, .moe = MoeKeys::deepseek},
    ArchitectureTraits{.of = Architecture::deepseek_v3,
                       .attention = AttentionKind::mla,
                       .also_read = "kimi_k2",
                       .moe = MoeKeys::deepseek,
                       .missing = {.sigmoid_gate = true}},
    ArchitectureTraits{.of = Architecture::mixtral, .moe = MoeKeys::local_experts},
    ArchitectureTraits{.of = Architecture::mistral},
    ArchitectureTraits{.of = Architecture::qwen3_moe, .qk_norm = true, .moe = MoeKeys::qwen},
    ArchitectureTraits{.of = Architecture::qwen2, .qkv_bias = true},
    ArchitectureTraits{.of = Architecture::llama, .output_takes_bias = true},
    ArchitectureTraits{.of = Architecture::llama4,
                       .interleaved_rope = true,
                       .weightless_head_norm = true,
                       .also_read = "llama4_text",
                       .written_type = "llama4_text",
                       .moe = MoeKeys::llama4,
                       .chunk_keys = true,
                       .qk_norm_key = true,
                       .missing = {.qk_norm = true, .top_k = 1}},
    ArchitectureTraits{.of = Architecture::gemma3,
                       .gating = Gating::gelu,
                       .norms_from_one = true,
                       .scales_embedding = true,
                       .norms_per_layer = 4,
                       .qk_norm = true,
                       .also_read = "gemma3_text",
                       .written_type = "gemma3_text",
                       .windowed = WindowedLayers::but_every_nth,
                       .missing = {.vocabulary = 262208,
                                   .max_positions = 131072,
                                   .tied_embeddings = true,
                                   .query_scalar = 256,
                                   .rope_theta = 1e6,
                                   .local_theta = 1e4}},
    ArchitectureTraits{.of = Architecture::gpt_oss,
                       .sinks = true,
                       .biased_experts = true,
                       .output_takes_bias = true,
                       .moe = MoeKeys::local_experts,
                       .windowed = WindowedLayers::even,
                       .missing = {.swiglu_limit = 7}},
    ArchitectureTraits{
        .of = Architecture::glm4_moe, .moe = MoeKeys::deepseek, .qk_norm_key = true, .missing = {.sigmoid_gate = true}},
    ArchitectureTraits{.of = Architecture::deepseek_v32,
                       .attention = AttentionKind::dsa,
                       .moe = MoeKeys::deepseek,
                       .missing = {.sigmoid_gate = true}},
    ArchitectureTraits{.of = Architecture::glm_moe_dsa,
                       .attention = AttentionKind::dsa,
                       .moe = MoeKeys::deepseek,
                       .missing = {.sigmoid_gate = true, .interleaved_index_rope = true}},
    ArchitectureTraits{.of = Architecture::olmoe,
                       .qk_norm = true,
                       .output_takes_bias = true,
                       .from_release = true,
                       .moe = MoeKeys::olmoe,
                       .missing = {.norm_epsilon = 1e-5}},
    ArchitectureTraits{.of = Architecture::qwen2_moe, .qkv_bias = true, .from_release = true, .moe = MoeKeys::qwen},
    ArchitectureTraits{.of = Architecture::minimax_m2,
                       .mtp_shares_ends = true,
                       .from_release = true,
                       .moe = MoeKeys::minimax,
                       .qk_norm_key = true},
    ArchitectureTraits{.of = Architecture::qwen3_next,
                       .norms_from_one = true,
                       .qk_norm = true,
                       .joined_delta = true,
                       .mtp_shares_ends = true,
                       .from_release = true,
                       .moe = MoeKeys::qwen,
                       .missing = {.partial_rotary = 0.25}},
    ArchitectureTraits{.of = Architecture::qwen3_5_moe,
                       .norms_from_one = true,
                       .qk_norm = true,
                       .mtp_shares_ends = true,
                       .from_release = true,
                       .also_read = "qwen3_5_moe_text",
                       .written_type = "qwen3_5_moe_text",
                       .moe = MoeKeys::qwen,
                       .missing = {.partial_rotary = 0.25}},
    ArchitectureTraits{.of = Architecture::nemotron_h,
                       .gating = Gating::relu_squared,
                       .norms_per_layer = 1,
                       .output_takes_bias = true,
                       .halved_layers = true,
                       .mtp_shares_ends = true,
                       .from_release = true,
                       .moe = MoeKeys::deepseek,
                       .missing = {.norm_epsilon = 1e-5}},
    ArchitectureTraits{.of = Architecture::deepseek_v4,
                       .attention = AttentionKind::compressed,
                       .sinks = true,
                       .mtp_shares_ends = true,
                       .from_release = true,
                       .moe = MoeKeys::deepseek}};

constexpr bool in_enum_order() {
  for (std::size_t i = 0; i < kFamilies.size(); ++i)
    if (kFamilies[i].of != Architecture(i) || enum_names(Architecture{})[i].second != Architecture(i)) return false;
  return true;
}
static_assert(kFamilies.size() == std::size(enum_names(Architecture{})), "a row a family, and a name");
static_assert(in_enum_order());
}  // namespace

std::span<const ArchitectureTraits> architectures() { return kFamilies; }
const ArchitectureTraits& traits_of(Architecture architecture) { return kFamilies.at(std::size_t(architecture)); }
}  // namespace moesim::spec
