// Dense decoders.  Sources: the configuration and modeling files of transformers for each model_type.
#include <fmt/format.h>

#include <array>
#include <optional>

#include "spec/release/families.h"
#include "spec/release/pieces.h"

namespace moesim::spec {
namespace {
using Norm = HeadPlan::Norm;

/// Which layers look back a window only, where layer_types does not say it.
enum class Windows { none, all, even, but_every_nth };

/// What a dense family's class says that its config.json may leave out.
struct Traits {
  std::string_view type;
  int vocabulary = 0, heads = 0, kv_heads = 0, head_dim = 0;
  bool tied = false, qkv_bias = false, o_bias = false;  // o_bias: attention_bias is about it too
  Norm norm = Norm::none;
  std::string_view norm_key{};  // a flag for it
  int norms = 2, norm_values = 1;
  int matrices = 3;
  std::string_view ffn_bias_key{};
  Windows windows = Windows::none;
  int window = 0;  // where sliding_window is missing
  int every = 6;   // but_every_nth
};

constexpr std::array kTraits = {
    Traits{.type = "llama", .o_bias = true, .ffn_bias_key = "mlp_bias"},
    Traits{.type = "mistral", .kv_heads = 8, .windows = Windows::all},
    Traits{.type = "ministral3", .windows = Windows::all},
    Traits{.type = "qwen2", .qkv_bias = true},
    Traits{.type = "qwen2_vl", .qkv_bias = true},
    Traits{.type = "qwen2_5_vl", .qkv_bias = true},
    Traits{.type = "mimo", .qkv_bias = true},
    Traits{.type = "qwen3", .head_dim = 128, .o_bias = true, .norm = Norm::head},
    Traits{.type = "qwen3_vl", .head_dim = 128, .o_bias = true, .norm = Norm::head},
    Traits{.type = "phi3", .windows = Windows::all},
    Traits{.type = "gemma", .head_dim = 256, .tied = true, .o_bias = true},
    Traits{.type = "gemma2",
           .head_dim = 256,
           .tied = true,
           .o_bias = true,
           .norms = 4,
           .windows = Windows::even,
           .window = 4096},
    Traits{.type = "gemma3",
           .vocabulary = 262208,
           .heads = 8,
           .kv_heads = 4,
           .head_dim = 256,
           .tied = true,
           .o_bias = true,
           .norm = Norm::head,
           .norms = 4,
           .windows = Windows::but_every_nth,
           .window = 4096},
    Traits{.type = "granite", .o_bias = true, .ffn_bias_key = "mlp_bias"},
    Traits{.type = "smollm3", .tied = true, .o_bias = true, .ffn_bias_key = "mlp_bias"},
    Traits{.type = "olmo2", .o_bias = true, .norm = Norm::whole},
    Traits{.type = "olmo3", .o_bias = true, .norm = Norm::whole, .windows = Windows::but_every_nth, .every = 4},
    Traits{.type = "cohere", .tied = true, .o_bias = true, .norms = 1},
    Traits{.type = "cohere2", .tied = true, .o_bias = true, .norms = 1, .windows = Windows::but_every_nth, .every = 4},
    Traits{.type = "glm4", .norms = 4},
    Traits{.type = "glm", .norms = 2},
    Traits{.type = "exaone4", .norm = Norm::head, .windows = Windows::but_every_nth, .every = 4},
    Traits{.type = "seed_oss", .qkv_bias = true, .norms = 2},
    Traits{.type = "hunyuan_v1_dense", .o_bias = true, .norm = Norm::head},
    Traits{.type = "ernie4_5", .tied = true},
    Traits{.type = "nemotron", .o_bias = true, .norm_values = 2, .matrices = 2, .ffn_bias_key = "mlp_bias"}};

const Traits& traits_of(std::string_view type) {
  for (const Traits& one : kTraits)
    if (one.type == type) return one;
  throw std::logic_error("a dense family without a row");
}

void read_windows(const Keys& k, Plan& plan, const Traits& t) {
  const bool used = k.flag_or("use_sliding_window", t.windows != Windows::none);
  const int window = k.whole_or("sliding_window", t.window);
  const auto types = read_layer_types(k, plan, {"full_attention", "sliding_attention"});
  const int every = k.size_or(k.named({"sliding_window_pattern", "_sliding_window_pattern"}), t.every);
  const int first = k.whole_or("max_window_layers", 0);
  if (!used || window == 0) return;
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    bool windowed = true;
    if (!types.empty())
      windowed = types[i] == "sliding_attention";
    else if (t.windows == Windows::even)
      windowed = i % 2 == 0;
    else if (t.windows == Windows::but_every_nth)
      windowed = (int(i) + 1) % every != 0;
    else if (t.windows == Windows::none)
      windowed = int(i) >= first;
    if (windowed) std::get<HeadPlan>(plan.layers[i].mixers.front()).window = window;
  }
}

Plan read_plain(const Keys& k, std::string_view type) {
  const Traits& t = traits_of(type);
  Plan plan = start_plan(k, {.vocabulary = t.vocabulary, .tied = t.tied});
  HeadPlan heads = read_heads(k, plan,
                              {.heads = t.heads,
                               .kv_heads = t.kv_heads,
                               .head_dim = t.head_dim,
                               .qkv_bias = t.qkv_bias,
                               .o_bias = t.o_bias,
                               .norm = t.norm});
  if (k.flag_or("attention_out_bias", false)) heads.o_bias = true;
  if (k.has("use_bias") && k.flag_or("use_bias", false)) heads.q_bias = heads.kv_bias = heads.o_bias = true;
  // Cohere's has a weight for every column of every head.
  const Norm norm = type == "cohere" ? Norm::whole : Norm::head;
  if (k.has("use_qk_norm")) heads.norm = k.flag_or("use_qk_norm", false) ? norm : Norm::none;
  LayerPlan layer;
  layer.mixers = {heads};
  layer.dense = {k.size("intermediate_size")};
  layer.dense_matrices = t.matrices;
  layer.dense_bias = (!t.ffn_bias_key.empty() && k.flag_or(t.ffn_bias_key.data(), false)) ||
                     (type == "ernie4_5" && k.flag_or("use_bias", false));
  layer.norms = t.norms;
  layer.norm_values = plan.final_norm_values = t.norm_values;
  plan.layers.assign(plan.layers.size(), layer);
  read_windows(k, plan, t);
  mtp_like_last(plan, mtp_modules(k));
  return plan;
}

constexpr auto families() {
  std::array<ReleaseFamily, kTraits.size()> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = {kTraits[i].type, read_plain};
  return out;
}
constexpr auto kPlainFamilies = families();
}  // namespace

