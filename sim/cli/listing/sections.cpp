#include "cli/listing/sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "compute/fitting/tables.h"
#include "compute/kernels/calibration.h"
#include "forward/engine.h"
#include "network/calibration.h"
#include "placement/section.h"
#include "recording/recorded_routing.h"
#include "routing/traffic_kinds.h"
#include "runs/scenario.h"
#include "runs/studies.h"
#include "runs/sweeping/section.h"
#include "schedule/executor/block.h"
#include "schedule/pipelines/pipeline.h"
#include "sizing/plan.h"
#include "sizing/pretraining/job.h"
#include "spec/hardware.h"
#include "spec/keys.h"
#include "spec/scale.h"
#include "training/balance.h"
#include "training/campaign.h"

namespace moesim::cli {
namespace {
Section plain(std::string name, std::string summary, std::vector<KeyHelp> keys) {
  return {std::move(name), std::move(summary), {{"", "", std::move(keys)}}};
}

/// A family under the name of the section that picks from it.
Section of_family(std::string name, std::string summary, std::string_view family) {
  Section out{std::move(name), std::move(summary), {}};
  KeyHelp kind{"kind", "word", "", {}, "", true, "which of them; alone it may stand in place of the section", {}};
  for (const FamilyHelp& f : families()) {
    if (f.name != family) continue;
    for (const FamilyHelp::Entry& e : f.entries) kind.words.emplace_back(e.kind);
    out.forms.push_back({"", "", {std::move(kind)}});
    for (const FamilyHelp::Entry& e : f.entries)
      out.forms.push_back({std::string(e.kind), std::string(e.summary), e.keys()});
    return out;
  }
  throw std::logic_error(fmt::format("there is no family \"{}\"", family));
}

std::vector<KeyHelp> joined(std::initializer_list<std::vector<KeyHelp>> parts) {
  std::vector<KeyHelp> out;
  for (const std::vector<KeyHelp>& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}
KeyHelp text_key(std::string name, std::string help) { return {std::move(name), "text", "", {}, "", false, help, {}}; }
KeyHelp section_key(std::string name, std::string help, std::vector<KeyHelp> keys) {
  return {std::move(name), "section", "", {}, "", false, std::move(help), std::move(keys)};
}
/// What every entry of a catalogue may begin with.
KeyHelp extends() { return text_key("extends", "another entry, whose values hold where this one gives none"); }

Section routing_section() {
  Section out = of_family("routing", "which experts tokens choose", routing::traffics().name());
  std::vector<KeyHelp> recorded = keys_of<routing::TraceTrafficParams>();
  recorded.front().name = "trace";
  recorded.push_back(
      section_key("record", "text that is recorded first, in place of a trace", keys_of<recording::RecordSection>()));
  for (KeyHelp& k : recorded) k.required = false;
  out.forms.insert(out.forms.begin() + 1, {"", "recorded routing, without a kind: trace or record", recorded});
  return out;
}

Section model_section() {
  Section out{"model", "a model: in a scenario, and a file of models/", {}};
  const KeyHelp scale = section_key("scale", "narrower copies of it, for laptops", keys_of<spec::Scale>());
  out.forms.push_back(
      {"", "an entry named, and narrowed", {text_key("name", "an entry of models/, a file, or a config.json"), scale}});
  out.forms.push_back({"", "written out", joined({{extends()}, keys_of<spec::Model>(), {scale}})});
  KeyHelp config{"config", "any", "", {}, "", false, "", {}};
  out.forms.push_back({"", "a release, as its config.json says", joined({{extends(), config}, spec::release_keys()})});
  return out;
}

std::vector<Section> of_scenarios() {
  std::vector<Section> out;
  std::vector<KeyHelp> top = runs::scenario_keys();
  for (const runs::StudyEntry& study : runs::studies())  // their keys are in sections of their own
    top.push_back(section_key(std::string(study.section), std::string(study.summary), {}));
  out.push_back(plain("scenario", "top level of a scenario (moesim run), which has the section of one study", top));
  for (const runs::StudyEntry& study : runs::studies())
    out.push_back(plain(std::string(study.section), std::string(study.summary), study.keys()));
  out.push_back(plain("training.balance", "bias balancing of the gate before the step that is simulated",
                      keys_of<training::BalanceSection>()));
  out.push_back(plain("training.lora", "low-rank adapters in place of the weights", training::lora_keys()));
  out.push_back(plain("training.run", "a whole training run", keys_of<training::CampaignSection>()));
  out.push_back(plain("overlap", "how a forward and a backward block share a GPU: auto, dualpipe, none, or these lists",
                      schedule::overlap_keys()));
  out.push_back(routing_section());
  out.push_back(plain("placement", "which experts sit where", keys_of<placement::PlacementSection>()));
  out.push_back(of_family("strategy", "kinds of placement", "placement"));
  out.push_back(of_family("replica_choice", "which copy of an expert computes a source's rows", "replica choice"));
  out.push_back(of_family("trigger", "when experts are placed anew", "rebalance"));
  out.push_back(of_family("exchange", "kernels of dispatch and combine", "exchange"));
  out.push_back(of_family("network", "how links are shared", "network"));
  out.push_back(of_family("kernels", "how long kernels take", "kernels"));
  out.push_back(of_family("schedule", "pipeline schedules", "schedule"));
  out.push_back(
      plain("schedule_file", "a schedule of one's own: the file of {kind: file}", schedule::schedule_file_keys()));
  out.push_back(of_family("workload", "where requests come from", "workload"));
  out.push_back(of_family("batcher", "what a rank computes in a step", "batcher"));
  out.push_back(of_family("balancer", "which rank a request goes to", "balancer"));
  return out;
}

std::vector<Section> of_plans_and_sweeps() {
  std::vector<Section> out;
  out.push_back(plain("plan", "top level of a plan (moesim size)", sizing::plan_keys()));
  out.push_back({"size",
                 "what must hold, and what may be bought",
                 {{"", "of a service", sizing::size_keys()}, {"", "of a training run", sizing::job_keys()}}});
  out.push_back(plain("size.nodes", "nodes that may be had, and what they cost", keys_of<sizing::NodeChoice>()));
  out.push_back(plain("sweep", "top level of a sweep (moesim sweep)", runs::sweep_keys()));
  out.push_back(of_family("design", "where a sweep has its points", "sweep design"));
  return out;
}

std::vector<Section> of_catalogues() {
  std::vector<Section> out;
  out.push_back(model_section());
  const auto entry = [&](std::string name, std::string summary, std::vector<KeyHelp> keys) {
    out.push_back(plain(std::move(name), std::move(summary), joined({{extends()}, std::move(keys)})));
  };
  entry("cluster", "a cluster: in a scenario, and a file of hardware/", spec::cluster_keys());
  entry("node", "a node of a cluster, likewise", keys_of<spec::Node>());
  entry("gpu", "a GPU of a node, likewise", keys_of<spec::Gpu>());
  entry("fabric", "what joins the nodes, likewise", keys_of<spec::Fabric>());
  entry("engine", "an inference engine: a file hardware/engine-NAME.yaml", keys_of<forward::Engine>());
  entry("network_calibration", "software costs of a network: a file hardware/network-NAME.yaml",
        keys_of<network::NetworkCalibration>());
  out.push_back(plain("kernel_calibration", "kernels of a GPU generation: a file hardware/kernels-GENERATION.yaml",
                      keys_of<compute::Calibration>()));
  out.push_back(plain("kernel_calibration.experts", "products of routed experts", keys_of<compute::ExpertEquation>()));
  out.push_back(plain("kernel_calibration.benchmarks", "what the benchmark of a table of measurements adds",
                      keys_of<compute::Benchmark>()));
  return out;
}

/// The help of keys that their field list only lets pass.
void add_skipped_help(std::vector<Section>& all) {
  for (Section& section : all)
    for (Form& form : section.forms)
      for (KeyHelp& key : form.keys)
        if (const Lead* lead = key.help.empty() ? lead_of(section.name + "." + key.name) : nullptr)
          key.help = lead->help;
}
}  // namespace

const std::vector<Section>& sections() {
  static const std::vector<Section> all = [] {
    std::vector<Section> out;
    for (auto* part : {of_scenarios, of_plans_and_sweeps, of_catalogues})
      for (Section& section : part()) out.push_back(std::move(section));
    add_skipped_help(out);
    return out;
  }();
  return all;
}

const Section* section_called(std::string_view name) {
  const auto found = std::ranges::find(sections(), name, &Section::name);
  return found == sections().end() ? nullptr : &*found;
}
}  // namespace moesim::cli
