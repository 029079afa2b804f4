// Exact messages for what would lie beside nothing, be computed again twice, or pack nothing.
#include <gtest/gtest.h>

#include "support/refusal.h"
#include "training/plan.h"

namespace moesim::training {
namespace {
std::string refusal(const std::string& training, const std::string& model = "deepseek-v2-lite") {
  const std::string text = test::refusal_of([&] {
    read_plan(Config::from_text("model: " + model + "\ncluster: h800-32\ntraining: {batch: 64, " + training + "}\n",
                                "plan.yaml"));
  });
  const std::size_t key = text.find("training.");
  return key == std::string::npos ? text : text.substr(key);
}

TEST(BesideReject, WordsWithoutEffect) {
  EXPECT_EQ(refusal("shared_expert: beside"),
            "training.shared_expert: there is no exchange that it could be beside: parallel.expert is 1");
  EXPECT_EQ(refusal("weight_gradients: in_turn", "llama-2-7b"),
            "training.weight_gradients: llama-2-7b is a dense model: it has no exchanges");
  EXPECT_EQ(refusal("parallel: {expert: 8}, shared_expert: beside", "mixtral-8x7b"),
            "training.shared_expert: mixtral-8x7b has no shared experts");
  EXPECT_EQ(refusal("parallel: {pipeline: 4, expert: 8}, schedule: zb_h1, weight_gradients: beside"),
            "training.weight_gradients: zb_h1 gives gradients of weights passes of their own");
}

TEST(BesideReject, ModulesThatAreNotThere) {
  const std::string at = "training.recompute_modules: ";
  EXPECT_EQ(refusal("recompute_modules: [experts]", "llama-2-7b"),
            at + "llama-2-7b has no experts: it is a dense model");
  EXPECT_EQ(refusal("recompute_modules: [shared_experts]", "mixtral-8x7b"), at + "mixtral-8x7b has no shared_experts");
  EXPECT_EQ(refusal("recompute_modules: [experts, shared_experts]"),
            at + "experts are computed again with the shared ones beside them; leave shared_experts out");
  EXPECT_EQ(refusal("recompute_modules: [experts, activations]", "mixtral-8x7b"),
            at + "every layer of mixtral-8x7b has experts, whose activations are computed again with them; leave "
                 "activations out");
}

TEST(BesideReject, ActivationsThatTheHostCannotKeep) {
  EXPECT_EQ(refusal("offload_activations: 1.5"), "training.offload_activations: expected 0 to 1, got 1.5");
}

TEST(BesideReject, DocumentsThatFillNoSequence) {
  const std::string at = "training.documents: ";
  EXPECT_EQ(refusal("documents: [1000, 2000]"),
            at + "2 documents of 3000 tokens together do not fill a sequence of 4096; what is left over is a document "
                 "of its own");
  EXPECT_EQ(refusal("documents: [4096]"),
            at + "one document is the whole sequence, so nothing is packed; leave it out");
  EXPECT_EQ(refusal("documents: [4096, 0]"), at + "expected at least 1 token a document, got 0");
  EXPECT_EQ(refusal("documents: [2048, 2048], parallel: {context: 2}"),
            at + "has no costs for GPUs that share a sequence, which would cut its documents; parallel.context 1 would "
                 "do");
}
}  // namespace
}  // namespace moesim::training
