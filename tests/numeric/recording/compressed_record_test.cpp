// DeepSeek-V4's pass into a trace: what hash-routed layers, gates and indexers choose of a scaled-down model.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <set>

#include "formats/json.h"
#include "numerics/compressed/compressed_pass.h"
#include "recording/evaluate.h"
#include "recording/record.h"
#include "recording/recorded_routing.h"
#include "routing/trace.h"
#include "spec/catalogue.h"
#include "spec/scale.h"
#include "support/temporary_folder.h"

namespace moesim::recording {
namespace {
/// V4-Flash's widths for a laptop, its first six layers: a window alone twice, then entries of 4 and 128 tokens.
spec::Model small_model() {
  spec::Model m = spec::load_model("deepseek-v4-flash");
  m.layers = 6, m.mtp_layers = 0;
  m.attention.compressed->entries.resize(6);
  m.moe->experts = 16;
  m.attention.indexer->top_k = 3;
  return spec::scaled(m, spec::laptop_scale(m));
}
std::vector<int> text(int tokens) {
  std::vector<int> out;
  for (int i = 0; i < tokens; ++i) out.push_back((i * 37 + i / 5) % 250);
  return out;
}

class CompressedRecord : public testing::Test {
 protected:
  routing::Trace record(const std::string& name, int batch, std::uint64_t seed = 1) {
    const numerics::CompressedShape shape = numerics::compressed_shape(model);
    const numerics::CompressedTensors tensors(shape, seed);
    RecordOptions options;
    options.output = folder.file(name), options.decode = 4, options.batch_tokens = batch;
    const RecordResult r = record_compressed(model, shape, tensors, {{"a", "one", text(150)}, {"b", "two", text(9)}},
                                             options, folder.file(name + ".jsonl"));
    EXPECT_EQ(r.prefill_tokens, 159);
    EXPECT_EQ(r.decode_tokens, 8);
    return routing::Trace(options.output);
  }
  spec::Model model = small_model();
  TemporaryFolder folder;
};

std::vector<std::int16_t> all_experts(const routing::Trace& trace, int layer) {
  std::vector<std::int16_t> out;
  trace.read_experts(layer, 0, trace.tokens(), out);
  return out;
}

// The first three layers look experts up by token id: equal ids, equal experts, wherever they stand; the others do not.
TEST_F(CompressedRecord, HashedLayersFollowTheTokenAlone) {
  const routing::Trace trace = record("a.trace.db", 2048);
  ASSERT_EQ(trace.tokens(), 167);
  ASSERT_EQ(trace.header().layers.size(), 6u);
  std::vector<routing::TraceToken> tokens;
  trace.read_tokens(0, trace.tokens(), tokens);
  for (int layer = 0; layer < 6; ++layer) {
    const std::vector<std::int16_t> chosen = all_experts(trace, layer);
    std::map<int, std::vector<std::int16_t>> first;
    int differ = 0;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      const std::vector<std::int16_t> own(chosen.begin() + std::ptrdiff_t(6 * t),
                                          chosen.begin() + std::ptrdiff_t(6 * t + 6));
      EXPECT_EQ(std::set<std::int16_t>(own.begin(), own.end()).size(), 6u);
      differ += first.try_emplace(tokens[t].token, own).first->second != own;
    }
    EXPECT_EQ(differ == 0, layer < 3) << layer << ": " << differ;
  }
}

// However a prompt is cut into passes, and again by the same seed; another seed is another model.
TEST_F(CompressedRecord, IsTheSameHoweverPromptsAreCut) {
  const routing::Trace whole = record("c.trace.db", 2048), cut = record("d.trace.db", 7),
                       other = record("e.trace.db", 7, 2);
  for (int layer = 0; layer < 6; ++layer) {
    EXPECT_EQ(all_experts(whole, layer), all_experts(cut, layer)) << layer;
    EXPECT_NE(all_experts(whole, layer), all_experts(other, layer)) << layer;
  }
}

TEST_F(CompressedRecord, IndexersPickRisingEntriesThatAreFull) {
  (void)record("b.trace.db", 2048);
  std::ifstream in(folder.file("b.trace.db.jsonl"));
  int lines = 0;
  for (std::string line; std::getline(in, line); ++lines) {
    const formats::Json token = formats::Json::parse(line);
    const int position = token.at("position");
    for (const auto& [layer, entries] : token.at("layers").items()) {
      EXPECT_TRUE(layer == "2" || layer == "4") << layer;
      std::vector<int> picks = entries.get<std::vector<int>>();
      EXPECT_LE(picks.size(), 3u);
      EXPECT_EQ(picks.size(), std::size_t(std::min(3, (position + 1) / 4)));
      EXPECT_TRUE(std::ranges::is_sorted(picks));
      for (const int e : picks) EXPECT_LT(e, (position + 1) / 4);
    }
  }
  EXPECT_EQ(lines, 167);
}
// A scenario's `routing: {record: ...}`: the pass is DeepSeek-V4's own, and what aims at loads is refused.
const char* const kScenario = R"(
model:
  architecture: deepseek_v4
  vocabulary: 256
  hidden: 64
  layers: 4
  max_positions: 4096
  residual_streams: 4
  attention:
    {kind: compressed, heads: 4, kv_heads: 1, head_dim: 32, v_head_dim: 32, q_lora_rank: 16, qk_rope_head_dim: 8,
     sinks: true, indexer: {heads: 2, head_dim: 16, top_k: 4, interleaved_rope: true},
     compressed: {window: 16, indexed: 4, output_groups: 2, output_rank: 8, entries: [0, 4, 128, 4]}}
  moe: {experts: 8, expert_width: 16, shared_experts: 1, top_k: 2, hash_layers: 1, score: sqrtsoftplus,
        selection: noaux_tc, selection_bias: true, normalise: true}
routing: {record: {text: [text.txt], decode: 2MORE}}
)";

