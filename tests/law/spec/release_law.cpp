// What a release's inventory adds up to is what the shape of the model it describes counts.
#include <gtest/gtest.h>

#include <chrono>

#include "core/paths.h"
#include "spec/catalogue.h"
#include "spec/count.h"
#include "spec/hugging_face.h"
#include "spec/release/read_release.h"
#include "spec/release/release_of_model.h"
#include "spec/release/totals.h"

namespace moesim::spec {
namespace {
std::int64_t of_kind(const ReleaseTotals& t, TensorKind kind) {
  for (const auto& [one, count] : t.kinds)
    if (one == kind) return count;
  return 0;
}

TEST(ReleaseLaw, TheCatalogueCountsTheSameAsItsConfigJson) {
  for (const std::string& name : catalogue_names("models")) {
    const Model m = load_model(name);
    if (!m.can_run()) continue;
    SCOPED_TRACE(name);
    const ReleaseTotals t = count_release(read_release_text(hugging_face_json(m, "bfloat16"), name));
    const Parameters p = count_parameters(m);
    EXPECT_EQ(t.total, p.total());
    EXPECT_EQ(t.active, p.active);
    EXPECT_EQ(t.mtp, p.mtp);
    EXPECT_EQ(of_kind(t, TensorKind::embedding), p.embedding);
    EXPECT_EQ(of_kind(t, TensorKind::attention) + of_kind(t, TensorKind::indexer) + of_kind(t, TensorKind::state) +
                  of_kind(t, TensorKind::residual),
              p.attention);
    EXPECT_EQ(of_kind(t, TensorKind::dense), p.dense);
    EXPECT_EQ(of_kind(t, TensorKind::routed), p.routed);
    EXPECT_EQ(of_kind(t, TensorKind::shared), p.shared);
    EXPECT_EQ(of_kind(t, TensorKind::gate), p.gate);
    EXPECT_EQ(of_kind(t, TensorKind::head), p.head);
  }
}

TEST(ReleaseLaw, TheCatalogueCachesTheSameAsItsConfigJson) {
  for (const std::string& name : catalogue_names("models")) {
    const Model m = load_model(name);
    if (!m.can_run()) continue;
    SCOPED_TRACE(name);
    const Release r = read_release_text(hugging_face_json(m, "bfloat16"), name);
    for (const std::int64_t tokens : {1, 1000, 4096, 100'000}) {
      if (!m.attention.compressed) {  // whose indexer's keys a run keeps in FP4 always
        EXPECT_EQ(cache_of(r, tokens, EntryFormat::bf16).total(), cache_bytes(m, tokens, CacheFormat::bf16).v);
      }
      EXPECT_EQ(cache_of(r, tokens, EntryFormat::packed).total(), cache_bytes(m, tokens, CacheFormat::fp8_mla).v);
    }
  }
}

TEST(ReleaseLaw, TheCatalogueWeighsTheSameAsARelease) {
  for (const std::string& name : catalogue_names("models")) {
    const Model m = load_model(name);
    if (!m.can_run()) continue;
    SCOPED_TRACE(name);
    const Release r = release_of_model(m);
    // A release counts two FP32 scales a tensor of NVFP4, and keeps a selection bias in FP32 whatever the rest is.
    const double biases = m.moe && m.moe->selection_bias ? 2.0 * m.moe->experts * m.layers : 0;
    const double scales = released_storage(m).of(ParameterPart::routed) == Dtype::nvfp4
                              ? 8.0 * m.layers * (3.0 * m.moe->experts + 16)
                              : 0;
    double wide = 0;  // in FP32, which a run keeps in 16 bits: hyper-connections, places within an entry
    for (const Tensor& t : r.tensors)
      if ((t.fp32 && m.attention.compressed) || t.owner == Owner::uncounted) wide += 2.0 * double(t.all());
    EXPECT_NEAR(double(weight_bytes(r, false)), double(weight_bytes(m, released_storage(m)).v), biases + scales + wide);
  }
}

TEST(ReleaseLaw, ACountTakesLessThanTenMilliseconds) {
  const std::string text = hugging_face_json(load_model("deepseek-v3"), "bfloat16");
  (void)read_release_text(text, "v3");
  const auto begin = std::chrono::steady_clock::now();
  constexpr int kTimes = 5;
  for (int i = 0; i < kTimes; ++i) (void)weigh_release(read_release_text(text, "v3"));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(took.count() / kTimes, 0.1) << "ten times what it takes on an idle machine";
#endif
}
}  // namespace
}  // namespace moesim::spec
