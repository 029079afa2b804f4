#include "placement/files/formats.h"

#include <gtest/gtest.h>

#include "../../law/placement/loads_for_tests.h"
#include "placement/files/recognise.h"

namespace moesim::placement {
namespace {

ModelPlacement example() {
  Loads loads = skewed_loads(4, 8, 1, 1);
  loads.layers = {3, 4, 5, 6};
  const PlacementProblem problem = checked({.gpus = 4, .nodes = 2, .slots = 12, .groups = 2}, 8);
  return {loads.layers, plan(*placements().make(Config::from_text("eplb", "test")), {loads, problem}), 8, 2, "eplb"};
}

TEST(Formats, EachReadsBackWhatItWrote) {
  const ModelPlacement written = example();
  for (const auto& [name, format] : enum_names(PlacementFormat{})) {
    SCOPED_TRACE(name);
    const ModelPlacement got =
        placement_from_text(placement_text(written, format), "file", {.gpus = 4, .experts = 8, .layers = {3, 4, 5, 6}});
    EXPECT_EQ(got.layers, written.layers);
    EXPECT_EQ(got.maps, written.maps);
    // What was read writes the same file again.
    ModelPlacement again = got;
    again.nodes = written.nodes;
    again.strategy = written.strategy;
    again.hidden_layers = written.hidden_layers;
    EXPECT_EQ(placement_text(again, format), placement_text(written, format));
  }
}

TEST(Formats, WriteWhatServingSystemsLoad) {
  // Two GPUs with two slots, three experts; layer 0 is dense.
  const ModelPlacement p{{1}, {{3, 2, 2, {2, 0, 1, 2}}}, 2, 1, "eplb"};
  EXPECT_EQ(placement_text(p, PlacementFormat::json),
            "{\"layers\":{\n\"1\":{\"slots\":[2,0,1,2]}},\n"
            "\"slots_per_gpu\":2,\"gpus\":2,\"experts\":3,\"nodes\":1,\"hidden_layers\":2,\"strategy\":\"eplb\"}\n");
  EXPECT_EQ(placement_text(p, PlacementFormat::csv), "layer,gpu,slot,expert\n1,0,0,2\n1,0,1,0\n1,1,2,1\n1,1,3,2\n");
  EXPECT_EQ(placement_text(p, PlacementFormat::sglang), "{\"physical_to_logical_map\":[\n[0,1,2,0],\n[2,0,1,2]]}\n");
  EXPECT_EQ(placement_text(p, PlacementFormat::tensorrt_llm),
            "num_slots: 4\nlayer_updates_per_iter: 0\ninitial_global_assignments:\n  1: [2, 0, 1, 2]\n");
  EXPECT_EQ(placement_text(p, PlacementFormat::vllm_ascend),
            "{\"moe_layer_count\":1,\"layer_list\":[\n{\"layer_id\":0,\"device_count\":2,\"device_list\":["
            "{\"device_id\":0,\"device_expert\":[2,0]},{\"device_id\":1,\"device_expert\":[1,2]}]}]}\n");
}

TEST(Formats, CountDevicesAndLayersWithoutIdsInTheirOrder) {
  const std::string text =
      R"({"moe_layer_count":2,"layer_list":[
          {"layer_id":0,"device_list":[{"device_id":0,"device_expert":[0,1]},{"device_id":1,"device_expert":[2,3]}]},
          {"device_list":[{"device_expert":[0,2]},{"device_expert":[1,3]}]}]})";
  const ModelPlacement got = placement_from_text(text, "file");
  EXPECT_EQ(got.layers, (std::vector{0, 1}));
  EXPECT_EQ(got.maps[0].slot_to_expert, (std::vector{0, 1, 2, 3}));
  EXPECT_EQ(got.maps[1].slot_to_expert, (std::vector{0, 2, 1, 3}));
}

TEST(Formats, AreToldFromOtherFilesByTheirBeginning) {
  for (const auto& [name, format] : enum_names(PlacementFormat{}))
    EXPECT_TRUE(looks_like_placement(placement_text(example(), format))) << name;
  EXPECT_FALSE(looks_like_placement(""));
  EXPECT_FALSE(looks_like_placement("[[1,2],[3,4]]"));
  EXPECT_FALSE(looks_like_placement("layer,e0,e1\n0,3,4\n"));
  EXPECT_TRUE(looks_like_placement("\n\n,layer,gpu,slot,expert\n0,0,0,0,1\n"));
  EXPECT_FALSE(looks_like_placement(std::string(99, '\n') + "0,3,4\n,layer,gpu,slot,expert\n"))
      << "no heading, but the line after it";
  EXPECT_FALSE(looks_like_placement(R"({"logical_count":[[1]],"physical_to_logical_map":[[0]]})"))
      << "counts under one";
}

TEST(Formats, KeepEmptySlotsWhereTheFormatCan) {
  const ModelPlacement p{{0}, {{3, 2, 2, {0, 1, 2, -1}}}, 1, 1, ""};
  for (const PlacementFormat format : {PlacementFormat::json, PlacementFormat::csv, PlacementFormat::vllm_ascend})
    EXPECT_EQ(placement_from_text(placement_text(p, format), "file", {.gpus = 2, .layers = {0}}).maps, p.maps);
  for (const PlacementFormat format : {PlacementFormat::sglang, PlacementFormat::tensorrt_llm})
    EXPECT_THROW(placement_text(p, format), ConfigError);
}

TEST(Formats, LeaveOutLayersNobodyAskedFor) {
  const ModelPlacement got = placement_from_text("{\"physical_to_logical_map\":[[0,0],[1,0]]}", "file",
                                                 {.gpus = 2, .experts = 2, .layers = {1}});
  EXPECT_EQ(got.layers, std::vector{1});
  EXPECT_EQ(got.maps[0].slot_to_expert, (std::vector{1, 0}));
}
}  // namespace
}  // namespace moesim::placement
