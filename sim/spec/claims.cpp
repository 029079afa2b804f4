#include "spec/claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spec/attention_rules.h"
#include "spec/catalogue.h"
#include "spec/count.h"
#include "spec/layer_shape.h"

namespace moesim::spec {
namespace {
constexpr double kGB = 1e9;

std::string billions(double n) { return fmt::format("{:.2f} B", n / 1e9); }
std::string millions(std::int64_t n) { return fmt::format("{:.1f} M", double(n) / 1e6); }
double total(const Model& m) { return double(count_parameters(m).total()); }
double cache_gb(const Model& m, AttentionKind kind, std::int64_t context) {
  return double(cache_bytes_as(m, kind, context, CacheFormat::bf16).v) / kGB;
}
/// The claimed figure agrees with the counted one to its own last digit.
bool agrees(double claimed, double counted, double digit) { return std::fabs(claimed - counted) <= digit / 2; }

/// Model FLOP utilisation of a training run that took `gpu_hours` for 10^12 tokens.
double utilisation(const Model& m, const Gpu& gpu, double gpu_hours) {
  return training_flops(m, 4096, true).v * 1e12 / (gpu_hours * 3600 * gpu.bf16.v);
}

bool same_gate(const Model& a, const Model& b) {
  return a.moe && b.moe && a.moe->experts == b.moe->experts && a.moe->top_k == b.moe->top_k &&
         a.moe->score == b.moe->score && a.moe->selection == b.moe->selection && a.moe->groups == b.moe->groups;
}

struct Catalogue {
  Model v3 = load_model("deepseek-v3"), v2 = load_model("deepseek-v2"), lite = load_model("deepseek-v2-lite"),
        moe16 = load_model("deepseekmoe-16b"), r1 = load_model("deepseek-r1"),
        distill = load_model("deepseek-r1-distill-qwen-7b"), dense67 = load_model("deepseek-llm-67b"),
        kimi = load_model("kimi-k2"), mixtral7 = load_model("mixtral-8x7b"), mixtral22 = load_model("mixtral-8x22b"),
        qwen30 = load_model("qwen3-30b-a3b"), llama70 = load_model("llama-2-70b"), glm = load_model("glm-4.5"),
        gemma = load_model("gemma-3-27b");
  Gpu h800 = load_gpu("h800");
};

void about_experts(const Catalogue& c, std::vector<Claim>& out) {
  const MoeShape& v3 = *c.v3.moe;
  const std::size_t layers = c.v3.moe_layers().size();
  out.push_back(
      {"DeepSeek-V3", "it has 3 shared experts",
       fmt::format("{} shared expert of width {}; the first {} layers have a dense FFN, which is where the {} "
                   "comes from",
                   v3.shared_experts, v3.expert_width, v3.first_dense_layers, v3.first_dense_layers),
       v3.shared_experts == 3});
  out.push_back({"DeepSeek-V3", "255 routed experts and 1 shared make 256",
                 fmt::format("{} routed + {} shared = {} FFNs in a MoE layer; a token uses {} + {}", v3.experts,
                             v3.shared_experts, v3.experts + v3.shared_experts, v3.top_k, v3.shared_experts),
                 v3.experts == 255});
  out.push_back({"DeepSeek-V3", "128 experts, 6 active and 1 shared, 22 B parameters each",
                 fmt::format("{} routed experts, {} active; one of them in one layer is {} parameters", v3.experts,
                             v3.top_k, millions(expert_parameters(c.v3))),
                 v3.experts == 128 && v3.top_k == 6});
  const double column = double(expert_parameters(c.v3)) * double(layers);
  out.push_back(
      {"all", "an expert is a model of 3 B or 32 B parameters",
       fmt::format(
           "an expert is one FFN in one layer: V3 {}, V2 {}, MoE-16B and V2-Lite {}, Mixtral 8x7B {}, 8x22B {}, "
           "Qwen3-30B {}, Kimi-K2 {}; V3's {} layers x one expert = {} is only a column sum",
           millions(expert_parameters(c.v3)), millions(expert_parameters(c.v2)), millions(expert_parameters(c.lite)),
           millions(expert_parameters(c.mixtral7)), millions(expert_parameters(c.mixtral22)),
           millions(expert_parameters(c.qwen30)), millions(expert_parameters(c.kimi)), layers, billions(column)),
       expert_parameters(c.v3) > 2'500'000'000});
  out.push_back({"DeepSeek-V3", "8 of 256 expert layers run for a token",
                 fmt::format("{} of {} experts in each of {} layers: {} calls of a routed expert a token", v3.top_k,
                             v3.experts, layers, v3.top_k * int(layers)),
                 layers == 256});
  out.push_back(
      {"DeepSeek-V2", "158 routed and 2 shared experts",
       fmt::format("{} routed + {} shared in a layer, {} routed active; {} dense layer of {}", c.v2.moe->experts,
                   c.v2.moe->shared_experts, c.v2.moe->top_k, c.v2.moe->first_dense_layers, c.v2.layers),
       c.v2.moe->experts == 158});
  out.push_back(
      {"Kimi-K2", "it is DeepSeek-V3 with more experts",
       fmt::format("{} experts for {}, but also {} heads for {}, {} dense layer for {}, {} group for {}, {} "
                   "MTP layers for {}, scale {} for {}, vocabulary {} for {}",
                   c.kimi.moe->experts, v3.experts, c.kimi.attention.heads, c.v3.attention.heads,
                   c.kimi.moe->first_dense_layers, v3.first_dense_layers, c.kimi.moe->groups, v3.groups,
                   c.kimi.mtp_layers, c.v3.mtp_layers, c.kimi.moe->scale, v3.scale, c.kimi.vocabulary, c.v3.vocabulary),
       c.kimi.attention.heads == c.v3.attention.heads && c.kimi.moe->groups == v3.groups});
  out.push_back(
      {"Qwen3-30B-A3B", "its dense layers have an FFN of width 6144",
       fmt::format("no layer is dense: {} of {} are MoE, {} experts of width {}; the 6144 of its config.json is "
                   "not used",
                   c.qwen30.moe_layers().size(), c.qwen30.layers, c.qwen30.moe->experts, c.qwen30.moe->expert_width),
       int(c.qwen30.moe_layers().size()) < c.qwen30.layers});
}

void about_routing(const Catalogue& c, std::vector<Claim>& out) {
  out.push_back({"DeepSeek-R1", "it is a dense model",
                 fmt::format("R1 is {} with {} active in {} experts a layer; the R1-Distill models are dense ({})",
                             billions(total(c.r1)), billions(double(count_parameters(c.r1).active)), c.r1.moe->experts,
                             billions(total(c.distill))),
                 !c.r1.moe});
  out.push_back({"DeepSeek-R1", "its experts are routed by reinforcement learning",
                 fmt::format("the gate of R1 and of V3 {}: {} top-{} of {}; reinforcement learning trained the answers",
                             same_gate(c.r1, c.v3) ? "is the same" : "differs", name_of(c.r1.moe->score),
                             c.r1.moe->top_k, c.r1.moe->experts),
                 !same_gate(c.r1, c.v3)});
  out.push_back({"DeepSeek-V3", "balancing without auxiliary loss means there is none",
                 fmt::format("a sequence-wise loss remains: its first config.json says {}, the report 0.0001",
                             c.v3.moe->balance_loss),
                 c.v3.moe->balance_loss == 0});
  out.push_back({"DeepSeek-V3", "attention is dense in every third layer",
                 fmt::format("MLA in all {} layers; only the FFN of layers 0 to {} is dense, of width {}", c.v3.layers,
                             c.v3.moe->first_dense_layers - 1, c.v3.dense_width),
                 std::ranges::any_of(layer_shapes(c.v3),
                                     [&](const LayerShape& l) { return l.attention.kind != c.v3.attention.kind; })});
  std::string units;
  std::vector<int> sizes;
  for (const char* name : {"h800-32", "h800-144", "h800-320"}) {
    sizes.push_back(load_cluster(name).gpus());
    units += fmt::format("{}{} ({:.1f} experts of a layer each)", units.empty() ? "" : ", ", sizes.back(),
                         double(c.v3.moe->experts) / sizes.back());
  }
  out.push_back(
      {"DeepSeek-V3", "it has one expert-parallel size",
       fmt::format("its makers served it on units of {} GPUs and trained it in groups of 64; a figure must say "
                   "which it is about",
                   units),
       std::ranges::count(sizes, sizes.front()) == std::ssize(sizes)});
}

void about_caches(const Catalogue& c, std::vector<Claim>& out) {
  const AttentionShape& a = c.v3.attention;
  const int cached = rules_of(a.kind).latent_width(a);
  out.push_back(
      {"DeepSeek-V3", "MLA caches only the latent of 512",
       fmt::format("{} + {} = {} values a token and layer: {} B a token for V3, {} B for V2 in BF16; without "
                   "the {} it comes out {:.0f} % too small",
                   a.kv_lora_rank, a.qk_rope_head_dim, cached, cache_bytes_per_token(c.v3, CacheFormat::bf16).v,
                   cache_bytes_per_token(c.v2, CacheFormat::bf16).v, a.qk_rope_head_dim,
                   100.0 * a.qk_rope_head_dim / cached),
       cached == 512});
  constexpr std::int64_t context = 128'000;
  const double mha = cache_gb(c.v2, AttentionKind::mha, context), gqa = cache_gb(c.v2, AttentionKind::gqa, context),
               mla = cache_gb(c.v2, AttentionKind::mla, context);
  out.push_back(
      {"DeepSeek-V2", "at 128,000 tokens and 60 layers the cache is 120.1 GB with MHA, 30 with GQA, 3.6 with MLA",
       fmt::format("with its {} heads, BF16, {} tokens, {} layers: {:.0f} / {:.1f} / {:.2f} GB, ratios {:.0f} : "
                   "{:.1f} : 1",
                   c.v2.attention.heads, context, c.v2.layers, mha, gqa, mla, mha / mla, gqa / mla),
       agrees(120.1, mha, 0.1) && agrees(30, gqa, 1) && agrees(3.6, mla, 0.1)});
  const auto v2_token = double(cache_bytes_per_token(c.v2, CacheFormat::bf16).v);
  const auto old_token = double(cache_bytes_per_token(c.dense67, CacheFormat::bf16).v);
  out.push_back(
      {"DeepSeek-V2", "it cuts the KV cache by 93.3 %",
       fmt::format("BF16 against BF16, {:.0f} B a token for {:.0f} of DeepSeek-67B is a cut of {:.1f} %; 93.3 % "
                   "needs V2's cache at 6 bits a value ({:.1f} %) beside 16",
                   v2_token, old_token, 100 * (1 - v2_token / old_token), 100 * (1 - v2_token * 6 / 16 / old_token)),
       agrees(93.3, 100 * (1 - v2_token / old_token), 0.1)});
  out.push_back({"DeepSeek-V3", "128K context, so max_position_embeddings is 131072",
                 fmt::format("its config.json says {} = {} x {}", c.v3.max_positions, c.v3.rope.factor,
                             c.v3.rope.original_positions),
                 c.v3.max_positions == 131072});
}

void about_sizes(const Catalogue& c, std::vector<Claim>& out) {
  const Parameters v3 = count_parameters(c.v3), llama = count_parameters(c.llama70);
  const auto ours = double(v3.active_no_embedding), theirs = double(llama.active_no_embedding);
  out.push_back(
      {"DeepSeek-V3", "it uses 18 times more parameters a token than Llama-2-70B",
       fmt::format("{} against {} in matrix products: {:.1f} times fewer; {:.0f} is V3's own total over active",
                   billions(ours), billions(theirs), theirs / ours, double(v3.total()) / double(v3.active)),
       ours > theirs});
  out.push_back({"DeepSeek-V3", "it has 685 B parameters",
                 fmt::format("{} in the model; {} in the released files, which add the MTP layer with copies of "
                             "embedding and head ({}) and FP8 scales ({})",
                             billions(double(v3.total())), billions(double(v3.stored())),
                             billions(double(v3.mtp_stored)), millions(v3.fp8_scales)),
                 agrees(685, double(v3.total()) / 1e9, 1)});
  out.push_back({"Mixtral", "8x7B is 56 B, 8x22B is 176 B",
                 fmt::format("{} and {}: the experts share attention, embedding and norms; active {} and {}",
                             billions(total(c.mixtral7)), billions(total(c.mixtral22)),
                             billions(double(count_parameters(c.mixtral7).active)),
                             billions(double(count_parameters(c.mixtral22).active))),
                 agrees(56, total(c.mixtral7) / 1e9, 1) && agrees(176, total(c.mixtral22) / 1e9, 1)});
  out.push_back(
      {"DeepSeekMoE-16B", "it and DeepSeek-V2-Lite are the same 16 B model",
       fmt::format("{} layers of {}, {} positions, {} against {} layers of {}, {} positions, {}", c.moe16.layers,
                   name_of(c.moe16.attention.kind), c.moe16.max_positions, billions(total(c.moe16)), c.lite.layers,
                   name_of(c.lite.attention.kind), c.lite.max_positions, billions(total(c.lite))),
       c.moe16.layers == c.lite.layers && c.moe16.attention.kind == c.lite.attention.kind});
  out.push_back({"DeepSeek", "V3's vocabulary is 128,000, V2's 100,000",
                 fmt::format("{} and {} rows of the embedding", c.v3.vocabulary, c.v2.vocabulary),
                 c.v3.vocabulary == 128'000 && c.v2.vocabulary == 100'000});
  out.push_back({"GLM-4.5", "96 layers, 22 B active",
                 fmt::format("{} layers + {} MTP and {} heads; {} active", c.glm.layers, c.glm.mtp_layers,
                             c.glm.attention.heads, billions(double(count_parameters(c.glm).active))),
                 c.glm.layers == 96});
  const std::vector<LayerShape> gemma = layer_shapes(c.gemma);
  const auto windowed = std::ranges::count_if(gemma, [](const LayerShape& l) { return l.attention.reads.bounded(); });
  const auto first_full = std::ranges::find_if(gemma, [](const LayerShape& l) { return !l.attention.reads.bounded(); });
  const auto every = first_full - gemma.begin() + 1;
  out.push_back({"Gemma-3", "full attention in every 5th layer",
                 fmt::format("in every {}th: {} windowed layers, {} full ones of {}", every, windowed,
                             c.gemma.layers - windowed, c.gemma.layers),
                 every == 5});
}

void about_training(const Catalogue& c, std::vector<Claim>& out) {
  // GPU-hours for 10^12 tokens: arXiv:2412.19437, section 1, and arXiv:2405.04434, section 3.2.3.
  const double v3 = utilisation(c.v3, c.h800, 180e3), v2 = utilisation(c.v2, c.h800, 172.8e3);
  out.push_back(
      {"DeepSeek-V3", "it trained at 57 % model FLOP utilisation",
       fmt::format("180,000 H800-hours for 10^12 tokens are {:.0f} % of the BF16 peak (causal, {:.1f} GFLOP a "
                   "token); V2's 172,800 are {:.0f} %",
                   100 * v3, training_flops(c.v3, 4096, true).v / 1e9, 100 * v2),
       agrees(57, 100 * v3, 1)});
  double fp8 = 0, other = 0;
  for (const WeightShape& w : weight_shapes(c.v3))
    if (!w.mtp) (w.linear ? fp8 : other) += double(w.copies * w.each());
  out.push_back(
      {"DeepSeek-V3", "it is trained in FP8 throughout",
       fmt::format("FP8 holds the inputs of {} parameters' products; {} of embedding, head, gates and norms stay "
                   "BF16 or FP32, and so do the attention core, master weights, gradients and moments",
                   billions(fp8), billions(other)),
       other == 0});
  out.push_back(
      {"DeepSeek-V3", "it recomputes no activations",
       fmt::format("the backward pass recomputes all {} RMSNorms of the residual stream and the MLA "
                   "up-projections of {} layers (report, section 3.2.3); what V3 avoids is tensor parallelism",
                   c.v3.norms_per_layer * c.v3.layers, c.v3.layers),
       false});
}
}  // namespace

std::vector<Claim> popular_claims() {
  const Catalogue catalogue;
  std::vector<Claim> out;
  about_experts(catalogue, out);
  about_routing(catalogue, out);
  about_caches(catalogue, out);
  about_sizes(catalogue, out);
  about_training(catalogue, out);
  const std::vector<Claim> newer = release_claims();
  out.insert(out.end(), newer.begin(), newer.end());
  return out;
}
}  // namespace moesim::spec
