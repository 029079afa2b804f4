#include "placing/workload.h"

#include <gtest/gtest.h>

#include "spec/catalogue.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::placing {
namespace {
Workload counted(const std::string& name, int layers, int experts, const std::string& file = "") {
  Workload out;
  out.name = name;
  out.file = file;
  std::vector<double> counts;
  for (int i = 0; i < layers * experts; ++i) counts.push_back(1 + i % 7);
  out.loads = placement::loads_of_matrix(name, layers, experts, std::move(counts));
  return out;
}

TEST(Workload, TakesRowsOfTheMoeLayersAloneAsThese) {
  const spec::Model v3 = spec::load_model("deepseek-v3");
  Workload w = counted("dump", 58, 256);
  EXPECT_EQ(fit_to_model(w, v3),
            std::vector<std::string>{"dump: its 58 rows are taken as the MoE layers 3 to 60 of deepseek-v3"});
  EXPECT_EQ(w.loads.layers, v3.moe_layers());
  EXPECT_EQ(fit_to_model(w, v3), std::vector<std::string>{}) << "once";
}

TEST(Workload, SaysWhichLayersOfTheModelItLacks) {
  const spec::Model qwen = spec::load_model("qwen3-235b-a22b");  // 94 layers, all with experts
  Workload w = counted("half", 47, 128);
  EXPECT_EQ(fit_to_model(w, qwen),
            std::vector<std::string>{"half: has no load in layers 47, 48, 49, 50, 51, 52, 53, 54 and 39 more of "
                                     "qwen3-235b-a22b, so that no expert is placed there"});
}

TEST(Workload, HoldsATraceAgainstTheModel) {
  const TemporaryFolder folder;
  const auto recorded = [&](const std::string& name, const std::string& model, int top_k) {
    routing::TraceHeader header;
    header.model = model;
    header.hidden_layers = 32;
    for (int l = 0; l < 32; ++l) header.layers.push_back(l);
    header.experts = 8;
    header.top_k = top_k;
    routing::TraceWriter writer(folder.file(name), header);
    std::vector<std::int16_t> experts;
    for (int l = 0; l < 32; ++l)
      for (int k = 0; k < top_k; ++k) experts.push_back(std::int16_t(k));
    writer.add(std::vector<routing::TraceToken>(1), experts);
    writer.finish();
    return read_workload(folder.file(name));
  };
  const spec::Model mixtral = spec::load_model("mixtral-8x7b");
  Workload same = recorded("same.db", mixtral.name, 2), other = recorded("other.db", "phi", 2),
           three = recorded("three.db", mixtral.name, 3);
  EXPECT_EQ(fit_to_model(same, mixtral), std::vector<std::string>{});
  EXPECT_EQ(fit_to_model(other, mixtral), std::vector<std::string>{"other: recorded from phi, taken as mixtral-8x7b"});
  EXPECT_EQ(test::refusal_of([&] { (void)fit_to_model(three, mixtral); }),
            "three: its tokens choose 3 experts, but those of mixtral-8x7b 2");
}

TEST(Workload, RefusesCountsOfAnotherModel) {
  const spec::Model v3 = spec::load_model("deepseek-v3");
  const auto refused = [&](int layers, int experts) {
    return test::refusal_of([&] {
      Workload w = counted("dump", layers, experts);
      (void)fit_to_model(w, v3);
    });
  };
  EXPECT_EQ(refused(58, 128), "dump: has 128 experts, but deepseek-v3 has 256");
  EXPECT_EQ(refused(61, 256),
            "dump: has load in layers 0, 1, 2, where deepseek-v3 has no experts (MoE layers 3 to 60)");
  EXPECT_EQ(refused(40, 256),
            "dump: has load in layers 0, 1, 2, where deepseek-v3 has no experts (MoE layers 3 to 60)");
}

TEST(Workload, LayersBehindTheLastAreThoseThatPredictFurtherTokens) {
  const spec::Model v3 = spec::load_model("deepseek-v3");
  const auto fits = [&](int layers) {
    return test::refusal_of([&] {
      Workload w = counted("dump", layers - 3, 256);
      for (int& layer : w.loads.layers) layer += 3;
      w.loads.hidden_layers = layers;
      (void)fit_to_model(w, v3);
    });
  };
  EXPECT_EQ(fits(62), "accepted");
  EXPECT_EQ(fits(63), "dump: has load in layer 62, where deepseek-v3 has no experts (MoE layers 3 to 60)");
}

TEST(Workload, OfUnlikeModelsAreToldByTheirExperts) {
  std::vector<Workload> planned{counted("eight", 3, 8), counted("nine", 3, 9)};
  planned[1].loads.layers = {7, 8, 9};
  EXPECT_EQ(test::refusal_of([&] { (void)keep_common_layers(planned, {}); }), "nine: has 9 experts, but eight has 8");
}

TEST(Workload, SaysThatManyRowsOfFewColumnsMayBeIds) {
  Workload w = counted("ids", 60, 3);
  EXPECT_TRUE(oddities(w).empty());
  w.file = "ids.npy";
  w.loads.hidden_layers = 60;
  EXPECT_EQ(oddities(w), std::vector<std::string>{"ids: taken as counts of 60 layers by 3 experts; ids that tokens "
                                                  "chose, [tokens, layers], are for moesim trace import"});
}

TEST(Workload, NamesLayersThatOneSideLacks) {
  const Workload three = counted("three", 3, 8), five = counted("five", 5, 8);
  const std::vector<Workload> both{three, five};
  EXPECT_EQ(test::refusal_of([&] { (void)mean_loads(both); }), "three: has no load in layers 3, 4, which five has");
  EXPECT_EQ(test::refusal_of([&] { (void)at_layers(three.loads, five.loads.layers, "three", "five"); }),
            "three: has no load in layers 3, 4, which five has");
  EXPECT_EQ(at_layers(five.loads, three.loads.layers, "five", "three").counts, three.loads.counts);
}

TEST(Workload, AreComparedInTheLayersThatAllHave) {
  std::vector<Workload> planned{counted("three", 3, 8), counted("five", 5, 8)}, scored{counted("four", 4, 8)};
  const std::vector<std::string> notes = keep_common_layers(planned, scored);
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_EQ(notes[0],
            "three: has no load in layers 3, 4: plans and figures are of the 3 layers that all have, and a plan that "
            "is written has no others");
  EXPECT_TRUE(notes[1].starts_with("four: has no load in layer 4: ")) << notes[1];
  for (const auto* list : {&planned, &scored})
    for (const Workload& w : *list) {
      EXPECT_EQ(w.loads.layers, (std::vector{0, 1, 2}));
      EXPECT_EQ(w.loads.counts.size(), 24u);
    }
  EXPECT_TRUE(keep_common_layers(planned, scored).empty());
  Workload elsewhere = counted("elsewhere", 2, 8);
  elsewhere.loads.layers = {7, 8};
  std::vector<Workload> apart{planned[0], elsewhere};
  EXPECT_EQ(
      test::refusal_of([&] { (void)keep_common_layers(apart, {}); }),
      "no layer has load in all of the files: three: has no load in layers 7, 8; elsewhere: has no load in layers "
      "0, 1, 2");
}

TEST(Workload, TellsFilesOfOneNameApart) {
  std::vector<Workload> planned{counted("loads", 1, 8, "a/loads.json"), counted("loads", 2, 8, "b/loads.json")};
  std::vector<Workload> scored{planned[0]};
  tell_apart(planned, scored);
  EXPECT_EQ(planned[0].name, "a/loads.json");
  EXPECT_EQ(planned[1].name, "b/loads.json");
  EXPECT_EQ(scored[0].name, "a/loads.json");
  std::vector<Workload> once{counted("loads", 1, 8, "a/loads.json")}, again = once;
  tell_apart(once, again);
  EXPECT_EQ(again[0].name, "loads") << "the same load keeps its name";
}
}  // namespace
}  // namespace moesim::placing
