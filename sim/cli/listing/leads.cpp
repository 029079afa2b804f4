// What field lists leave open: keys whose values another reader takes, each with the section that describes them.
#include <algorithm>
#include <iterator>

#include "cli/listing/sections.h"

namespace moesim::cli {
namespace {
constexpr std::string_view kNameOrMap = "a name, a file, or a section", kKindOrMap = "a kind, or a section",
                           kStudy = "section", kEntryType = "what kind of entry the file is";

// clang-format off: one line a key
constexpr Lead kLeads[] = {
    {"scenario.model", "model", kNameOrMap, ""},
    {"scenario.cluster", "cluster", kNameOrMap, ""},
    {"scenario.routing", "routing", kKindOrMap, ""},
    {"scenario.placement", "placement", kKindOrMap, ""},
    {"scenario.network", "network", kKindOrMap, ""},
    {"scenario.kernels", "kernels", kKindOrMap, ""},
    {"scenario.place", "place", kStudy, ""},
    {"scenario.passes", "passes", kStudy, ""},
    {"scenario.training", "training", kStudy, ""},
    {"scenario.serving", "serving", kStudy, ""},
    {"passes.prefill.exchange", "exchange", kKindOrMap, ""},
    {"passes.decode.exchange", "exchange", kKindOrMap, ""},
    {"place.strategies", "strategy", "list of kinds or sections", ""},
    {"place.replica_choice", "replica_choice", kKindOrMap, ""},
    {"placement.strategy", "strategy", kKindOrMap, ""},
    {"placement.replica_choice", "replica_choice", kKindOrMap, ""},
    {"placement.planned_on.routing", "routing", kKindOrMap, ""},
    {"routing.others", "routing", kKindOrMap, ""},
    {"training.schedule", "schedule", kKindOrMap, ""},
    {"training.overlap", "overlap", "a word, or a section", ""},
    {"training.exchange", "exchange", kKindOrMap, ""},
    {"training.balance", "training.balance", "section", ""},
    {"training.lora", "training.lora", "section", ""},
    {"training.run", "training.run", "section", ""},
    {"training.rebalance.policy", "strategy", kKindOrMap, ""},
    {"training.rebalance.trigger", "trigger", kKindOrMap, ""},
    {"serving.workload", "workload", kKindOrMap, ""},
    {"serving.engine", "engine", "a name, or a file", ""},
    {"serving.balancer", "balancer", kKindOrMap, ""},
    {"serving.decode_balancer", "balancer", kKindOrMap, ""},
    {"serving.domains", "routing", "list of kinds or sections", ""},
    {"serving.rebalance.trigger", "trigger", kKindOrMap, ""},
    {"serving.pools.engine", "engine", "a name, or a file", ""},
    {"serving.pools.batcher", "batcher", kKindOrMap, ""},
    {"serving.pools.node", "node", kNameOrMap, ""},
    {"serving.pools.placement", "placement", kKindOrMap, ""},
    {"serving.pools.exchange", "exchange", kKindOrMap, ""},
    {"plan.model", "model", kNameOrMap, ""},
    {"plan.routing", "routing", kKindOrMap, ""},
    {"plan.size", "size", "section", ""},
    {"plan.kernels", "kernels", kKindOrMap, ""},
    {"plan.network", "network", kKindOrMap, ""},
    {"size.workload", "workload", kKindOrMap, ""},
    {"size.candidates.nodes", "size.nodes", "list of names or sections", ""},
    {"size.candidates.speculation", "serving.speculation", "section", ""},
    {"size.candidates.kv", "serving.pools.kv", "section", ""},
    {"size.candidates.precision", "serving.pools.precision", "section", ""},
    {"size.candidates.schedule", "schedule", "list of kinds or sections", ""},
    {"size.training.settings", "training", "section", ""},
    {"size.training.run", "training.run", "section", ""},
    {"size.nodes.node", "node", kNameOrMap, ""},
    {"sweep.vary.from", "", "number, or one with a unit", ""},
    {"sweep.vary.to", "", "number, or one with a unit", ""},
    {"sweep.vary.values", "", "list of numbers, words or maps", ""},
    {"sweep.seeds", "", "whole number, or list of them", ""},
    {"sweep.design", "design", kKindOrMap, "where on the axes the points are; default grid"},
    {"cluster.type", "", "word", kEntryType},
    {"cluster.node", "node", kNameOrMap, "of which the cluster is made"},
    {"cluster.fabric", "fabric", kNameOrMap, "what joins the nodes"},
    {"node.type", "", "word", kEntryType},
    {"node.gpu", "gpu", kNameOrMap, "of which the node has several"},
    {"gpu.type", "", "word", kEntryType},
    {"fabric.type", "", "word", kEntryType},
    {"engine.type", "", "word", kEntryType},
    {"network_calibration.type", "", "word", kEntryType},
    {"kernel_calibration.experts", "kernel_calibration.experts", "list of sections",
     "products of routed experts, by library and number format"},
    {"kernel_calibration.benchmarks", "kernel_calibration.benchmarks", "list of sections",
     "what the benchmarks of measured tables add to the kernels"},
    {"schedule_file.programs", "", "list of texts", ""},
    {"model.config", "", "section",
     "keys of a published config.json, as they stand there; the other keys of models are then not given"},
};
// clang-format on
}  // namespace

const std::vector<Lead>& leads() {
  static const std::vector<Lead> all(std::begin(kLeads), std::end(kLeads));
  return all;
}

const Lead* lead_of(std::string_view path) {
  const auto found = std::ranges::find(leads(), path, &Lead::path);
  return found == leads().end() ? nullptr : &*found;
}
}  // namespace moesim::cli
