#include "sizing/pretraining/mapping.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/yaml_line.h"

namespace moesim::sizing {
namespace {
std::vector<int> powers_of_two(int most) {
  std::vector<int> out;
  for (int n = 1; n <= most; n *= 2) out.push_back(n);
  return out;
}

template <class Keep>
std::vector<int> or_powers(const std::vector<int>& asked, int most, const Keep& keep) {
  if (!asked.empty()) return asked;
  std::vector<int> out = powers_of_two(most);
  std::erase_if(out, [&](int n) { return !keep(n); });
  return out;
}

/// The parts that a schedule is left to: none without a pipeline.
std::vector<std::string> schedules(const Job& job, int pipeline) {
  if (pipeline == 1) return {"1f1b"};
  if (!job.schedules.empty()) return job.schedules;
  return {"1f1b", "{kind: interleaved_1f1b, chunks: 2}", "dualpipe"};
}

/// Degrees of the dense part and of the experts, on so many nodes.
std::vector<Mapping> degrees(const Job& job, const PricedNode& node, int nodes) {
  const JobCandidates& c = job.section.candidates;
  const int per_node = job.used_of(node), heads = job.model.attention.heads;
  const int experts = job.model.moe ? job.model.moe->experts : 1;
  const auto any = [](int) { return true; };
  std::vector<Mapping> out;
  for (const int tensor : or_powers(c.tensor, per_node, [&](int t) { return heads % t == 0; }))
    for (const int context : or_powers(c.context, 1, any))
      for (const int pipeline : or_powers(c.pipeline, 32, any))
        for (const int expert : or_powers(c.expert, experts, [&](int e) { return experts % e == 0; }))
          for (const int expert_tensor : or_powers(c.expert_tensor, 1, any)) {
            Mapping m{.node = &node,
                      .used_of_node = job.used_of(node),
                      .nodes = nodes,
                      .tensor = tensor,
                      .context = context,
                      .pipeline = pipeline,
                      .expert = expert,
                      .expert_tensor = expert_tensor};
            out.push_back(std::move(m));
          }
  return out;
}
}  // namespace

std::vector<int> node_counts(const Job& job, const PricedNode& node) {
  const auto allowed = [&](int n) {
    const int most = job.section.targets.gpus;
    return n >= 1 && n <= node.choice.most && (most == 0 || n * job.used_of(node) <= most);
  };
  std::vector<int> out = job.section.candidates.counts;
  if (out.empty()) {
    int most = node.choice.most;
    if (const int gpus = job.section.targets.gpus; gpus > 0) most = std::min(most, gpus / job.used_of(node));
    for (const int part : {1, 2, 4, 8}) {
      if (most % part == 0) out.push_back(most / part);
      // Of 5 or 264 nodes no such part may divide a batch.
      if (const int two = int(std::bit_floor(unsigned(std::max(most, 1)))) / part; two >= 1) out.push_back(two);
    }
    std::ranges::sort(out, std::ranges::greater{});
    out.erase(std::ranges::unique(out).begin(), out.end());
  }
  std::erase_if(out, [&](int n) { return !allowed(n); });
  return out;
}

bool divides(const Job& job, const Mapping& m) {
  const int gpus = m.gpus(), stage = gpus / m.pipeline;
  return gpus % (m.tensor * m.context * m.pipeline) == 0 && stage % (m.expert * m.expert_tensor) == 0 &&
         m.pipeline <= job.model.layers && job.batch % (std::int64_t(m.data()) * m.micro_batch) == 0;
}

std::string text_of(const Mapping& m) {
  std::string out = fmt::format("TP{} PP{}", m.tensor, m.pipeline);
  if (m.context > 1) out += fmt::format(" CP{}", m.context);
  if (m.expert > 1) out += fmt::format(" EP{}", m.expert);
  if (m.expert_tensor > 1) out += fmt::format(" ETP{}", m.expert_tensor);
  out += fmt::format(" DP{}", m.data());
  if (m.zero != 1) out += fmt::format(" ZeRO{}", m.zero);
  if (m.micro_batch > 1) out += fmt::format(", micro-batch {}", m.micro_batch);
  if (m.pipeline > 1) out += ", " + m.schedule;
  if (m.recompute != training::RecomputeKind::none) out += fmt::format(", recompute {}", name_of(m.recompute));
  return out;
}

std::string scenario_text(const Job& job, const Mapping& m) {
  std::string out = fmt::format("title: {}\nmodel: {}\n", yaml_scalar(job.title.empty() ? job.model.name : job.title),
                                job.model_text);
  out += fmt::format("cluster: {{node: {}, nodes: {}, fabric: {}}}\n", m.node->text, m.nodes, m.node->choice.fabric);
  for (const auto& [key, line] :
       {std::pair("kernels", &job.kernels_text), {"network", &job.network_text}, {"routing", &job.routing_text}})
    if (!line->empty()) out += fmt::format("{}: {}\n", key, *line);
  out += fmt::format("seed: {}\ntraining:\n", job.seed);
  for (const auto& [key, line] : job.settings) out += fmt::format("  {}: {}\n", key, line);
  out += fmt::format(
      "  micro_batch: {}\n  parallel: {{tensor: {}, context: {}, pipeline: {}, expert: {}, expert_tensor: {}, zero: "
      "{}}}\n  schedule: {}\n  recompute: {}\n",
      m.micro_batch, m.tensor, m.context, m.pipeline, m.expert, m.expert_tensor, m.zero, m.schedule,
      name_of(m.recompute));
  if (std::ranges::none_of(job.settings, [](const auto& s) { return s.first == "overlap"; }))
    out += "  overlap: auto\n";
  return out;
}

double interval_hours(const Job& job, const Mapping& m) {
  const training::CampaignSection& run = job.campaign;
  if (!job.free_interval) return run.checkpoint.interval_hours;
  const spec::Node& node = m.node->node;
  const auto rate = [](double count, double mtbf) { return mtbf > 0 ? count / mtbf : 0; };
  const double failures = rate(m.gpus(), run.failures.gpu_mtbf_hours) +
                          rate(double(m.nodes) * node.nics * m.used_of_node / node.gpus, run.failures.nic_mtbf_hours) +
                          rate(m.nodes, run.failures.node_mtbf_hours);
  if (failures <= 0) return run.checkpoint.interval_hours;  // slow GPUs alone lose nothing
  const double young = std::sqrt(2 * run.checkpoint.pause / 3600 / failures);
  return std::stod(fmt::format("{:.3g}", young));  // as the scenario writes it
}

std::string run_scenario_text(const Job& job, const Mapping& m, int spares) {
  std::string out = fmt::format("  run: {{tokens: {}", job.section.training.tokens);
  const auto section = [&](std::string_view name, TextMap lines, std::string_view key, const std::string& value) {
    std::erase_if(lines, [&](const auto& line) { return line.first == key; });
    if (!value.empty()) lines.emplace_back(key, value);
    std::string text;
    for (const auto& [k, line] : lines) text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", k, line);
    if (!text.empty()) out += fmt::format(", {}: {{{}}}", name, text);
  };
  for (const auto& [key, line] : job.run) out += fmt::format(", {}: {}", key, line);
  section("checkpoint", job.checkpoint, "interval_hours",
          job.checkpoint.empty() ? "" : fmt::to_string(interval_hours(job, m)));
  section("failures", job.failures, "spare_nodes", job.failures.empty() && spares == 0 ? "" : fmt::to_string(spares));
  return scenario_text(job, m) + out + "}\n";
}

std::vector<Mapping> mappings(const Job& job) {
  const JobCandidates& c = job.section.candidates;
  std::vector<Mapping> out;
  for (const PricedNode& node : job.nodes)
    for (const int nodes : node_counts(job, node))
      for (Mapping m : degrees(job, node, nodes))
        for (const int zero : c.zero)
          for (const int micro_batch : c.micro_batch) {
            m.zero = zero;
            m.micro_batch = micro_batch;
            m.recompute = c.recompute.front();
            if (!divides(job, m)) continue;
            for (const std::string& schedule : schedules(job, m.pipeline)) {
              m.schedule = schedule;
              out.push_back(m);
            }
          }
  return out;
}
}  // namespace moesim::sizing
