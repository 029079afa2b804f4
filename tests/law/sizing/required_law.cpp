// Checks that a plan requires make its answer's exit code.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "law/sizing/small_plans.h"
#include "sizing/size.h"

namespace moesim::sizing {
namespace {
std::string changed(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

/// One kind of node, one of it: without it nobody is served.
TEST(Required, ChecksThatAreMissedAreNoSuccessThoughThereIsAnAnswer) {
  const TemporaryFolder folder;
  std::string text = changed(small_plan(2), "nodes: [{node: hgx-h100, nodes: 2}, {node: hgx-h200, nodes: 2}]",
                             "nodes: [{node: hgx-h200, nodes: 1}]");
  text = changed(text, "tensor: [1, 2]\n    data: [1, 4, 8]", "tensor: [1]\n    data: [8]");
  for (const bool required : {false, true}) {
    SizeOptions options;
    options.plan = folder.file("plan.yaml");
    options.jobs = 2, options.json = true;
    put_file(options.plan, text + (required ? "  confirm: {required: [bursts, node_loss]}\n" : ""));
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    EXPECT_EQ(size(options), required ? 1 : 0);
    const std::string said = testing::internal::GetCapturedStderr();
    const auto answer = nlohmann::json::parse(testing::internal::GetCapturedStdout());
    EXPECT_TRUE(answer["met"]);
    EXPECT_EQ(answer["answer"]["not_held"][0], "a node lost (it is the only node)");
    EXPECT_EQ(answer["answer"]["required_missed"].size(), required ? 1u : 0u);
    EXPECT_EQ(
        said.find("required and not held: node_loss: a node lost, no spare: it is the only node") != std::string::npos,
        required)
        << said;
  }
}
}  // namespace
}  // namespace moesim::sizing
