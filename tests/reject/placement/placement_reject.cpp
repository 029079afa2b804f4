// What is wrong with a placement file or problem, in the words the user sees.
#include <gtest/gtest.h>

#include "placement/files/formats.h"
#include "placement/rebalancing/rebalance.h"
#include "support/refusal.h"

namespace moesim::placement {
namespace {

std::string read_error(const std::string& text, const PlacementExpectation& expected = {.gpus = 2, .experts = 3}) {
  return test::refusal_of([&] { placement_from_text(text, "p", expected); });
}

TEST(PlacementReject, FilesThatAreNoPlacement) {
  EXPECT_EQ(read_error(" \n"), "p: is empty");
  EXPECT_EQ(read_error("{\"a\":"), "p: is not JSON: byte 6");
  EXPECT_EQ(read_error("{\"a\":1}"),
            "p: is no placement: expected the key \"layers\", \"physical_to_logical_map\" (SGLang) or \"layer_list\" "
            "(vLLM-Ascend)");
  EXPECT_EQ(
      read_error("a: 1"),
      "p: is no placement: expected JSON, CSV with the columns layer,gpu,slot,expert, or TensorRT-LLM's YAML with "
      "\"initial_global_assignments\"");
}

TEST(PlacementReject, MapsThatDoNotFit) {
  const auto sglang = [](const std::string& row) { return "{\"physical_to_logical_map\":[" + row + "]}"; };
  EXPECT_EQ(read_error(sglang("[0,1,2]")), "p: layer 0: 3 slots are no multiple of the 2 GPUs");
  EXPECT_EQ(read_error(sglang("[0,1,2,3]")), "p: layer 0, slot 3: expert 3 of 3");
  EXPECT_EQ(read_error(sglang("[0,1,1,0]")), "p: layer 0: expert 2 has no slot");
  EXPECT_EQ(read_error(sglang("[0,1,2,0],[0,1,2,0,1,2]")), "p: layer 1: 6 slots, but layer 0 has 4");
  EXPECT_EQ(read_error(sglang("[0,1,2,0.5]")), "p: layer 0: expected an integer, got 0.5");
  EXPECT_EQ(read_error(sglang("[0,1,2,99999999999]")), "p: layer 0: expected -1 to 1000000, got 99999999999");
  EXPECT_EQ(read_error(sglang("[0,1,2,0]"), {}), "p: does not say how many GPUs it is for");
  EXPECT_EQ(read_error(sglang("[0,1,2,0]"), {.gpus = 2, .experts = 3, .layers = {0, 1}}), "p: layer 1 is missing");
  EXPECT_EQ(read_error("{\"layers\":{\"3\":{\"slots\":[0,1,2]}},\"slots_per_gpu\":1}"), "p: is for 3 GPUs, not 2");
  EXPECT_EQ(read_error("{\"layers\":{\"3\":{\"slots\":[0,1,2]}}}"), "p: missing key \"slots_per_gpu\"");
  EXPECT_EQ(read_error("num_slots: 5\ninitial_global_assignments: {3: [0, 1, 2, 0]}"),
            "p: layer 3: 4 slots, but num_slots is 5");
  EXPECT_EQ(read_error("layer,gpu,slot,expert\n3,0,1,0\n"), "p:2: expected slot 0 of layer 3, got 1");
  EXPECT_EQ(read_error("layer,gpu,slot,expert\n3,0,0\n"), "p:2: expected 4 cells as in the header, got 3");
  EXPECT_EQ(read_error("layer,gpu,slot,expert\n3,0,0,0\n3,0,1,1\n3,0,2,2\n3,1,3,0\n"),
            "p: layer 3: slot 2 is on GPU 0, but every GPU has 2 consecutive slots");
  EXPECT_EQ(read_error("{\"layer_list\":[{\"layer_id\":0,\"device_list\":[{\"device_id\":2,\"device_expert\":[0]}]}]}"),
            "p: layer 0: device_id 2 of 1 devices");
  EXPECT_EQ(
      read_error(
          "{\"layer_list\":[{\"device_list\":[{\"device_expert\":[0]},{\"device_id\":0,\"device_expert\":[1]}]}]}"),
      "p: layer 0: device_id 0 appears twice");
}

TEST(PlacementReject, NumbersThatAreNoPlace) {
  const auto csv = [](const std::string& row) { return read_error("layer,gpu,slot,expert\n" + row + "\n"); };
  EXPECT_EQ(csv("0,-1,0,0"), "p:2: gpu: expected 0 to 1000000, got -1");
  EXPECT_EQ(csv("-1,0,0,0"), "p:2: layer: expected 0 to 1000000, got -1");
  EXPECT_EQ(csv("0,0,-1,0"), "p:2: slot: expected 0 to 1000000, got -1");
  EXPECT_EQ(csv("0,0,0,-2"), "p:2: expert: expected -1 to 1000000, got -2");
  EXPECT_EQ(csv("0,4294967297,0,0"), "p:2: gpu: expected 0 to 1000000, got 4294967297");
  EXPECT_EQ(read_error(",layer,gpu,slot,expert\n0,0,0,0,0\n"),
            "p:1: expected the columns layer,gpu,slot,expert, got ,layer,gpu,slot,expert");
  const std::string layer = "initial_global_assignments: {3: [0, 1, 2, 0]}";
  EXPECT_EQ(read_error("ep_size: -2\n" + layer), "p:1:10: ep_size: expected 1 to 1000000, got -2");
  EXPECT_EQ(read_error("num_slots: 0\n" + layer), "p:1:12: num_slots: expected 1 to 1000000, got 0");
  EXPECT_EQ(read_error("initial_global_assignments: {3: [0, 1, 2, -9]}"), "p: layer 3: expected -1 to 1000000, got -9");
  EXPECT_EQ(read_error("initial_global_assignments: {3: [0, 1, 2, 0], 03: [0, 1, 2, 0]}"), "p: layer 3 appears twice");
}

TEST(PlacementReject, ASmallFileThatAsksForManySlots) {
  std::string devices, experts = "0";
  for (int i = 1; i < 2000; ++i) {
    devices += ",{\"device_id\":" + std::to_string(i) + ",\"device_expert\":[]}";
    experts += "," + std::to_string(i % 3);
  }
  EXPECT_EQ(read_error("{\"layer_list\":[{\"layer_id\":0,\"device_list\":[{\"device_id\":0,\"device_expert\":[" +
                       experts + "]}" + devices + "]}]}"),
            "p: layer_list: a device has 2000 experts, but most of the 2000 have next to none");
}

TEST(PlacementReject, ProblemsWithoutASolution) {
  const auto error = [](const PlacementProblem& p) { return test::refusal_of([&] { checked(p, 8); }); };
  EXPECT_EQ(error({.gpus = 0}), "gpus: must be at least 1, got 0");
  EXPECT_EQ(error({.gpus = 1 << 20}), "gpus: must be at most 65536, got 1048576");
  EXPECT_EQ(error({.gpus = 4, .nodes = 3}), "nodes: must divide the 4 GPUs, got 3");
  EXPECT_EQ(error({.gpus = 4, .slots = 7}), "slots: must hold the 8 experts, got 7");
  EXPECT_EQ(error({.gpus = 4, .groups = 3}), "groups: must divide the 8 experts, got 3");
  EXPECT_EQ(error({.gpus = 2, .gpu_slots = {9, 1, 1}}), "gpu_slots: must list the 2 GPUs, got 3");
  EXPECT_EQ(error({.gpus = 2, .gpu_speed = {1, 0}}), "gpu_speed: must be positive, got 0");
  EXPECT_EQ(error({.gpus = 4, .nodes = 2, .groups = 1, .keep_groups = true}),
            "groups: must be a multiple of the 2 nodes to be kept there, got 1");
  EXPECT_EQ(error({.gpus = 2, .nodes = 2, .groups = 2, .keep_groups = true, .gpu_slots = {7, 3}}),
            "keep_groups: node 1 has 3 slots for the 4 experts of its groups");
}

TEST(PlacementReject, RebalancingThatMakesNoSense) {
  const auto error = [](const std::string& config) {
    return test::refusal_of([&] {
      const Config section = Config::from_text(config, "s");
      auto trigger = read_trigger(section);
      if (section.has("trigger")) return;
      section.placed([&] {
        Rebalancer(read<RebalanceParams>(section), std::move(trigger), placements().of_kind("eplb"),
                   checked({.gpus = 2}, 2), {0}, {{2, 2, 1, {0, 1}}}, {1});
      });
    });
  };
  EXPECT_EQ(error("window: 0"), "s:1:9: window: must be at least 1, got 0");
  EXPECT_EQ(error("layers_at_a_time: -1"), "s:1:19: layers_at_a_time: must not be negative, got -1");
  EXPECT_EQ(error("trigger: {kind: periodic, interval: 0}"), "s:1:37: trigger.interval: must be at least 1, got 0");
  EXPECT_EQ(error("trigger: {kind: threshold, below: 2}"), "s:1:35: trigger.below: must lie between 0 and 1, got 2");
  EXPECT_EQ(error("trigger: sometimes"),
            "s:1:10: trigger: no rebalance is called \"sometimes\"; there are: never, always, periodic, threshold");
}

TEST(PlacementReject, PoliciesWithoutWhatTheyNeed) {
  const Loads loads = loads_of_matrix("x", 1, 8, {1, 2, 3, 4, 5, 6, 7, 8});
  const auto error = [&](const char* kind, const PlacementProblem& p) {
    const Config config = Config::from_text(kind, "s");
    return test::refusal_of([&] { config.placed([&] { plan(*placements().make(config), {loads, p}); }); });
  };
  EXPECT_EQ(
      error("affinity", {.gpus = 4}),
      "s:1:1: affinity: needs a trace (routing: {trace: FILE} or {record: {text: [FILE]}}): loads alone do not say "
      "which experts are used together");
  EXPECT_EQ(error("eplb", {.gpus = 3, .slots = 8}), "s:1:1: slots must be a multiple of the 3 GPUs, got 8");
  EXPECT_EQ(error("eplb_hierarchical", {.gpus = 4, .nodes = 2}),
            "s:1:1: groups must be a multiple of the 2 nodes, got 1");
  EXPECT_EQ(error("{kind: local_search, start: local_search}", {.gpus = 4}), "s:1:29: start: cannot start from itself");
  EXPECT_EQ(error("{kind: local_search, start: gredy}", {.gpus = 4}),
            "s:1:29: start: no placement is called \"gredy\"; did you mean \"greedy\"?");
  EXPECT_EQ(error("{kind: joint, nodes: greedy}", {.gpus = 4}),
            "s:1:22: nodes: expected coactivation or affinity, got greedy");
  EXPECT_EQ(error("{kind: robust, common: 2}", {.gpus = 4}), "s:1:24: common: must lie between 0 and 1, got 2");
  EXPECT_EQ(error("{kind: joint, common: 2}", {.gpus = 4}), "s:1:23: common: must lie between 0 and 1, got 2");
  EXPECT_EQ(error("{kind: robust, drift: -1}", {.gpus = 4}), "s:1:23: drift: must lie between 0 and 10, got -1");
  EXPECT_EQ(error("{kind: robust, sweeps: -1}", {.gpus = 4}), "s:1:24: sweeps: must lie between 0 and 1000, got -1");
  EXPECT_EQ(error("{kind: robust, objective: best}", {.gpus = 4}),
            "s:1:27: objective: \"best\" is not known here; there are: mean, worst");
  EXPECT_EQ(test::refusal_of([&] {
              loads_of_matrix("f", 2, 2, {1, 2, -1, 3});
            }),
            "f: layer 1, expert 0: a count must be a number of at least 0, got -1");
  EXPECT_EQ(test::refusal_of([&] {
              loads_of_matrix("f", 1, 2, {0x1p53, 1e17});
            }),
            "f: layer 0, expert 1: a count must be at most 2^53, got 1e+17");
  EXPECT_EQ(test::refusal_of([&] { loads_of_matrix("f", 1, 2, {0, 0}); }), "f: every count is 0");
}
}  // namespace
}  // namespace moesim::placement
