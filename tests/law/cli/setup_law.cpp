// One question, one answer: passes, placing, serving, training and explain set a step up alike.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "cli/explaining/explain_input.h"
#include "formats/json.h"
#include "forward/setup.h"
#include "passes/passes.h"
#include "placing/place_times.h"
#include "runs/scenario.h"
#include "serving/deployment/pool_choices.h"
#include "spec/catalogue.h"
#include "support/command.h"
#include "support/temporary_folder.h"
#include "training/plan.h"

namespace moesim::cli {
namespace {
using compute::StepPhase;
using forward::StepSetup;

struct Pair {
  const char *model, *cluster;
};
const Pair kPairs[] = {{"deepseek-v3", "h800-32"},
                       {"deepseek-v3", "a100-64"},
                       {"deepseek-v2-lite", "h800-32"},
                       {"gpt-oss-120b", "h800-32"},
                       {"gpt-oss-120b", "b200-64"}};

std::string text(const compute::LayerOptions& o) {
  const compute::Precisions& p = o.precision;
  return fmt::format("{} {} {} {} {}; tensor {} x {}, sequence parallel {}; graphs {}; masked {}; training {}",
                     name_of(p.linear), name_of(p.attention), name_of(p.kv_cache), name_of(p.of_experts()),
                     name_of(p.stored_experts()), o.tensor, o.expert_tensor, o.sequence_parallel, o.graphs,
                     o.layout == compute::GroupLayout::masked, o.training);
}

void expect_same(const StepSetup& a, const StepSetup& b, const std::string& what) {
  EXPECT_EQ(text(a.options), text(b.options)) << what;
  EXPECT_EQ(a.any_layout, b.any_layout) << what;
  EXPECT_EQ(a.dispatch, b.dispatch) << what;
  EXPECT_EQ(a.combine, b.combine) << what;
  EXPECT_EQ(a.beside, b.beside) << what;
}

compute::LayerOptions explained(const Pair& pair, StepPhase phase) {
  ExplainOptions o;
  o.model = pair.model;
  o.gpu = spec::load_cluster(pair.cluster).node.gpu.name;
  o.phase = name_of(phase);
  return explain_subject(o).request.options;
}

TEST(SetupLaw, PassesPlaceAndExplainSetUpAlike) {
  for (const Pair& pair : kPairs)
    for (const StepPhase phase : {StepPhase::prefill, StepPhase::decode}) {
      const std::string what = fmt::format("{} on {}, {}", pair.model, pair.cluster, name_of(phase));
      const spec::Model model = spec::load_model(pair.model);
      const spec::Gpu gpu = spec::load_cluster(pair.cluster).node.gpu;
      StepSetup alone = passes::setup_of(passes::PassesShape{}, phase, model, gpu);
      alone.beside = {};  // a placement is timed without overlap
      expect_same(alone, placing::place_setup(model, gpu, phase), what);
      EXPECT_EQ(text(alone.options), text(explained(pair, phase))) << what;
    }
}

TEST(SetupLaw, APoolOfOnePhaseIsAsPasses) {
  for (const Pair& pair : kPairs)
    for (const StepPhase phase : {StepPhase::prefill, StepPhase::decode}) {
      const std::string what = fmt::format("{} on {}, {}", pair.model, pair.cluster, name_of(phase));
      const spec::Model model = spec::load_model(pair.model);
      const spec::Gpu gpu = spec::load_cluster(pair.cluster).node.gpu;
      // Passes overlap exchanges and replay decoding; a pool does so if told to.
      const Config pool =
          Config::from_text(fmt::format("{{role: {}, parallel: {{data: 32}}, graphs: {}, overlap: single_batch}}",
                                        name_of(phase), phase == StepPhase::decode),
                            "pool");
      const StepSetup served = serving::setup_of(pool, read<serving::PoolSection>(pool), model, gpu);
      expect_same(served, passes::setup_of(passes::PassesShape{}, phase, model, gpu), what);
      EXPECT_EQ(text(served.options), text(explained(pair, phase))) << what;
    }
}

TEST(SetupLaw, ATrainingPlanIsAsExplained) {
  for (const Pair& pair : kPairs) {
    const Config scenario = Config::from_text(
        fmt::format("{{model: {}, cluster: {}, training: {{sequence: 1024, batch: 64}}}}", pair.model, pair.cluster),
        "t");
    EXPECT_EQ(text(training::read_plan(scenario).setup.options), text(explained(pair, StepPhase::training)))
        << pair.model << " on " << pair.cluster;
  }
}

// What a GPU of a run computes before and beside the exchanges, which no routing changes.
TEST(SetupLaw, ExplainTimesWhatPassesRun) {
  const TemporaryFolder folder;
  const std::string file = folder.file("p.yaml");
  std::ofstream(file) << R"(
model: deepseek-v3
cluster: h800-32
routing: {kind: balanced}
passes:
  prefill: {steps: 1, sequences: 1, new_tokens: 1024}
  decode: {steps: 1, sequences: 32, context: 1024}
)";
  const runs::Scenario scenario = runs::load_scenario(file, {});
  results::Results results(":memory:", scenario.identity);
  results::SpanLog spans;
  runs::simulate(scenario, results, spans);
  for (const auto& [phase, sms] : {std::pair<std::string, std::string>("prefill", "112"), {"decode", "132"}}) {
    const formats::JsonValue json = formats::parse_json(
        run_command({"explain", file, "--phase", phase, "--layer", "5", "--sms", sms, "--json"}), "explain");
    std::map<std::string, double> seconds;
    for (const auto& o : json.at("operations")) seconds[o.at("part").get<std::string>()] += o.at("time").get<double>();
    EXPECT_NEAR(results.metric_value(phase + "_attention_time", "layer:5"), seconds["attention"] + seconds["gate"],
                1e-11)
        << phase;
    EXPECT_NEAR(results.metric_value(phase + "_shared_time", "layer:5"), seconds["shared"], 1e-11) << phase;
  }
}
}  // namespace
}  // namespace moesim::cli
