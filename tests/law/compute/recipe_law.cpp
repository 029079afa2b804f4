// Recipes of training in 8 and 4 bits: the same arithmetic, other scales, other casts.
#include <gtest/gtest.h>

#include <algorithm>

#include "compute/kernels/equation_model.h"
#include "compute/layers/inventory.h"
#include "compute/layers/memory.h"
#include "core/random.h"
#include "spec/catalogue.h"

namespace moesim::compute::recipes {
namespace {
const std::vector<std::int64_t> kRows(8, 512);

/// A whole training step of one MoE layer, each of its parts forward and backward.
std::vector<Operation> step(const spec::Model& model, spec::Dtype dtype, Recipe recipe) {
  LayerOptions options;
  options.training = true;
  options.precision.linear = dtype;
  options.precision.recipe = recipe;
  if (recipe != Recipe::blocks) options.precision.dispatch = spec::Dtype::bf16;
  const Batch batch = training_batch(model, 1024);
  std::vector<Operation> out;
  for (const Pass pass : {Pass::forward, Pass::backward_input, Pass::weight_gradient})
    for (const LayerPart part : parts_of(model, model.layers - 1))
      append_operations(out, model, model.layers - 1, part, pass, batch, kRows, options);
  return out;
}
double useful(const std::vector<Operation>& operations) {
  double sum = 0;
  for (const Operation& o : operations) sum += o.useful.v;
  return sum;
}
std::int64_t moves(const std::vector<Operation>& operations, MemoryKind kind) {
  return std::ranges::count_if(operations, [&](const Operation& o) {
    const auto* m = std::get_if<MemoryOp>(&o.kernel);
    return m != nullptr && m->kind == kind;
  });
}
std::int64_t named(const std::vector<Operation>& operations, std::string_view name) {
  return std::ranges::count(operations, name, &Operation::name);
}
constexpr Recipe kEngines[] = {Recipe::current, Recipe::delayed, Recipe::mxfp8, Recipe::nvfp4};

TEST(RecipeLaw, TheArithmeticIsTheSame) {
  for (const char* name : {"deepseek-v3", "qwen3-30b-a3b"}) {
    const spec::Model model = spec::load_model(name);
    const double plain = useful(step(model, spec::Dtype::bf16, Recipe::blocks));
    EXPECT_EQ(useful(step(model, spec::Dtype::fp8, Recipe::blocks)), plain);
    for (const Recipe recipe : kEngines) {
      const spec::Dtype dtype = recipe == Recipe::nvfp4 ? spec::Dtype::nvfp4 : spec::Dtype::fp8;
      EXPECT_EQ(useful(step(model, dtype, recipe)), plain) << name_of(recipe);
      // 16 bits have no scales.
      EXPECT_EQ(step(model, spec::Dtype::bf16, recipe).size(), step(model, spec::Dtype::bf16, Recipe::blocks).size());
    }
  }
}

TEST(RecipeLaw, EveryCastIsMadeOnceForBothDimensions) {
  for (const char* name : {"deepseek-v3", "qwen3-30b-a3b"}) {
    const spec::Model model = spec::load_model(name);
    for (const Recipe recipe : kEngines) {
      SCOPED_TRACE(name_of(recipe));
      const auto operations = step(model, recipe == Recipe::nvfp4 ? spec::Dtype::nvfp4 : spec::Dtype::fp8, recipe);
      EXPECT_GT(moves(operations, MemoryKind::cast_transpose), 0);
      EXPECT_EQ(moves(operations, MemoryKind::cast) + moves(operations, MemoryKind::transpose), 0);
      // A scale from the tensor itself takes a pass before each cast.
      const bool finds = recipe == Recipe::current || recipe == Recipe::nvfp4;
      EXPECT_EQ(named(operations, "largest number"), finds ? moves(operations, MemoryKind::cast_transpose) : 0);
    }
  }
}

TEST(RecipeLaw, ProductsCarryTheRecipesScales) {
  const spec::Model model = spec::load_model("qwen3-30b-a3b");
  for (const Recipe recipe : {Recipe::blocks, Recipe::current, Recipe::delayed, Recipe::mxfp8}) {
    for (const Operation& o : step(model, spec::Dtype::fp8, recipe)) {
      const auto* dense = std::get_if<Gemm>(&o.kernel);
      const auto* grouped = std::get_if<GroupedGemm>(&o.kernel);
      if ((dense == nullptr && grouped == nullptr) || (dense != nullptr && dense->dtype != spec::Dtype::fp8)) continue;
      const Scales scales = dense != nullptr ? dense->scales : grouped->scales;
      const Scales one = o.pass == Pass::forward ? Scales::tensor : Scales::promoted;
      EXPECT_EQ(scales, recipe == Recipe::blocks  ? Scales::blocks
                        : recipe == Recipe::mxfp8 ? Scales::groups
                                                  : one)
          << o.name;
    }
  }
}

TEST(RecipeLaw, OneScaleForAllIsNeverSlowerThanBlocks) {
  const auto model = make_calibrated("", true, spec::load_gpu("h100"));
  Random random(5, "recipes");
  for (int i = 0; i < 300; ++i) {
    const auto size = [&] { return std::int64_t{128} * std::int64_t(1 + random.below(128)); };
    Gemm g{.m = size(), .n = size(), .k = size(), .dtype = spec::Dtype::fp8, .fp32_accumulate = true};
    const Time blocks = model->cost(g).time;
    for (const Scales scales : {Scales::promoted, Scales::groups}) {
      g.scales = scales;
      EXPECT_LE(model->cost(g).time, blocks) << describe(g);
    }
  }
}

TEST(RecipeLaw, EveryNumberKeptIsNeededByAnOperation) {
  const spec::Model model = spec::load_model("deepseek-v3");
  for (const Recipe recipe : {Recipe::blocks, Recipe::current, Recipe::mxfp8}) {
    const auto operations = step(model, spec::Dtype::fp8, recipe);
    LayerOptions options;
    options.training = true;
    options.precision.linear = spec::Dtype::fp8;
    options.precision.recipe = recipe;
    for (const MemoryItem& item :
         layer_activations(model, model.layers - 1, training_batch(model, 1024), 4096, options))
      EXPECT_GT(named(operations, item.needed_by), 0) << item.name << " for " << item.needed_by;
  }
}
}  // namespace
}  // namespace moesim::compute::recipes