TEST(CompressedScenario, ItsRoutingIsRecorded) {
  const TemporaryFolder folder;
  folder.write("text.txt", "entries of four tokens, entries of a hundred and twenty-eight");
  const auto record = [&](const std::string& more, const std::string& trace) {
    std::string text = kScenario;
    text.replace(text.find("MORE"), 4, more);
    return record_for(Config::load(folder.write("s.yaml", text)), folder.file(trace));
  };
  EXPECT_TRUE(record("", "a.trace.db").complete);
  const routing::Trace trace(folder.file("a.trace.db"));
  EXPECT_EQ(trace.tokens(), 61 + 2);
  // Another seed, other weights; what would aim at loads has no place.
  EXPECT_TRUE(record(", synthetic: {seed: 2}", "b.trace.db").complete);
  EXPECT_NE(all_experts(trace, 2), all_experts(routing::Trace(folder.file("b.trace.db")), 2));
  EXPECT_THROW((void)record(", synthetic: {skew: 2}", "c.trace.db"), ConfigError);
}

// Losses are those of the logits of one pass over the whole text, however it is cut; the last token has none.
TEST_F(CompressedRecord, LossesAreOfTheTokensThatFollow) {
  const numerics::CompressedShape shape = numerics::compressed_shape(model);
  const numerics::CompressedTensors tensors(shape, 1);
  const std::vector<int> tokens = text(40);
  numerics::CompressedForward forward(shape, tensors, 1);
  numerics::CompressedCache cache = forward.new_cache();
  const numerics::Matrix logits = forward.logits(forward.run(tokens, cache).view());
  double sum = 0;
  for (int t = 0; t + 1 < int(tokens.size()); ++t) {
    double all = 0;
    for (int v = 0; v < logits.columns; ++v) all += std::exp(double(logits.row(t)[v]));
    sum += std::log(all) - double(logits.row(t)[tokens[std::size_t(t) + 1]]);
  }
  for (const int batch : {2048, 7}) {
    EvaluateOptions options;
    options.batch_tokens = batch, options.threads = 1;
    const Evaluation e = evaluate_compressed(model, shape, tensors, {{"a", "one", tokens}}, options);
    EXPECT_EQ(e.losses.front().predicted, 39);
    EXPECT_NEAR(e.losses.front().next_token, sum / 39, 1e-4);
  }
}
}  // namespace
}  // namespace moesim::recording