std::span<const ReleaseFamily> plain_families() { return kPlainFamilies; }

Plan read_unknown(const Keys& k, std::string_view) {
  Plan plan = start_plan(k, {.tied = false});
  // These are found in networks of two matrices as well as of three.
  const std::string act = k.text_or("hidden_act", k.text_or("hidden_activation", ""));
  for (const std::string_view plain : {"relu", "relu2", "gelu", "gelu_new", "gelu_fast"})
    if (act == plain)
      k.fail("hidden_act", fmt::format("\"{}\" does not say whether networks have two matrices or three", act));
  HeadPlan heads = read_heads(k, plan, {.o_bias = false});
  if (k.flag_or("use_qk_norm", false)) heads.norm = Norm::head;
  LayerPlan layer;
  layer.mixers = {heads};
  std::vector<bool> where(plan.layers.size(), false);
  std::optional<ExpertPlan> experts;
  const char* const count = k.named({"n_routed_experts", "num_experts", "num_local_experts"});
  if (k.has(count) && k.whole(count) > 0) {
    const bool bias = k.flag_or("moe_router_enable_expert_bias", k.flag_or("use_routing_bias", false));
    if (!k.has("moe_intermediate_size")) {
      experts = ExpertPlan{.experts = k.size(count), .width = k.size("intermediate_size")};
      experts->top_k = k.size("num_experts_per_tok");
    } else {
      experts = read_deepseek_experts(k, bias);
    }
    check_experts(k, *experts, "num_experts_per_tok");
    where = deepseek_mixture_layers(k, plan);
  }
  plan.layers.assign(plan.layers.size(), layer);
  place_ffn(plan, where, experts.value_or(ExpertPlan{}), dense_width(k, where));
  Traits t;
  read_windows(k, plan, t);
  mtp_like_last(plan, mtp_modules(k));
  return plan;
}
}  // namespace moesim::spec
