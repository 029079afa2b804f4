// Every model of the catalogue can be priced, or a run refuses it as well.
#include <gtest/gtest.h>

#include <fstream>

#include "core/ceil_div.h"
#include "core/paths.h"
#include "results/span.h"
#include "serving/deployment/deployment.h"
#include "sizing/unit_model.h"
#include "spec/catalogue.h"
#include "support/temporary_folder.h"

namespace moesim::sizing {
namespace {
Plan plan_of(const TemporaryFolder& folder, const std::string& model) {
  const std::string file = folder.file("plan.yaml");
  std::ofstream(file) << "model: " << model
                      << "\nsize:\n  workload: {kind: poisson, rate: 1, input: {kind: fixed, mean: 200}, "
                         "output: {kind: fixed, mean: 20}}\n  targets: {ttft_p90: 2 s}\n"
                         "  candidates: {nodes: [{node: hgx-b300, nodes: 2}]}\n";
  return read_plan(file, {}, {});
}

/// Experts apart on two nodes, or a dense model on one.
PoolDesign design_of(const spec::Model& model) {
  PoolDesign d{.role = serving::Role::both};
  d.tensor = model.moe ? 1 : 8;
  d.data = model.moe ? 16 : 1;
  d.slots = model.moe ? ceil_div(model.moe->experts, 16) * 16 : 0;
  return d;
}

/// What a run of all the model's layers says of the design; "": it can run.
std::string refusal_of_run(const Plan& plan, const PoolDesign& design, SharedParts& shared) {
  const Deployment one{&plan.nodes[0], "sglang", {design}, {1}};
  const Config scenario = Config::from_text(scenario_text(plan, one, {.duration = 1_s}), plan.file);
  results::SpanLog spans;
  results::StudyRun run{scenario, plan.seed, shared.notes, spans};
  Engine engine;
  try {
    scenario.at("serving").placed([&] { return serving::build_deployment(run, engine, {}); });
  } catch (const ConfigError& e) {
    return e.problem();
  }
  return "";
}

TEST(EveryModel, CanBePricedOrIsRefusedByARunAsWell) {
  const TemporaryFolder folder;
  int models = 0, priced = 0;
  for (const std::string& name : catalogue_names("models")) {
    if (!spec::read_model(Config::from_text("model: " + name, "test").at("model")).can_run()) continue;
    ++models;
    const Plan plan = plan_of(folder, name);
    const PoolDesign design = design_of(plan.model);
    SharedParts shared;
    try {
      UnitModel model(plan, plan.nodes[0], "sglang", design, shared);
      EXPECT_GT(model.step(8, 200, 0, 0, serving::OverlapKind::none), 0) << name;
      ++priced;
    } catch (const ConfigError& e) {
      EXPECT_NE(refusal_of_run(plan, design, shared), "") << name << " runs, but: " << e.problem();
    }
  }
  EXPECT_GE(priced, models * 3 / 4) << "two nodes of the largest GPUs run most models";
}
}  // namespace
}  // namespace moesim::sizing
