#include "sizing/pretraining/job.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/paths.h"
#include "core/yaml_line.h"
#include "schedule/pipelines/pipeline.h"
#include "sizing/shared_sections.h"
#include "spec/catalogue.h"
#include "training/campaign.h"

namespace moesim::sizing {
namespace {
/// What candidates vary, and where: it may not be settled as well.
constexpr std::pair<std::string_view, std::string_view> kVaried[] = {{"parallel", "tensor, pipeline, expert, ..."},
                                                                     {"schedule", "schedule"},
                                                                     {"recompute", "recompute"},
                                                                     {"micro_batch", "micro_batch"},
                                                                     {"gpus", "counts"},
                                                                     {"run", "training.run"}};

void check_positive(const Config& at, std::string_view key, const std::vector<int>& values, int least = 1) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] < least)
      at.fail_below(fmt::format("{}[{}]", key, i), fmt::format("must be at least {}, got {}", least, values[i]));
}

void check_candidates(const Config& at, const Job& job) {
  const JobCandidates& c = job.section.candidates;
  if (c.nodes.empty()) at.at("nodes").fail("expected at least one kind of node");
  check_positive(at, "counts", c.counts);
  check_positive(at, "tensor", c.tensor);
  check_positive(at, "context", c.context);
  check_positive(at, "pipeline", c.pipeline);
  check_positive(at, "expert", c.expert);
  check_positive(at, "expert_tensor", c.expert_tensor);
  check_positive(at, "micro_batch", c.micro_batch);
  check_positive(at, "zero", c.zero, 0);
  for (std::size_t i = 0; i < c.zero.size(); ++i)
    if (c.zero[i] > 3) at.fail_below(fmt::format("zero[{}]", i), fmt::format("must be 0 to 3, got {}", c.zero[i]));
  for (const auto& [key, empty] :
       {std::pair("zero", c.zero.empty()), {"micro_batch", c.micro_batch.empty()}, {"recompute", c.recompute.empty()}})
    if (empty) at.at(key).fail("expected at least one");
  for (std::size_t i = 0; i < c.counts.size(); ++i)
    if (std::ranges::none_of(job.nodes, [&](const PricedNode& n) { return n.choice.most >= c.counts[i]; }))
      at.fail_below(fmt::format("counts[{}]", i), fmt::format("of no kind of node are there {}", c.counts[i]));
}

/// Degrees that no layout of this model can have.
void check_degrees(const Config& at, const Job& job) {
  const JobCandidates& c = job.section.candidates;
  const spec::Model& m = job.model;
  const auto refuse = [&](std::string_view key, std::size_t i, const std::string& why) {
    at.fail_below(fmt::format("{}[{}]", key, i), why);
  };
  for (std::size_t i = 0; i < c.tensor.size(); ++i)
    if (m.attention.heads % c.tensor[i] != 0)
      refuse("tensor", i,
             fmt::format("must divide the {} attention heads of {}, got {}", m.attention.heads, m.name, c.tensor[i]));
  for (std::size_t i = 0; i < c.expert.size(); ++i)
    if (!m.moe ? c.expert[i] > 1 : m.moe->experts % c.expert[i] != 0)
      refuse("expert", i,
             m.moe ? fmt::format("must divide the {} experts of {}, got {}", m.moe->experts, m.name, c.expert[i])
                   : fmt::format("{} is a dense model: only 1 is possible, got {}", m.name, c.expert[i]));
  for (std::size_t i = 0; i < c.pipeline.size(); ++i)
    if (c.pipeline[i] > m.layers)
      refuse("pipeline", i, fmt::format("{} has {} layers, got {} stages", m.name, m.layers, c.pipeline[i]));
}

void check_targets(const Config& at, const JobTargets& t) {
  if (!(t.days >= 0)) at.fail_below("days", fmt::format("must not be negative, got {}", t.days));
  if (!(t.cost >= 0)) at.fail_below("cost", fmt::format("must not be negative, got {}", t.cost));
  if (t.gpus < 0) at.fail_below("gpus", fmt::format("must not be negative, got {}", t.gpus));
}

void read_settings(const Config& training, Job& job) {
  const Config settings = training.at("settings");
  for (const auto& [key, instead] : kVaried)
    if (settings.has(key)) settings.at(key).fail(fmt::format("is what candidates differ in: give {}", instead));
  const auto section = read<training::TrainingSection>(settings);
  (void)training::adapters_of(settings, job.model);
  job.batch = section.batch;
  job.used_of_node = section.gpus_per_node;
  job.step_tokens = double(section.batch) * section.sequence;
  if (!(job.step_tokens > 0)) settings.fail("batch and sequence must be above 0");
  for (const std::string& key : settings.keys()) job.settings.emplace_back(key, yaml_line(settings.at(key)));
  if (!(job.section.training.tokens > 0))
    training.fail_below("tokens", fmt::format("must be above 0, got {}", job.section.training.tokens));
  if (!training.has("run")) return;
  const Config run = training.at("run");
  if (run.has("tokens")) run.at("tokens").fail("is said already: training.tokens");
  const auto failures = training::read_run(run, job.section.training.tokens).failures;
  job.spare_nodes = failures.spare_nodes;
  job.fails = failures.gpu_mtbf_hours > 0 || failures.nic_mtbf_hours > 0 || failures.node_mtbf_hours > 0;
  for (const std::string& key : run.keys()) job.run_text += fmt::format(", {}: {}", key, yaml_line(run.at(key)));
}
}  // namespace

Job read_job(PlanHead head) {
  Job job;
  static_cast<PlanHead&>(job) = std::move(head);
  const Config& top = job.config;
  const Config size = top.at("size"), candidates = size.at("candidates");
  size.parse(job.section);
  if (job.network_text.empty()) job.network_text = "bottleneck";
  for (const Config& item : job.section.candidates.nodes) job.nodes.push_back(read_priced_node(item));
  check_shared_sections(job, job.nodes);
  check_different_nodes(candidates, job.nodes);
  for (const Config& item : job.section.candidates.schedule) {
    (void)schedule::pipeline_schedules().make(item);  // a wrong name or parameter is found now
    job.schedules.push_back(yaml_line(item));
  }
  read_settings(size.at("training"), job);
  check_targets(size.at_or_empty("targets"), job.section.targets);
  check_candidates(candidates, job);
  check_degrees(candidates, job);
  return job;
}

std::vector<KeyHelp> job_keys() { return keys_of<JobSection>(); }
}  // namespace moesim::sizing
