// DeepSeek-V4.  Source: the modeling file of transformers for deepseek_v4 and the released tensors' names.
#include <fmt/format.h>

#include <array>

#include "spec/release/families.h"
#include "spec/release/pieces.h"

namespace moesim::spec {
namespace {
/// Tokens an entry in each layer, MTP modules last.  A layer whose entries are of kIndexedRatio tokens overlaps them
/// and has an indexer.
constexpr int kIndexedRatio = 4;

std::vector<int> read_ratios(const Keys& k, int layers, int modules) {
  std::vector<int> out = k.list("compress_ratios");
  k.check_length("compress_ratios", out.size(), layers, modules);
  for (const int one : out)
    if (one < 0) k.fail("compress_ratios", fmt::format("must not be negative, got {}", one));
  out.resize(std::size_t(layers + modules), 0);
  return out;
}

Plan read_v4(const Keys& k, std::string_view) {
  Plan plan = start_plan(k);
  const int layers = int(plan.layers.size()), modules = mtp_modules(k);
  CompressedPlan a;
  a.heads = k.size("num_attention_heads");
  a.head_dim = k.size("head_dim");
  a.rope = k.size("qk_rope_head_dim");
  a.q_rank = k.size("q_lora_rank");
  a.o_groups = k.size("o_groups");
  a.o_rank = k.size("o_lora_rank");
  a.window = k.size("sliding_window");
  a.index_heads = k.size("index_n_heads");
  a.index_dim = k.size("index_head_dim");
  (void)k.size("index_topk");
  if (const int kv = k.whole_or("num_key_value_heads", 1); kv != 1)
    k.fail("num_key_value_heads", fmt::format("deepseek_v4 has 1, got {}", kv));
  if (a.rope > a.head_dim)
    k.fail("qk_rope_head_dim", fmt::format("must be at most head_dim {}, got {}", a.head_dim, a.rope));
  check_groups(k, "num_attention_heads", a.heads, "o_groups", a.o_groups);
  ExpertPlan x = read_deepseek_experts(k, true);
  const int hashed = k.whole_or("num_hash_layers", 0), streams = k.whole_or("hc_mult", 1);
  const std::vector<int> ratios = read_ratios(k, layers, modules);
  const auto layer = [&](int i) {
    LayerPlan out;
    CompressedPlan own = a;
    own.ratio = ratios[std::size_t(i)];
    own.indexed = own.ratio == kIndexedRatio;
    out.mixers = {own};
    out.experts = x;
    out.experts->selection_bias = i >= hashed;  // the first layers' experts are looked up by token id
    out.residual_streams = streams;
    return out;
  };
  for (int i = 0; i < layers; ++i) plan.layers[std::size_t(i)] = layer(i);
  for (int i = 0; i < modules; ++i) plan.mtp.push_back(layer(layers + i));
  plan.mtp_joins_apart = true;
  if (hashed > 0)
    plan.notes.push_back(
        fmt::format("the first {} layers look experts up by token id; these tables are not counted", hashed));
  for (const char* key : {"expert_dtype", "hc_eps", "hc_sinkhorn_iters", "compress_rope_theta"}) (void)k.has(key);
  plan.names = {.attention = "attn",
                .state = "attn",
                .dense = "ffn",
                .experts = "ffn",
                .gate = "gate",
                .shared = "shared_experts",
                .mtp = "mtp.",
                .gate_matrix = "w1",
                .up_matrix = "w3",
                .down_matrix = "w2"};
  return plan;
}

constexpr std::array kCompressedFamilies = {ReleaseFamily{"deepseek_v4", read_v4}};
}  // namespace

std::span<const ReleaseFamily> compressed_families() { return kCompressedFamilies; }
}  // namespace moesim::spec
