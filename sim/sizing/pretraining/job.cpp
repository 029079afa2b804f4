#include "sizing/pretraining/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/paths.h"
#include "core/range.h"
#include "core/yaml_line.h"
#include "schedule/pipelines/pipeline.h"
#include "sizing/design.h"
#include "sizing/pretraining/mapping.h"
#include "sizing/shared_sections.h"
#include "spec/catalogue.h"

namespace moesim::sizing {
namespace {
constexpr int kMostDraws = 10'000;  // they tell a share of one in a hundred to a tenth of itself

/// What candidates vary, and where: it may not be settled as well.
constexpr std::pair<std::string_view, std::string_view> kVaried[] = {{"parallel", "tensor, pipeline, expert, ..."},
                                                                     {"schedule", "schedule"},
                                                                     {"recompute", "recompute"},
                                                                     {"micro_batch", "micro_batch"},
                                                                     {"gpus", "counts"},
                                                                     {"run", "training.run"}};

/// Values of a list that are in their range, each once: twice would tie with itself.
template <class T>
void check_once(const Config& at, std::string_view key, const std::vector<T>& values) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (const auto k = std::ranges::find(values, values[i]) - values.begin(); std::size_t(k) < i)
      at.fail_below(fmt::format("{}[{}]", key, i), fmt::format("is the same as {}[{}]", key, k));
}
void check_positive(const Config& at, std::string_view key, const std::vector<int>& values, int least = 1) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] < least)
      at.fail_below(fmt::format("{}[{}]", key, i), fmt::format("must be at least {}, got {}", least, values[i]));
  check_once(at, key, values);
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
  check_positive(at, "spare_nodes", c.spare_nodes, 0);
  check_once(at, "recompute", c.recompute);
  check_once(at, "schedule", job.schedules);
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

/// Numbers of GPUs that may be had.
std::vector<int> numbers_of_gpus(const Job& job) {
  std::vector<int> out;
  for (const PricedNode& node : job.nodes)
    for (const int nodes : node_counts(job, node)) out.push_back(nodes * job.used_of(node));
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(), out.end());
  return out;
}

/// Degrees that divide no number of GPUs that may be had.
void check_divide(const Config& at, const Job& job) {
  const JobCandidates& c = job.section.candidates;
  const std::vector<int> gpus = numbers_of_gpus(job);
  if (gpus.empty())
    at.fail_below("counts", fmt::format("none of these numbers of nodes has at most the {} GPUs of targets.gpus",
                                        job.section.targets.gpus));
  for (const auto& [key, degrees] : {std::pair("tensor", &c.tensor),
                                     {"context", &c.context},
                                     {"pipeline", &c.pipeline},
                                     {"expert", &c.expert},
                                     {"expert_tensor", &c.expert_tensor}})
    for (std::size_t i = 0; i < degrees->size(); ++i)
      if (std::ranges::none_of(gpus, [&](int n) { return n % (*degrees)[i] == 0; }))
        at.fail_below(fmt::format("{}[{}]", key, i),
                      fmt::format("divides no number of GPUs that may be had ({}), got {}", fmt::join(gpus, ", "),
                                  (*degrees)[i]));
}

void check_targets(const Config& at, const Job& job) {
  const JobTargets& t = job.section.targets;
  if (!(t.days >= 0)) at.fail_below("days", fmt::format("must not be negative, got {}", t.days));
  if (!(t.cost >= 0)) at.fail_below("cost", fmt::format("must not be negative, got {}", t.cost));
  if (t.gpus < 0) at.fail_below("gpus", fmt::format("must not be negative, got {}", t.gpus));
  if (!(t.share > 0 && t.share <= 1))
    at.fail_below("share", fmt::format("expected above 0 and at most 1, got {}", t.share));
  if (t.gpus == 0) return;
  const auto least = std::ranges::min_element(job.nodes, {}, [&](const PricedNode& n) { return job.used_of(n); });
  if (const int used = job.used_of(*least); used > t.gpus)
    at.fail_below("gpus", fmt::format("a node of {} has {} GPUs, got {}: write a node of {}, or give "
                                      "training.settings.gpus_per_node, where the others are paid for and stay idle",
                                      node_name(*least), used, t.gpus, t.gpus));
}

