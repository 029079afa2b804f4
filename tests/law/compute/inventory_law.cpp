// The inventory of every catalogue model adds up to the catalogue's own counts, to the last unit.
#include "compute/layers/inventory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "compute/layers/memory.h"
#include "compute/layers/operation_list.h"
#include "core/paths.h"
#include "spec/catalogue.h"
#include "spec/count.h"

namespace moesim::compute {
namespace {
// By name: reading the whole catalogue would take every test of this program longer than most of them take.
const std::set<std::string> kCannotRun = {"gpt-4", "qwen2.5-max"};

std::vector<std::string> known_models() {
  std::vector<std::string> out = catalogue_names("models");
  std::erase_if(out, [](const std::string& name) { return kCannotRun.contains(name); });
  return out;
}

TEST(ModelsThatCannotRun, AreKnown) {
  for (const std::string& name : catalogue_names("models"))
    EXPECT_EQ(spec::load_model(name).can_run(), !kCannotRun.contains(name)) << name;
}

// Rows of the routed experts when one GPU holds them all: any split of tokens x top_k has the same FLOPs.
std::vector<std::int64_t> all_rows(const spec::Model& model, std::int64_t tokens) {
  std::vector<std::int64_t> rows(std::size_t(model.moe ? model.moe->experts : 0), 0);
  for (std::int64_t i = 0; model.moe && i < tokens * model.moe->top_k; ++i)
    ++rows[std::size_t(i * i % model.moe->experts)];
  return rows;
}

std::vector<Operation> whole_pass(const spec::Model& model, const Batch& batch, const std::vector<std::int64_t>& rows,
                                  const std::vector<Pass>& passes, const LayerOptions& options) {
  std::vector<Operation> out;
  for (const Pass pass : passes) {
    append_operations(out, model, 0, LayerPart::embedding, pass, batch, {}, options);
    for (int layer = 0; layer < model.layers; ++layer)
      for (const LayerPart part : parts_of(model, layer))
        append_operations(out, model, layer, part, pass, batch, rows, options);
    append_operations(out, model, 0, LayerPart::head, pass, batch, {}, options);
  }
  return out;
}

double useful(const std::vector<Operation>& operations) {
  double sum = 0;
  for (const Operation& o : operations) sum += o.useful.v;
  return sum;
}

class EveryModel : public testing::TestWithParam<std::string> {
 protected:
  spec::Model model = spec::load_model(GetParam());
  // Whole windows or none, so that a mean over tokens is exact.
  std::int64_t length() const {
    const spec::KeysRead window = spec::windowed_read(model);
    return window.bounded() ? 2 * window.width : 512;
  }
};

TEST_P(EveryModel, PrefillFlopsAreTheCatalogues) {
  Batch batch;
  add_prefill(batch, model, length());
  batch.outputs = batch.tokens;
  const auto rows = all_rows(model, batch.tokens);
  EXPECT_EQ(useful(whole_pass(model, batch, rows, {Pass::forward}, {})),
            spec::prefill_flops(model, length()).v * double(length()));
}

TEST_P(EveryModel, DecodeFlopsAreTheCatalogues) {
  Batch batch;
  add_decode(batch, model, length() - 1, 1, 4);
  batch.outputs = batch.tokens;
  const auto rows = all_rows(model, batch.tokens);
  EXPECT_EQ(useful(whole_pass(model, batch, rows, {Pass::forward}, {})), spec::decode_flops(model, length()).v * 4);
}

TEST_P(EveryModel, TrainingFlopsAreThreeForwardPassesWhateverIsRecomputed) {
  const Batch batch = training_batch(model, length());
  const auto rows = all_rows(model, batch.tokens);
  LayerOptions options;
  options.training = true;
  std::vector<Recompute> choices(4);
  choices[1] = {true, true, true, true};
  choices[2].core = choices[2].shared_experts = true;
  choices[3].core = choices[3].experts = choices[3].swiglu = true;
  for (const Recompute& choice : choices) {
    options.recompute = choice;
    const bool again = choice.layer;
    const auto operations =
        whole_pass(model, batch, rows, {Pass::forward, Pass::backward_input, Pass::weight_gradient}, options);
    EXPECT_EQ(useful(operations), spec::training_flops(model, length(), true).v * double(length()));
    double executed = 0;
    for (const Operation& o : operations) executed += o.flops.v;
    EXPECT_GT(executed, useful(operations) * (again ? 1.2 : 1));
  }
}

// Every expert gets a row, so each weight but the looked-up embedding is read once.
TEST_P(EveryModel, WeightsReadAreTheCatalogues) {
  Batch batch;
  add_prefill(batch, model, length());
  batch.outputs = batch.tokens;
  const std::vector<std::int64_t> rows(std::size_t(model.moe ? model.moe->experts : 0), 1);
  std::int64_t read = 0;
  for (const Operation& o : whole_pass(model, batch, rows, {Pass::forward}, {})) read += o.weights.v;
  const std::int64_t embedding = model.tied_embeddings ? 0 : 2 * spec::count_parameters(model).embedding;
  EXPECT_EQ(read, weight_bytes(model, {}).v - embedding);
}

TEST_P(EveryModel, TrainingFlopsWithoutAMaskAreTheCatalogues) {
  if (spec::windowed_read(model).bounded()) GTEST_SKIP() << "a window is always a mask";
  Batch batch = training_batch(model, length());
  batch.prefill.pairs *= 2;
  LayerOptions options;
  options.training = true;
  const auto rows = all_rows(model, batch.tokens);
  EXPECT_EQ(
      useful(whole_pass(model, batch, rows, {Pass::forward, Pass::backward_input, Pass::weight_gradient}, options)),
      spec::training_flops(model, length(), false).v * double(length()));
}

// Every matrix gets a gradient in FP32, of its own size.
TEST_P(EveryModel, WeightGradientsAreOfTheCataloguesMatrices) {
  const Batch batch = training_batch(model, 8);
  const std::vector<std::int64_t> rows(std::size_t(model.moe ? model.moe->experts : 0), 1);
  LayerOptions options;
  options.training = true;
  std::int64_t elements = 0, expected = model.tied_embeddings ? spec::count_parameters(model).embedding : 0;
  for (const Operation& o : whole_pass(model, batch, rows, {Pass::weight_gradient}, options)) {
    if (const auto* g = std::get_if<Gemm>(&o.kernel)) elements += g->m * g->n;
    if (const auto* g = std::get_if<GroupedGemm>(&o.kernel)) elements += group_rows(*g).used * g->n * g->k;
  }
  for (const spec::WeightShape& w : spec::weight_shapes(model))
    if (w.rows > 1 && !w.mtp && w.part != spec::ParameterPart::embedding) expected += w.each() * w.copies;
  EXPECT_EQ(elements, expected);
}

// What forward keeps is read by an operation of the backward pass, and nothing is kept that backward computes again.
TEST_P(EveryModel, ActivationsAreKeptForAnOperationOfTheBackwardPass) {
  const Batch batch = training_batch(model, length());
  const std::vector<std::int64_t> rows(std::size_t(model.moe ? model.moe->experts : 0), 4);
  LayerOptions options;
  options.training = true;
  for (const spec::Dtype linear : {spec::Dtype::bf16, spec::Dtype::fp8})
    for (int bits = 0; bits < 20; ++bits) {
      options.precision.linear = linear;
      options.recompute = {bool(bits & 1), bool(bits & 2), bits < 16 && bool(bits & 4), bits < 16 && bool(bits & 8)};
      options.recompute.core = bits >= 16;
      options.recompute.shared_experts = bits == 17;
      options.recompute.experts = bits >= 18;
      for (const int layer : {0, 1, 2, 3, model.layers - 1}) {
        std::vector<Operation> operations;
        for (const Pass pass : {Pass::backward_input, Pass::weight_gradient})
          for (const LayerPart part : parts_of(model, layer))
            append_operations(operations, model, layer, part, pass, batch, rows, options);
        for (const MemoryItem& kept : layer_activations(model, layer, batch, std::int64_t(rows.size()) * 4, options))
          EXPECT_TRUE(std::ranges::any_of(operations, [&](const Operation& o) { return o.name == kept.needed_by; }))
              << kept.name << " for " << kept.needed_by << " in layer " << layer << ", recomputed " << bits;
      }
    }
}

TEST_P(EveryModel, ActivationsByNameSumToTheTotal) {
  const Batch batch = training_batch(model, length());
  LayerOptions options;
  options.training = true;
  HeldLayers held;
  std::vector<double> in_flight;
  Bytes each{};
  for (int layer = 0; layer < model.layers; ++layer) {
    held.layers.push_back(layer), in_flight.push_back(1 + layer % 3);
    each += sum_of(layer_activations(model, layer, batch, 100, options)) * (1 + layer % 3);
  }
  EXPECT_EQ(sum_of(held_activations(model, held, batch, 100, in_flight, options)), each);
}

TEST(Inventory, Fp8WeightsReadAreTheCatalogues) {
  for (const char* name : {"deepseek-v3", "deepseek-v2", "kimi-k2"}) {
    const spec::Model model = spec::load_model(name);
    Batch batch;
    add_prefill(batch, model, 64);
    batch.outputs = 64;
    const std::vector<std::int64_t> rows(std::size_t(model.moe->experts), 2);
    LayerOptions options;
    options.precision.linear = spec::Dtype::fp8;
    std::int64_t read = 0;
    for (const Operation& o : whole_pass(model, batch, rows, {Pass::forward}, options)) read += o.weights.v;
    EXPECT_EQ(read, weight_bytes(model, {spec::Dtype::fp8, {}, {}}).v - 2 * spec::count_parameters(model).embedding)
        << name;
  }
}

// MXFP4: the experts' weights alone, whatever the arithmetic.
TEST(Inventory, Fp4ExpertsReadAreTheCatalogues) {
  const spec::Model model = spec::load_model("gpt-oss-120b");
  Batch batch;
  add_prefill(batch, model, 64);
  batch.outputs = 64;
  const std::vector<std::int64_t> rows(std::size_t(model.moe->experts), 2);
  const Precisions widened{.experts = spec::Dtype::bf16, .expert_weights = spec::Dtype::fp4},
      as_stored{.experts = spec::Dtype::fp4};
  for (const Precisions& precision : {widened, as_stored}) {
    LayerOptions options;
    options.precision = precision;
    std::int64_t read = 0;
    for (const Operation& o : whole_pass(model, batch, rows, {Pass::forward}, options)) read += o.weights.v;
    EXPECT_EQ(read, weight_bytes(model, spec::released_storage(model)).v - 2 * spec::count_parameters(model).embedding)
        << name_of(precision.of_experts());
  }
}

// Attention, dense networks and experts each in a format of its own, computed in it or widened.
TEST(Inventory, WeightsOfMixedFormatsReadAreTheCatalogues) {
  using spec::Dtype;
  for (const char* name : {"deepseek-v3", "qwen3-235b-a22b", "mixtral-8x7b", "llama-3.1-405b"}) {
    const spec::Model model = spec::load_model(name);
    Batch batch;
    add_prefill(batch, model, 64);
    batch.outputs = 64;
    const std::vector<std::int64_t> rows(model.moe ? std::size_t(model.moe->experts) : 0, 2);
    const auto read = [&](const Precisions& precision) {
      LayerOptions options;
      options.precision = precision;
      std::int64_t sum = 0;
      for (const Operation& o : whole_pass(model, batch, rows, {Pass::forward}, options)) sum += o.weights.v;
      return sum + 2 * spec::count_parameters(model).embedding;
    };
    Precisions p{.linear = Dtype::fp8, .projections = Dtype::bf16};
    EXPECT_EQ(read(p), weight_bytes(model, {Dtype::fp8, Dtype::bf16, {}}).v) << name;
    p = {.linear = Dtype::fp8, .projections = Dtype::bf16, .experts = Dtype::nvfp4};
    EXPECT_EQ(read(p), weight_bytes(model, {Dtype::fp8, Dtype::bf16, Dtype::nvfp4}).v) << name;
    p = {.linear_weights = Dtype::int4, .projection_weights = Dtype::int8, .expert_weights = Dtype::int4_g32};
    EXPECT_NEAR(double(read(p)), double(weight_bytes(model, {Dtype::int4, Dtype::int8, Dtype::int4_g32}).v),
                4.0 * 256 * model.layers)
        << name << ": a selection bias is BF16 where products are, and FP32 in quantised files";
  }
}

INSTANTIATE_TEST_SUITE_P(Catalogue, EveryModel, testing::ValuesIn(known_models()), [](const auto& name) {
  std::string word = name.param;
  std::ranges::replace_if(
      word, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return word;
});

// Slices filled up to whole blocks cost and weigh what those of a model with experts of that width do.
TEST(ExpertColumns, FilledUpSlicesAreThoseOfWiderExperts) {
  spec::Model narrow = spec::load_model("qwen3-30b-a3b"), wide = narrow;
  LayerOptions options;
  options.precision.linear = spec::Dtype::fp8;
  for (const auto& [parts, block, columns] : {std::tuple{4, 128, 256}, {8, 128, 128}, {4, 32, 192}, {5, 64, 192}}) {
    options.expert_tensor = parts;
    wide.moe->expert_width = parts * columns;
    LayerOptions filled = options;
    filled.expert_block = block;
    EXPECT_EQ(expert_columns(*narrow.moe, filled), columns);
    Batch batch;
    add_prefill(batch, narrow, 64);
    const auto rows = all_rows(narrow, batch.tokens);
    std::vector<Operation> padded, whole;
    append_operations(padded, narrow, 0, LayerPart::experts, Pass::forward, batch, rows, filled);
    append_operations(whole, wide, 0, LayerPart::experts, Pass::forward, batch, rows, options);
    ASSERT_EQ(padded.size(), whole.size());
    for (std::size_t i = 0; i < padded.size(); ++i) {
      EXPECT_EQ(padded[i].flops.v, whole[i].flops.v);
      EXPECT_EQ(padded[i].bytes.v, whole[i].bytes.v);
      EXPECT_EQ(padded[i].weights.v, whole[i].weights.v);
    }
  }
}
}  // namespace
}  // namespace moesim::compute
