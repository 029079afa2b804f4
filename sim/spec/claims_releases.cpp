// Claims about releases of 2025 and 2026, and about prices: what their shapes give, and what they leave out.
#include <fmt/format.h>

#include <cmath>

#include "core/paths.h"
#include "spec/catalogue.h"
#include "spec/claims.h"
#include "spec/count.h"
#include "spec/release/release_entry.h"
#include "spec/release/totals.h"

namespace moesim::spec {
namespace {
Release entry(const std::string& name) {
  std::optional<Release> out = release_of_entry(catalogue_file("models", name, "model"));
  if (!out) throw ConfigError(fmt::format("{} is no release", name));
  return *std::move(out);
}
double gib(std::int64_t bytes) { return double(bytes) / double(1 << 30); }
double cache_gib(const Release& r, std::int64_t tokens, EntryFormat format) {
  return gib(cache_of(r, tokens, format).total());
}

/// Keys of DeepSeek-V3.2's indexer, of which it takes the 2,048 best (config.json index_n_heads, index_head_dim,
/// index_topk); FP8 with an FP32 scale: 132 bytes a token and layer.
constexpr double kIndexHeads = 64, kIndexWidth = 128, kPicked = 2048, kIndexEntry = 132;

void about_sparse_attention(std::vector<Claim>& out) {
  const Model v3 = load_model("deepseek-v3");
  const Release v32 = entry("deepseek-v3.2");
  const double before = double(cache_bytes_per_token(v3, CacheFormat::fp8_mla).v),
               after = growth_per_token(v32, EntryFormat::packed);
  out.push_back(
      {"DeepSeek-V3.2", "sparse attention needs less memory for the cache",
       fmt::format("{:.0f} B a token where V3's FP8 cache has {:.0f}: the index keys of {} layers come on top; "
                   "every token stays, since any may be picked later",
                   after, before, v32.layers.size()),
       after < before});
  constexpr double kContext = 131'072;
  const AttentionShape& a = v3.attention;
  const double pair = 2.0 * a.heads * (2 * a.kv_lora_rank + a.qk_rope_head_dim), dense = pair * kContext,
               sparse = pair * kPicked + 2 * kIndexHeads * kIndexWidth * kContext;
  const double entry_bytes = before / v3.layers;
  const double read_dense = entry_bytes * kContext, read_sparse = entry_bytes * kPicked + kIndexEntry * kContext;
  out.push_back(
      {"DeepSeek-V3.2", "attending to 2,048 of 131,072 tokens makes attention 64 times cheaper",
       fmt::format(
           "a decoded token and layer: {:.1f} GFLOP instead of {:.1f} ({:.1f} times fewer) and {:.1f} MB of cache "
           "instead of {:.1f} ({:.1f} times fewer), for the indexer still looks at every token; left out: "
           "finding the best ones, and a chain of small kernels that takes its time at any length",
           sparse / 1e9, dense / 1e9, dense / sparse, read_sparse / 1e6, read_dense / 1e6, read_dense / read_sparse),
       read_dense / read_sparse > 60 && dense / sparse > 60});
}

void about_compressed_caches(std::vector<Claim>& out) {
  const Release v32 = entry("deepseek-v3.2"), v4 = entry("deepseek-v4-pro");
  constexpr std::int64_t kMillion = 1 << 20;
  const double old_one = cache_gib(v32, kMillion, EntryFormat::bf16), wide = cache_gib(v4, kMillion, EntryFormat::bf16),
               packed_old = cache_gib(v32, kMillion, EntryFormat::packed),
               packed = cache_gib(v4, kMillion, EntryFormat::packed);
  out.push_back(
      {"DeepSeek-V4-Pro", "at a million tokens its cache is 10 % of V3.2's",
       fmt::format("{:.2f} GiB of {:.1f} in BF16 ({:.0f} %), {:.2f} of {:.1f} as its kernels store it ({:.0f} %), "
                   "windows and unfinished entries included; weights are {:.1f} times V3.2's",
                   wide, old_one, 100 * wide / old_one, packed, packed_old, 100 * packed / packed_old,
                   double(count_release(v4).total) / double(count_release(v32).total)),
       std::fabs(100 * wide / old_one - 10) < 2 || std::fabs(100 * packed / packed_old - 10) < 2});
}

void about_hybrids(std::vector<Claim>& out) {
  const Release next = entry("qwen3-next-80b-a3b");
  const ReleaseCache one = cache_of(next, 1, EntryFormat::bf16);
  int full = 0;
  for (const ReleaseLayer& layer : next.layers) full += layer.mixers.front() == MixerKind::full;
  const double token = growth_per_token(next, EntryFormat::bf16), layers = double(next.layers.size());
  const double saved = token * (layers - full) / full;  // what the other layers would keep with full attention
  out.push_back(
      {"Qwen3-Next", "linear attention has no cache",
       fmt::format("{} of {:.0f} layers keep {:.0f} B of every token; the others a state of {:.1f} MB a request, "
                   "as much as their keys and values of {:.0f} tokens: short requests need more, and a prefix "
                   "is of use only where its state was saved",
                   full, layers, token, double(one.states) / 1e6, double(one.states) / saved),
       full == 0 && one.states == 0});
}

void about_four_bits(std::vector<Claim>& out) {
  const Model v3 = load_model("deepseek-v3");
  const Release narrow = entry("deepseek-v3.1-nvfp4");
  const double bf16 = double(weight_bytes(v3, {}).v), fp8 = double(weight_bytes(v3, released_storage(v3)).v),
               four = double(weight_bytes(narrow, false));
  double wide = 0;
  for (const WeightLine& line : weigh_release(narrow))
    if (line.owner == Owner::backbone && line.format != "nvfp4") wide += double(line.bytes);
  out.push_back(
      {"DeepSeek-V3.1-NVFP4", "4 bits make the weights a quarter of BF16 and half of FP8",
       fmt::format("{:.0f} GB of {:.0f} in BF16 ({:.1f} times fewer) and {:.0f} in FP8 ({:.2f} times): a scale for "
                   "16 makes 4.5 bits, and {:.0f} GB of embedding, head and most of attention are not quantised",
                   four / 1e9, bf16 / 1e9, bf16 / four, fp8 / 1e9, fp8 / four, wide / 1e9),
       std::fabs(bf16 / four - 4) < 0.1 && std::fabs(fp8 / four - 2) < 0.1});
}

void about_prices(std::vector<Claim>& out) {
  // USD a million tokens in January 2025: DeepSeek's pricing page for deepseek-reasoner, OpenAI's for o1.
  constexpr double kR1In = 0.55, kR1Hit = 0.14, kR1Out = 2.19, kO1In = 15, kO1Out = 60;
  // DeepSeek, open-infra-index, day 6: 226.75 nodes of 8 H800 at 2 USD an hour; 608e9 tokens in, of them 342e9 from
  // cache, 168e9 out, in 24 hours.
  constexpr double kNodes = 226.75, kHit = 342e3, kIn = 608e3, kOut = 168e3;  // millions of tokens
  const double cost = kNodes * 8 * 2 * 24, paid = kHit * kR1Hit + (kIn - kHit) * kR1In + kOut * kR1Out;
  out.push_back(
      {"DeepSeek-R1", "it costs 27 times less than o1",
       fmt::format(
           "{:.1f} times in list price of input ({} against {} USD a million tokens) and {:.1f} of output; a "
           "price is no cost: its makers' day on {:.0f} nodes cost {:.0f} USD where these prices bring {:.0f}, "
           "{:.1f} times that. Left out: what o1 costs to run, which is not published, thinking tokens of each, "
           "cached input ({} USD)",
           kO1In / kR1In, kR1In, kO1In, kO1Out / kR1Out, kNodes, cost, paid, paid / cost, kR1Hit),
       false});
  const Model v2 = load_model("deepseek-v2"), dense = load_model("deepseek-llm-67b");
  // GPU-hours for 10^12 tokens: arXiv:2405.04434, section 3.2.3.
  constexpr double kV2Hours = 172.8e3, kDenseHours = 300.6e3;
  const double operations =
      double(count_parameters(dense).active_no_embedding) / double(count_parameters(v2).active_no_embedding);
  out.push_back(
      {"DeepSeek-V2", "it is 42 times cheaper to run than models alike",
       fmt::format(
           "its report says 42.5 %, of training, against DeepSeek-67B: {:.1f} and {:.1f} thousand GPU-hours for "
           "10^12 tokens save {:.1f} %. To run, a token takes {:.1f} times fewer operations in matrix products "
           "and {:.1f} times less cache; all {:.0f} B weights must lie in memory all the same",
           kV2Hours / 1e3, kDenseHours / 1e3, 100 * (1 - kV2Hours / kDenseHours), operations,
           double(cache_bytes_per_token(dense, CacheFormat::bf16).v) /
               double(cache_bytes_per_token(v2, CacheFormat::bf16).v),
           double(count_parameters(v2).total()) / 1e9),
       operations > 40});
}
}  // namespace

std::vector<Claim> release_claims() {
  std::vector<Claim> out;
  about_sparse_attention(out);
  about_compressed_caches(out);
  about_hybrids(out);
  about_four_bits(out);
  about_prices(out);
  return out;
}
}  // namespace moesim::spec
