// `moesim schedule --from`: stages of a scenario whose times are a few products at 10^12 FLOPs a second.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "support/command.h"
#include "support/temporary_folder.h"
#include "support/text.h"

namespace moesim::cli {
namespace {
/// One layer of Llama-2-7B computes 209 ms forward and 420 ms backward, its head 134 ms and 268 ms.
std::string scenario(int layers, int gpus, const std::string& training) {
  return fmt::format(
      "model: {{extends: llama-2-7b, layers: {}}}\ncluster:\n  nodes: 1\n  node: {{gpus: {}, nics: 1, nic: 400 Gbps, "
      "gpu: {{generation: hopper, sms: 2, memory: 1000 GiB, memory_bandwidth: 1000000000 TB/s, bf16: 1 TFLOP/s, fp8: "
      "2 TFLOP/s, nvlink: 1000000000 GB/s, power: 500 W, price: 2 USD/h}}}}\n  fabric: {{kind: rail_leaf_spine, "
      "same_leaf_latency: 0 s, cross_leaf_latency: 0 s, nvlink_latency: 0 s}}\nkernels: roofline\nnetwork: {{kind: "
      "bottleneck, calibration: none}}\ntraining: {{precision: {{linear: bf16}}, operator_time: 0 s, "
      "communication_sms: 1, sequence: 512, batch: 4, {}}}\n",
      layers, gpus, training);
}
/// What is printed of a schedule at the scenario's times, runs of spaces as one.
std::string printed(const TemporaryFolder& folder, const std::string& text, std::vector<std::string> words) {
  words.insert(words.begin(), {"schedule"});
  words.insert(words.end(), {"--from", folder.write("s.yaml", text)});
  std::string out;
  for (const char c : run_command(words))
    if (c != ' ' || !out.ends_with(' ')) out += c;
  return out;
}
using test::has;
constexpr const char* kBalanced = "layers of each stage: balanced by their time";

TEST(ScheduleFrom, StagesHaveTheScenariosLayersAndTimes) {
  const TemporaryFolder folder;
  const std::string out = printed(folder, scenario(4, 2, "layers: [3, 1], parallel: {pipeline: 2}"), {"1f1b"});
  EXPECT_TRUE(has(out, "1f1b for ")) << out;
  EXPECT_TRUE(has(out, "2 stages on 2 ranks, 4 micro-batches")) << out;
  EXPECT_TRUE(has(out, "0 3 628 ms - - 1.26 s -")) << out;
  EXPECT_TRUE(has(out, "1 1 344 ms - - 688 ms -")) << out;
  EXPECT_FALSE(has(out, kBalanced)) << out;
}

TEST(ScheduleFrom, LayersForAnotherNumberOfStagesAreLeftOutAndSaidSo) {
  const TemporaryFolder folder;
  const std::string out =
      printed(folder, scenario(4, 2, "layers: [3, 1], parallel: {pipeline: 2}"), {"interleaved_1f1b", "--chunks", "2"});
  EXPECT_TRUE(has(out, "4 stages on 2 ranks")) << out;
  EXPECT_TRUE(has(out, kBalanced)) << out;
}

TEST(ScheduleFrom, WithoutAPipelineThereIsOneStage) {
  const TemporaryFolder folder;
  const std::string out = printed(folder, scenario(1, 1, "layers: [1]"), {"1f1b"});
  EXPECT_TRUE(has(out, "1 stages on 1 ranks")) << out;
  EXPECT_FALSE(has(out, kBalanced)) << out;
}

TEST(ScheduleFrom, APictureIsMadeWhereItIsAskedFor) {
  const TemporaryFolder folder;
  const std::string text = scenario(2, 2, "layers: [1, 1], parallel: {pipeline: 2}");
  (void)printed(folder, text, {"1f1b"});
  EXPECT_FALSE(std::filesystem::exists(folder.file("s.svg")));
  (void)printed(folder, text, {"1f1b", "--svg", folder.file("s.svg")});
  EXPECT_TRUE(std::filesystem::exists(folder.file("s.svg")));
}
}  // namespace
}  // namespace moesim::cli