/// What is drawn of a run, and where nothing is.
void check_draws(const Config& size, const Job& job) {
  const Config search = size.at_or_empty("search"), targets = size.at_or_empty("targets");
  within(search, "draws", job.section.search.draws, 1, kMostDraws);
  for (const auto& [at, key] : {std::pair(&search, "draws"), {&targets, "share"}})
    if (!job.fails && at->has(key))
      at->at(key).fail("nothing that training.run says is drawn: give failures, or leave this out");
}

/// The whole run, as far as it is said.
void read_whole_run(const Config& training, const Config& candidates, Job& job) {
  const Config run = training.at_or_empty("run");
  job.whole_run = training.has("run");
  if (job.whole_run && run.has("tokens")) run.at("tokens").fail("is said already: training.tokens");
  job.campaign = training::read_run(run, job.section.training.tokens);
  const auto& failures = job.campaign.failures;
  job.fails = failures.gpu_mtbf_hours > 0 || failures.nic_mtbf_hours > 0 || failures.node_mtbf_hours > 0 ||
              job.campaign.stragglers.gpu_mtbf_hours > 0;
  const auto lines = [](const Config& map, TextMap& out) {
    for (const std::string& key : map.keys()) out.emplace_back(key, yaml_line(map.at(key)));
  };
  if (job.whole_run) {
    for (const std::string& key : run.keys()) {
      if (key == "checkpoint" || key == "failures")
        lines(run.at(key), key == "failures" ? job.failures : job.checkpoint);
      else
        job.run.emplace_back(key, yaml_line(run.at(key)));
    }
  }
  const auto says = [](const TextMap& map, std::string_view key) {
    return std::ranges::any_of(map, [&](const auto& line) { return line.first == key; });
  };
  job.free_interval = job.fails && job.campaign.checkpoint.pause > 0 && !says(job.checkpoint, "interval_hours");
  const bool said = says(job.failures, "spare_nodes");
  job.spares = job.section.candidates.spare_nodes;
  std::ranges::sort(job.spares);
  if (said && !job.spares.empty())
    candidates.at("spare_nodes").fail("is said already: training.run.failures.spare_nodes; leave one of the two out");
  if (!job.spares.empty() && !job.fails)
    candidates.at("spare_nodes")
        .fail("nothing that training.run says takes a spare node: give failures, or leave this out");
  if (said || !job.fails) job.spares = {failures.spare_nodes};
}

/// More tokens of a sequence than the model has positions: no layout helps.
void check_sequence(const Config& settings, const training::TrainingSection& section, const spec::Model& model) {
  if (section.sequence > model.max_positions && !section.extend_context)
    settings.fail_below("sequence",
                        fmt::format("{} has {} positions, got sequences of {}; extend_context true takes longer ones",
                                    model.name, model.max_positions, section.sequence));
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
  if (!(section.batch > 0 && section.sequence > 0)) settings.fail("batch and sequence must be above 0");
  check_sequence(settings, section, job.model);
  for (const std::string& key : settings.keys()) job.settings.emplace_back(key, yaml_line(settings.at(key)));
  const double tokens = job.section.training.tokens;
  if (!(tokens > 0)) training.fail_below("tokens", fmt::format("must be above 0, got {}", tokens));
  if (tokens > training::kMostTokens)
    training.fail_below("tokens", fmt::format("expected at most 10^15 tokens, got {}", tokens));
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
  read_whole_run(size.at("training"), candidates, job);
  check_targets(size.at_or_empty("targets"), job);
  check_draws(size, job);
  check_candidates(candidates, job);
  check_degrees(candidates, job);
  check_divide(candidates, job);
  return job;
}

double Job::steps() const { return std::ceil(section.training.tokens / step_tokens); }

double Job::least_steps() const {
  if (campaign.ramp.from <= 0) return steps();
  // The last batch of the ramp may go beyond its tokens.
  return std::max(0.0, std::floor((section.training.tokens - campaign.ramp.tokens) / step_tokens) - 1);
}

std::vector<KeyHelp> job_keys() { return keys_of<JobSection>(); }
}  // namespace moesim::sizing
