// Catalogue entries written as a release's config.json.
#include "spec/release/release_entry.h"

#include <gtest/gtest.h>

#include "core/paths.h"
#include "spec/catalogue.h"
#include "spec/count.h"
#include "spec/layer_shape.h"
#include "spec/release/totals.h"
#include "support/temporary_folder.h"

namespace moesim::spec {
namespace {
struct Counted {
  const char* name;
  std::int64_t total, active;
};

// Sums over the tensors that the makers' modeling files build for these configurations, counted apart from this
// program; MTP modules and towers left out.
constexpr Counted kCounted[] = {{"deepseek-v3.1-nvfp4", 671'026'419'200, 37'552'297'472},
                                {"deepseek-v4-flash", 284'332'240'471, 13'799'632'471},
                                {"deepseek-v4-pro", 1'572'997'201'763, 49'779'081'059},
                                {"deepseek-v3.2", 671'877'944'064, 38'403'822'336},
                                {"glm-5", 743'911'218'432, 41'784'728'832},
                                {"glm-5.2", 743'377'019'904, 41'250'530'304},
                                {"kimi-k3", 2'779'484'461'664, 105'364'003'424},
                                {"step-3", 316'294'538'240, 38'841'328'640},
                                {"kimi-k2.5", 1'026'408'232'448, 32'861'500'928},
                                {"qwen3.5-397b-a17b", 396'346'350'336, 17'349'040'896},
                                {"qwen3.5-122b-a10b", 122'111'526'912, 9'771'288'576},
                                {"qwen3.5-35b-a3b", 34'660'610'688, 3'454'988'928},
                                {"qwen3-next-80b-a3b", 79'674'391'296, 3'874'929'408},
                                {"minimax-m2.5", 228'689'764'864, 11'030'553'088},
                                {"minimax-m3", 426'174'572'928, 25'962'473'856},
                                {"gpt-oss-20b", 20'914'757'184, 4'187'440'704},
                                {"qwen3-coder-480b-a35b", 480'154'875'392, 35'474'765'312},
                                {"nemotron-3-nano-30b-a3b", 31'577'940'288, 3'580'076'352},
                                {"nemotron-3-super-120b-a12b", 120'668'707'840, 12'770'237'440},
                                {"nemotron-3-ultra-550b-a55b", 549'308'993'536, 56'058'843'136},
                                {"mimo-v2-flash", 308'778'780'864, 15'445'936'320},
                                {"step-3.7-flash", 196'956'130'368, 11'987'323'968},
                                {"hy3", 295'033'543'488, 20'675'730'240},
                                {"llama-4-scout", 107'769'861'120, 17'172'894'720},
                                {"gemma-4-26b-a4b", 25'233'035'520, 3'822'424'320},
                                {"longcat-flash", 560'664'980'480, 32'182'676'480}};

TEST(ReleaseEntry, TheCatalogueCountsToTheLastUnit) {
  for (const Counted& one : kCounted) {
    SCOPED_TRACE(one.name);
    const std::optional<Release> r = release_of_entry(catalogue_file("models", one.name, "model"));
    ASSERT_TRUE(r);
    const ReleaseTotals t = count_release(*r);
    EXPECT_EQ(t.total, one.total);
    EXPECT_EQ(t.active, one.active);
  }
}

// Its sizes were put together from what repeats its config.json: a sum of them by others is 75 thousand more.
TEST(ReleaseEntry, KimiLinearCountsToItsPublishedSize) {
  const Model m = load_model("kimi-linear-48b-a3b");
  EXPECT_TRUE(m.can_run()) << m.obstacle();
  EXPECT_NEAR(double(count_parameters(m).total()), 49'122'756'864.0, 1e5);
  EXPECT_NEAR(double(count_parameters(m).active), 3'484'535'040.0, 1e5);
  EXPECT_EQ(cache_bytes_per_token(m, CacheFormat::bf16), Bytes{8064});
  EXPECT_EQ(state_bytes(m), Bytes{41'943'040 + 1'474'560});
}

TEST(ReleaseEntry, AModelThatRunsHasTheReleasesCountsAndFormats) {
  const Model coder = load_model("qwen3-coder-480b-a35b"), oss = load_model("gpt-oss-20b");
  EXPECT_TRUE(coder.can_run());
  EXPECT_EQ(count_parameters(coder).total(), 480'154'875'392);
  EXPECT_EQ(coder.family, "Qwen");
  EXPECT_EQ(released_storage(oss).of(ParameterPart::routed), Dtype::fp4);
  EXPECT_EQ(released_storage(oss).of(ParameterPart::attention), Dtype::bf16);
}

TEST(ReleaseEntry, OneThatDoesNotSaysWhatIsMissing) {
  const TemporaryFolder folder;
  const std::string file = folder.write(
      "short.yaml",
      "title: Short\nconfig: {model_type: lfm2_moe, hidden_size: 64, num_hidden_layers: 2, vocab_size: 100,\n"
      "  num_attention_heads: 4, num_key_value_heads: 2, intermediate_size: 128, num_dense_layers: 1,\n"
      "  num_experts: 4, num_experts_per_tok: 2, moe_intermediate_size: 32, conv_L_cache: 3,\n"
      "  layer_types: [conv, full_attention]}\n");
  const Model m = load_model(file);
  EXPECT_EQ(m.obstacle(),
            "model_type \"lfm2_moe\" can be counted and not run: layers of short convolutions have no kernels yet");
  EXPECT_EQ(m.title, "Short");
}

TEST(ReleaseEntry, LayersOfKimiDeltaAttentionRun) {
  const Model m = load_model("kimi-k3");
  EXPECT_TRUE(m.can_run()) << m.obstacle();
  EXPECT_EQ(count_parameters(m).total(), 2'779'484'461'664);
  EXPECT_EQ(count_parameters(m).active, 105'364'003'424);
  EXPECT_EQ(m.kimi->layers.size(), 69U);
  EXPECT_EQ(caching_layers(m), 24);
  EXPECT_TRUE(m.attention.output_gate);
  EXPECT_FALSE(layer_shape(m, 3).attention.rope.active);
  EXPECT_EQ(layer_shape(m, 3).attention.kind, AttentionKind::mla);
  EXPECT_EQ(layer_shape(m, 4).attention.kind, AttentionKind::kimi_delta);
  EXPECT_EQ(m.row_width(), 3584);
  EXPECT_TRUE(m.moe->latent_norm);
  EXPECT_EQ(released_storage(m).of(ParameterPart::routed), Dtype::fp4);
  EXPECT_EQ(released_storage(m).of(ParameterPart::attention), Dtype::bf16);
  // 69 layers of 96 matrices of 128 x 128 in FP32, and 3 inputs of 3 x 12,288 channels in BF16.
  EXPECT_EQ(state_bytes(m), Bytes{434'110'464 + 15'261'696});
  EXPECT_EQ(cache_bytes_per_token(m, CacheFormat::bf16), Bytes{24 * 576 * 2});
  // A token goes from layer to layer with the results of eight blocks of twelve layers.
  EXPECT_EQ(m.stream_width(), 9 * 7168);
}

TEST(ReleaseEntry, BlocksThatAnIndexerPicksRun) {
  const Model m = load_model("minimax-m3");
  EXPECT_TRUE(m.can_run()) << m.obstacle();
  EXPECT_EQ(count_parameters(m).total(), 426'174'572'928);
  EXPECT_EQ(count_parameters(m).active, 25'962'473'856);
  EXPECT_EQ(m.attention.kind, AttentionKind::block_sparse);
  EXPECT_EQ(m.attention.blocks->picks(), 2048);
  EXPECT_EQ(layers_with_indexer(m), 57);
  EXPECT_EQ(layer_shape(m, 2).attention.kind, AttentionKind::gqa);
  EXPECT_FALSE(layer_shape(m, 2).attention.reads.bounded());
  EXPECT_EQ(layer_shape(m, 3).attention.kind, AttentionKind::block_sparse);
  EXPECT_EQ(layer_shape(m, 3).attention.reads, (KeysRead{KeysRead::Span::picked, 2048}));
  EXPECT_EQ(layer_shape(m, 60).attention.index, IndexUse::own);  // an MTP module
  // 60 layers of keys and values, 4 heads of 128, and 57 index keys of 128.
  EXPECT_EQ(cache_bytes_per_token(m, CacheFormat::bf16), Bytes{122'880 + 14'592});
  EXPECT_EQ(cache_bytes_per_token(m, CacheFormat::fp8), Bytes{61'440 + 14'592});
}

TEST(ReleaseEntry, EntriesOfSeveralTokensRun) {
  const Model m = load_model("deepseek-v4-flash");
  EXPECT_TRUE(m.can_run()) << m.obstacle();
  EXPECT_EQ(m.architecture, Architecture::deepseek_v4);
  EXPECT_EQ(count_parameters(m).total(), 284'332'240'471);
  EXPECT_EQ(count_parameters(m).active, 13'799'632'471);
  EXPECT_EQ(m.residual_streams, 4);
  EXPECT_EQ(m.moe->hash_layers, 3);
  EXPECT_EQ(m.moe->score, Score::sqrt_softplus);
  EXPECT_EQ(released_storage(m).of(ParameterPart::routed), Dtype::fp4);
  EXPECT_EQ(released_storage(m).of(ParameterPart::attention), Dtype::fp8);
  EXPECT_EQ(layers_with_indexer(m), 21);
  // 21 x (584 / 4 + 68 / 4) + 20 x 584 / 128 is 3,514.25 B a token.
  EXPECT_EQ(cache_bytes_per_token(m, CacheFormat::fp8), Bytes{3515});
  // 20 x 128 tokens of keys and gates 512 wide, 21 x 4 of two halves 512 + 128 wide, in FP32.
  EXPECT_EQ(state_bytes(m), Bytes{20 * 128 * 2 * 512 * 4 + 21 * 4 * 2 * 2 * 640 * 4});
  // At 100,000 tokens: a window in 43 layers; entries.
  EXPECT_EQ(cache_bytes(m, 100'000, CacheFormat::fp8) - state_bytes(m),
            Bytes{584 * (43 * 128 + 21 * 25'000 + 20 * 781) + 21 * 68 * 25'000});
}

TEST(ReleaseEntry, LayersThatAreHalvesRun) {
  const Model m = load_model("nemotron-3-nano-30b-a3b");
  EXPECT_TRUE(m.can_run()) << m.obstacle();
  EXPECT_EQ(m.architecture, Architecture::nemotron_h);
  EXPECT_EQ(count_parameters(m).total(), 31'577'940'288);
  EXPECT_EQ(count_parameters(m).active, 3'580'076'352);
  EXPECT_EQ(m.layers, 52);
  EXPECT_EQ(m.mamba->layers.size(), 23U);
  EXPECT_EQ(m.network_layers.size(), 23U);
  EXPECT_EQ(m.moe_layers(), m.network_layers);
  EXPECT_EQ(caching_layers(m), 6);
  // 23 layers of 64 heads of 64 x 128 in FP32, and 3 inputs of 6144 channels in BF16.
  EXPECT_EQ(state_bytes(m), Bytes{23 * (64 * 64 * 128 * 4 + 3 * 6144 * 2)});
}

TEST(ReleaseEntry, LatentExpertsHaveTheirWidthAndTheirMaps) {
  const Model m = load_model("nemotron-3-super-120b-a12b");
  ASSERT_TRUE(m.can_run()) << m.obstacle();
  EXPECT_EQ(m.row_width(), 1024);
  EXPECT_EQ(m.expert_inputs(), 1);
  EXPECT_EQ(expert_parameters(m), 2 * 1024 * 2688);
  EXPECT_EQ(count_parameters(m).total(), 120'668'707'840);
  EXPECT_EQ(count_parameters(m).active, 12'770'237'440);
  // Its MTP module is two halves, attention and experts: one layer, beside the map that joins its inputs.
  EXPECT_EQ(m.mtp_layers, 1);
  EXPECT_EQ(layer_shape(m, m.layers).attention.kind, AttentionKind::gqa);
  EXPECT_TRUE(layer_shape(m, m.layers).has_experts());
  EXPECT_FALSE(layer_shape(m, m.layers).attention.rope.active);
  const std::optional<Release> release = release_of_entry(catalogue_file("models", m.name, "model"));
  EXPECT_EQ(count_parameters(m).mtp, count_release(*release).mtp);
}

TEST(ReleaseEntry, VariantsChangeKeysOfWhatTheyExtend) {
  const TemporaryFolder folder;
  const Model m = load_model(folder.write("wide.yaml",
                                          "extends: qwen3-coder-480b-a35b\ntitle: Wide\n"
                                          "config: {num_hidden_layers: 2, max_window_layers: null}\n"));
  EXPECT_EQ(m.layers, 2);
  EXPECT_EQ(m.title, "Wide");
  EXPECT_EQ(m.family, "Qwen");
  EXPECT_EQ(m.hugging_face, "");
}
}  // namespace
}  // namespace moesim::spec
