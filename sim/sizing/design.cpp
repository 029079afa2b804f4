#include "sizing/design.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/ceil_div.h"
#include "core/yaml_line.h"
#include "serving/requests/workload.h"
#include "sizing/enumerate.h"

namespace moesim::sizing {
namespace {
std::string placement_text(const PoolDesign& d, const spec::Model& model, const std::string& planned_on) {
  if (!is_placed(d, model)) return "";
  return fmt::format(", placement: {{strategy: eplb, slots: {}{}}}", d.slots,
                     planned_on.empty() ? "" : ", planned_on: " + planned_on);
}

/// Where the engine's own kernels do not run on these nodes.
std::string exchange_text(const Plan& plan, const Deployment& deployment, const PoolDesign& d) {
  if (!is_placed(d, plan.model) || has_deepep(deployment.node->node)) return "";
  return fmt::format(", exchange: {}", name_of(exchange_of(deployment.engine, d.role, deployment.node->node)));
}

std::string pool_text(const Plan& plan, const Deployment& deployment, std::size_t pool, const Trial& trial) {
  const PoolDesign& d = deployment.pools[pool];
  const bool bare = trial.bare;
  std::string out = fmt::format("    - {{role: {}, instances: {}, parallel: {{tensor: {}, data: {}{}{}}}",
                                name_of(d.role), deployment.instances[pool], d.tensor, d.data,
                                d.pipeline > 1 ? fmt::format(", pipeline: {}", d.pipeline) : "",
                                d.experts_tensor ? ", experts_tensor: true" : "");
  out += placement_text(d, plan.model, trial.planned_on) + exchange_text(plan, deployment, d);
  if (d.overlap != serving::OverlapKind::none) out += fmt::format(", overlap: {}", name_of(d.overlap));
  const double pairs = d.role == serving::Role::decode ? 0 : plan.section.candidates.pairs;
  out += fmt::format(", batcher: {{kind: chunked, max_requests: {}, max_tokens: {}{}}}", d.batch, d.tokens,
                     pairs > 0 ? fmt::format(", max_pairs: {}", pairs) : "");
  // assumed enough: means of 4 draws and of every fourth layer agree with all within 2 % (serving/step/README.md)
  // In closed form one draw is asked for, at token counts that are mostly powers of two.
  if (plan.model.moe) out += fmt::format(", bank: {{samples: 4, every: 4{}}}", bare ? ", ratio: 2" : "");
  if (bare) out += ", overhead: 0 us";
  if (trial.start_up.v > 0) out += fmt::format(", start_up: {}", to_text(trial.start_up));
  if (!plan.kv_text.empty()) out += ", kv: " + plan.kv_text;
  if (!d.variant.precision.empty()) out += ", precision: " + d.variant.precision;
  return out + "}\n";
}

std::string joined(const TextMap& map) {
  std::string out;
  for (const auto& [key, line] : map) out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", key, line);
  return "{" + out + "}";
}

/// A line of the plan as the reader of its file takes it.
double number_of(const Plan& plan, const std::string& line) {
  double out = 0;
  Config::from_text("value: " + line, plan.file).at("value").parse(out);
  return out;
}

/// What is drawn is cut to min and max, so a mean beyond them is none.
std::string scaled(const Plan& plan, TextMap lengths, double scale) {
  const serving::LengthSpec usual;
  double low = usual.min, high = usual.max;
  for (const auto& [key, line] : lengths) {
    if (key == "min") low = number_of(plan, line);
    if (key == "max") high = number_of(plan, line);
  }
  for (auto& [key, line] : lengths)
    if (key == "mean") line = fmt::format("{}", std::clamp(number_of(plan, line) * scale, low, high));
  return joined(lengths);
}

/// The plan's workload under another load and other lengths.
std::string workload_text(const Plan& plan, const Trial& trial) {
  TextMap out;
  double scale = trial.load * plan.section.growth;
  for (auto [key, line] : plan.workload) {
    if (trial.burstiness > 0 && key == "cv") continue;
    if (trial.burstiness > 0 && key == "kind") {
      out.emplace_back(key, "gamma");
      out.emplace_back("cv", fmt::format("{}", trial.burstiness));
      continue;
    }
    if (key == "rate_scale") {
      scale *= number_of(plan, line);
      continue;
    }
    if (key == "clients") line = fmt::format("{}", std::max(1, int(plan.load.clients * trial.load + 0.5)));
    if (key == "input" && trial.length != 1 && !plan.input.empty()) line = scaled(plan, plan.input, trial.length);
    if (key == "output" && trial.length != 1 && !plan.output.empty()) line = scaled(plan, plan.output, trial.length);
    out.emplace_back(key, line);
  }
  if (plan.load.clients == 0 && scale != 1) out.emplace_back("rate_scale", fmt::format("{}", scale));
  return joined(out);
}

std::string slo_text(const Targets& t) {
  if (t.share == 0) return "";
  std::string out;
  for (const auto& [name, time] : {std::pair("ttft", t.ttft), {"tpot", t.tpot}, {"e2e", t.e2e}})
    if (time.v > 0) out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", name, to_text(time));
  return "  slo: {" + out + "}\n";
}
}  // namespace

bool is_placed(const PoolDesign& d, const spec::Model& model) {
  return model.moe && !d.experts_tensor && d.stage_gpus() > 1;
}

bool has_gaps(const Plan& plan) {
  return std::ranges::any_of(plan.workload, [](const auto& entry) {
    return entry.first == "kind" && (entry.second == "poisson" || entry.second == "gamma");
  });
}

bool can_fold(const Plan& plan) {
  return plan.load.clients == 0 && std::ranges::none_of(plan.workload, [](const auto& entry) {
           return entry.first == "concurrency" && entry.second != "0";
         });
}

std::string node_name(const PricedNode& node) {
  return node.choice.node.is_scalar() ? node.choice.node.text()
         : node.node.title.empty()    ? "own node"
                                      : node.node.title;
}

namespace {
std::vector<serving::Taken> taken_by(const Deployment& d) {
  std::vector<serving::Taken> out;
  for (std::size_t p = 0; p < d.pools.size(); ++p)
    out.push_back({serving::whole_nodes(d.pools[p].gpus(), d.node->node.gpus), d.instances[p]});
  return out;
}
}  // namespace

serving::Places Deployment::places() const {
  const std::vector<serving::Taken> taken = taken_by(*this);
  const auto spread = nodes() > 1 ? serving::spread_places(taken, node->node.gpus, nodes()) : std::nullopt;
  return spread ? *spread : serving::packed_places(taken, node->node.gpus);
}

bool Deployment::is_spread() const { return places() != serving::packed_places(taken_by(*this), node->node.gpus); }

int Deployment::gpus() const {
  const int per_node = node->node.gpus;
  std::int64_t next = 0;
  for (const serving::Taken& pool : taken_by(*this))
    next = serving::next_place(next, pool.gpus, per_node) + std::int64_t{pool.gpus} * pool.instances;
  return int(ceil_div(next, std::int64_t{per_node}) * per_node);
}

std::string way_of(const PoolDesign& d) {
  std::string way;
  if (d.tensor > 1) way += fmt::format("TP{} ", d.tensor);
  if (d.data > 1) way += fmt::format("DP{} ", d.data);
  if (d.pipeline > 1) way += fmt::format("PP{} ", d.pipeline);
  if (d.slots > 0 && !d.experts_tensor && d.stage_gpus() > 1) way += fmt::format("EP{} ", d.stage_gpus());
  return way.empty() ? "1 GPU" : way.substr(0, way.size() - 1);
}

namespace {
/// But for what the pools of a deployment have alike.
std::string pool_words(const PoolDesign& d, int instances) {
  std::string out = fmt::format("{} {} x {}", name_of(d.role), instances, way_of(d));
  if (d.role != serving::Role::prefill) out += fmt::format(", batch {}", d.batch);
  if (d.role != serving::Role::decode) out += fmt::format(", {} tokens", d.tokens);
  if (d.overlap != serving::OverlapKind::none) out += fmt::format(", {}", name_of(d.overlap));
  return out;
}

std::string with_label(std::string words, const Variant& v) {
  return v.label.empty() ? words : fmt::format("{}, {}", words, v.label);
}
}  // namespace

std::string text_of(const PoolDesign& d, int instances) { return with_label(pool_words(d, instances), d.variant); }

std::string text_of(const Deployment& deployment) {
  std::string out;
  for (std::size_t p = 0; p < deployment.pools.size(); ++p)
    out += (p > 0 ? " + " : "") + pool_words(deployment.pools[p], deployment.instances[p]);
  return with_label(out, deployment.pools.back().variant);
}

std::string shortened_model(const Plan& plan, int layers) {
  return fmt::format("{{extends: {}, layers: {}}}", plan.model_text, layers);
}

std::string scenario_text(const Plan& plan, const Deployment& d, const Trial& trial, int layers) {
  std::string out = fmt::format("title: {}\n", yaml_scalar(plan.title.empty() ? plan.model.name : plan.title));
  out += fmt::format("model: {}\n", layers > 0 && plan.model_named ? shortened_model(plan, layers) : plan.model_text);
  out += fmt::format("cluster: {{node: {}, nodes: {}, fabric: {}}}\n", d.node->text, d.nodes(), d.node->choice.fabric);
  for (const auto& [key, line] : {std::pair("kernels", &plan.kernels_text), {"network", &plan.network_text}})
    if (!line->empty()) out += fmt::format("{}: {}\n", key, *line);
  const std::string& routing = trial.routing.empty() ? plan.routing_text : trial.routing;
  if (!routing.empty()) out += fmt::format("routing: {}\n", routing);
  out += fmt::format("seed: {}\n", plan.seed);
  if (std::ranges::max(d.instances) > 1 && can_fold(plan) && !trial.unfolded) out += "fold: data\n";
  out += fmt::format("serving:\n  engine: {}\n  duration: {}\n  warmup: {}\n", d.engine, to_text(trial.duration),
                     to_text(trial.warmup));
  out += "  workload: " + workload_text(plan, trial) + "\n";
  // A service of one role has no time to a first token, or between tokens, that an objective could bound.
  if (!trial.bare) out += slo_text(plan.section.targets);
  if (const std::string& drafts = d.pools.back().variant.drafts;
      !drafts.empty() && d.pools.back().role != serving::Role::prefill)
    out += "  speculation: " + drafts + "\n";
  if (!trial.faults.empty()) out += "  faults: " + trial.faults + "\n";
  if (d.is_spread()) out += "  layout: spread\n";
  out += "  pools:\n";
  for (std::size_t p = 0; p < d.pools.size(); ++p) out += pool_text(plan, d, p, trial);
  return out;
}
}  // namespace moesim::sizing
