#include "training/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/named_enum.h"
#include "core/range.h"
#include "spec/catalogue.h"
#include "spec/layer_shape.h"
#include "training/layout_string.h"

namespace moesim::training {
namespace {
/// The divisors of `n` nearest to `wanted`, for "would do" in refusals.
std::string near_divisors(std::int64_t n, std::int64_t wanted) {
  std::int64_t below = 1, above = n;
  for (std::int64_t d = 1; d <= n; ++d) {
    if (n % d != 0) continue;
    if (d <= wanted) below = std::max(below, d);
    if (d >= wanted) above = std::min(above, d);
  }
  return below == above ? fmt::format("{}", below) : fmt::format("{} or {}", below, above);
}

// More than any run publishes; products of two of them still fit 64 bits, and those of a divisor with the GPUs 32.
constexpr std::int64_t kMostBatch = 2'000'000'000, kMostMicroBatch = 1'000'000, kMostSteps = 1'000'000'000,
                       kMostWays = 1'000'000;

void at_least_one(const Config& parallel, std::string_view key, int value) {
  if (value < 1) parallel.at(key).fail(fmt::format("expected at least 1, got {}", value));
  within(parallel, key, value, 1, kMostWays);
}

void check_numbers(const Config& training, const TrainingSection& s, const spec::Model& model) {
  if (s.sequence < 1) training.at("sequence").fail(fmt::format("expected at least 1, got {}", s.sequence));
  const int longest = s.documents.empty() ? s.sequence : *std::ranges::max_element(s.documents);
  if (longest > model.max_positions && !s.extend_context)
    training.at(s.documents.empty() ? "sequence" : "documents")
        .fail(fmt::format("{} has {} positions, so sequences of 1 to {} tokens can be trained, got {}; "
                          "training.extend_context true takes longer ones",
                          model.name, model.max_positions, model.max_positions, longest));
  if (longest <= model.max_positions && s.extend_context && !training.has("run"))
    training.at("extend_context")
        .fail(fmt::format("there is nothing to extend: {} has {} positions", model.name, model.max_positions));
  check_documents(training, s);
  if (s.batch < 1) training.at("batch").fail(fmt::format("expected at least 1 sequence, got {}", s.batch));
  if (s.micro_batch < 1) training.at("micro_batch").fail(fmt::format("expected at least 1, got {}", s.micro_batch));
  within(training, "batch", s.batch, 1, kMostBatch);
  within(training, "micro_batch", s.micro_batch, 1, kMostMicroBatch);
  within(training, "steps", s.steps, INT32_MIN, kMostSteps);
  if (s.gpus < 0) training.at("gpus").fail(fmt::format("expected at least 0, got {}", s.gpus));
  if (s.steps < 1) training.at("steps").fail(fmt::format("expected at least 1, got {}", s.steps));
  if (!(s.beside_compute > 0 && s.beside_compute <= 1))
    training.at("beside_compute").fail(fmt::format("expected above 0 and at most 1, got {}", s.beside_compute));
  if (s.rebalance.interval < 0)
    training.at("rebalance").at("interval").fail(fmt::format("expected at least 0, got {}", s.rebalance.interval));
  if (s.rebalance.interval > 0 && !model.moe)
    training.at("rebalance").fail(fmt::format("{} is a dense model: it has no experts to place", model.name));
  // Also where nothing is rebalanced yet: a value without effect today is one of tomorrow's surprises.
  if (training.has("rebalance") && !training.at("rebalance").has("interval"))
    for (const std::string& key : training.at("rebalance").keys())
      training.at("rebalance").at(key).fail("nothing is rebalanced without an interval: give it, or leave this out");
  if (training.has("rebalance"))
    training.at("rebalance").placed([&] { placement::check_rebalance(s.rebalance.params); });
  constexpr double kMostCapacity = 1e6;  // times the mean: no expert has as many experts' rows
  if (!(s.capacity.factor >= 0 && s.capacity.factor <= kMostCapacity))
    training.at("capacity")
        .at("factor")
        .fail(fmt::format("expected 0 to {:.0f}, got {}", kMostCapacity, s.capacity.factor));
}

void check_parallel(const Config& parallel, const ParallelSection& p, const spec::Model& model) {
  at_least_one(parallel, "pipeline", p.pipeline);
  at_least_one(parallel, "tensor", p.tensor);
  at_least_one(parallel, "context", p.context);
  at_least_one(parallel, "expert", p.expert);
  at_least_one(parallel, "expert_tensor", p.expert_tensor);
  if (p.zero < 0 || p.zero > 3) parallel.at("zero").fail(fmt::format("expected 0 to 3, got {}", p.zero));
  if (model.attention.heads % p.tensor != 0)
    parallel.at("tensor").fail(fmt::format("must divide the {} attention heads of {}, got {}; {} would do",
                                           model.attention.heads, model.name, p.tensor,
                                           near_divisors(model.attention.heads, p.tensor)));
  check_shared_sequences(parallel, p, model);
  if (!model.moe && std::int64_t{p.expert} * p.expert_tensor > 1)
    parallel.at("expert").fail(fmt::format("{} is a dense model: only 1 is possible, got {}", model.name,
                                           std::int64_t{p.expert} * p.expert_tensor));
  if (!model.moe) return;
  if (model.moe->experts % p.expert != 0)
    parallel.at("expert").fail(fmt::format("must divide the {} experts of {}, got {}; {} would do", model.moe->experts,
                                           model.name, p.expert, near_divisors(model.moe->experts, p.expert)));
  if (model.moe->expert_width % p.expert_tensor != 0)
    parallel.at("expert_tensor")
        .fail(fmt::format("must divide the expert width {}, got {}; {} would do", model.moe->expert_width,
                          p.expert_tensor, near_divisors(model.moe->expert_width, p.expert_tensor)));
}

/// Leaves the GPUs of each node that the run does not use, and their adapters, out of the cluster.
void take_gpus_of_nodes(const Config& training, TrainingPlan& plan) {
  const int used = plan.section.gpus_per_node;
  spec::Node& node = plan.cluster.node;
  if (used == 0) return;
  within(training, "gpus_per_node", used, 0, node.gpus);
  if (node.nics * used % node.gpus != 0)
    training.at("gpus_per_node")
        .fail(fmt::format("{} adapters serve the {} GPUs of a node; with {} GPUs some would serve no whole number",
                          node.nics, node.gpus, used));
  node.nics = node.nics * used / node.gpus;
  node.gpus = used;
}

/// Fills gpus, gpus_per_stage, data, expert_data.
void form_groups(const Config& training, TrainingPlan& plan) {
  const ParallelSection& p = plan.section.parallel;
  const Config parallel = training.at_or_empty("parallel");
  plan.gpus = plan.section.gpus > 0 ? plan.section.gpus : plan.cluster.gpus();
  if (plan.gpus > plan.cluster.gpus())
    training.at("gpus").fail(fmt::format("the cluster has {} GPUs, got {}", plan.cluster.gpus(), plan.gpus));
  const auto fail = [&](std::string_view key, const std::string& problem) {
    (parallel.has(key) ? parallel.at(key) : parallel).fail(problem);
  };
  if (plan.gpus % p.pipeline != 0)
    fail("pipeline", fmt::format("{} stages do not divide {} GPUs; {} would do", p.pipeline, plan.gpus,
                                 near_divisors(plan.gpus, p.pipeline)));
  plan.gpus_per_stage = plan.gpus / p.pipeline;
  const std::int64_t dense = std::int64_t{p.tensor} * p.context, experts = std::int64_t{p.expert} * p.expert_tensor;
  if (plan.gpus_per_stage % dense != 0)
    fail(p.context > 1 ? "context" : "tensor",
         fmt::format("tensor x context = {} does not divide the {} GPUs of a stage; {} would do", dense,
                     plan.gpus_per_stage, near_divisors(plan.gpus_per_stage, dense)));
  if (plan.gpus_per_stage % experts != 0)
    fail("expert", fmt::format("expert-parallel groups of {} GPUs cannot be formed from the {} GPUs of a stage; {} "
                               "would do",
                               experts, plan.gpus_per_stage, near_divisors(plan.gpus_per_stage, experts)));
  const int per_node = plan.cluster.node.gpus;
  if (experts > per_node && experts % per_node != 0)
    fail("expert", fmt::format("a group over several nodes takes whole nodes of {} GPUs, got {}", per_node, experts));
  if (p.tensor > per_node)
    fail("tensor", fmt::format("a tensor-parallel group stays within a node of {} GPUs, got {}", per_node, p.tensor));
  if (p.expert_tensor > per_node)
    fail("expert_tensor", fmt::format("GPUs that share an expert's width stay within a node of {} GPUs, got {}",
                                      per_node, p.expert_tensor));
  if (plan.gpus > per_node && plan.gpus % per_node != 0)
    (training.has("gpus") ? training.at("gpus") : training)
        .fail(fmt::format("more than a node takes whole nodes of {} GPUs, got {}; {} or {} would do", per_node,
                          plan.gpus, plan.gpus / per_node * per_node, (plan.gpus / per_node + 1) * per_node));
  if (plan.gpus > per_node && plan.gpus_per_stage % per_node != 0 && per_node % plan.gpus_per_stage != 0)
    fail("pipeline",
         fmt::format("stages of {} GPUs do not fill nodes of {}; whole nodes, or equal parts of one, would do",
                     plan.gpus_per_stage, per_node));
  // Groups follow each other: none lies across the end of a node.
  for (const auto& [key, size] : {std::pair{"expert", experts}, std::pair{"tensor", std::int64_t{p.tensor}}})
    if (plan.gpus > per_node && size < per_node && per_node % size != 0)
      fail(key, fmt::format("groups of {} GPUs do not fill nodes of {}; with training.gpus_per_node {} they would",
                            size, per_node, per_node / size * size));
  plan.data = int(plan.gpus_per_stage / dense);
  plan.expert_data = int(plan.gpus_per_stage / experts);
}

void count_micro_batches(const Config& training, TrainingPlan& plan) {
  const TrainingSection& s = plan.section;
  const std::int64_t share = std::int64_t{plan.data} * s.micro_batch;
  if (s.batch % share != 0)
    training.at("batch").fail(
        fmt::format("{} sequences do not divide into micro-batches of {} on {} data-parallel replicas; {} or {} would "
                    "do",
                    s.batch, s.micro_batch, plan.data, std::max<std::int64_t>(1, s.batch / share) * share,
                    (s.batch / share + 1) * share));
  plan.micro_batches = int(s.batch / share);
  const std::int64_t tokens = std::int64_t{s.micro_batch} * s.sequence;
  if (s.sequence % (std::int64_t{s.parallel.context} * s.parallel.tensor) != 0 ||
      tokens / s.parallel.tensor > 4'000'000)
    training.at("sequence")
        .fail(fmt::format("{} tokens do not divide among tensor x context = {} GPUs", s.sequence,
                          std::int64_t{s.parallel.context} * s.parallel.tensor));
}

void choose_simulated(const Config& scenario, TrainingPlan& plan) {
  const ParallelSection& p = plan.section.parallel;
  std::string fold = "data";
  if (scenario.has("fold")) fold = scenario.at("fold").text();
  if (fold != "data" && fold != "none")
    scenario.at("fold").fail(fmt::format("expected data (replicas fold to one) or none, got \"{}\"", fold));
  scenario.resolve("fold", fold);
  plan.folded = fold == "data";
  plan.members = plan.model.moe ? p.expert : 1;
  plan.stride = p.expert_tensor;
  plan.replica_gpus = plan.model.moe ? p.expert * p.expert_tensor : p.tensor * p.context;
  plan.replicas = plan.folded ? 1 : plan.gpus_per_stage / plan.replica_gpus;
}

/// GPUs that are not simulated are slow in those that stand for them: whoever shares a replica's work waits for its
/// slowest, and all replicas wait for the slowest of them before the update.
void slow_those_simulated(TrainingPlan& plan) {
  const std::vector<double> own = plan.speeds;
  for (int gpu = 0; gpu < plan.gpus; ++gpu) {
    const int of_stage = gpu % plan.gpus_per_stage, of_replica = of_stage % plan.replica_gpus;
    const int replica = plan.folded ? 0 : of_stage - of_replica, member = of_replica / plan.stride % plan.members;
    double& simulated = plan.speeds[std::size_t(gpu - of_stage + replica + member * plan.stride)];
    simulated = std::min(simulated, own[std::size_t(gpu)]);
  }
}

void check_stages(const Config& training, const TrainingPlan& plan) {
  const int layers = plan.model.layers, stages = plan.schedule.stages(), with_ends = layers + 2;
  if (takes_layout(training, plan)) return;
  if (plan.section.ends_as_layers) {
    for (const char* other : {"layers", "heads"})
      if (training.has(other))
        training.at(other).fail("training.ends_as_layers says where the layers, embedding and loss are");
    if (with_ends % stages != 0)
      training.at("ends_as_layers")
          .fail(
              fmt::format("{} layers, embedding and loss are {}, which {} stages do not share evenly; {} stages would",
                          layers, with_ends, stages, near_divisors(with_ends, stages)));
    return;
  }
  if (!plan.section.layers.empty() ? stages <= with_ends : stages <= layers) return;
  (training.at_or_empty("parallel").has("pipeline") ? training.at("parallel").at("pipeline") : training)
      .fail(fmt::format("{} has {} layers, fewer than the {} stages of this schedule; at most {} ranks would do{}",
                        plan.model.name, layers, stages, layers * plan.schedule.ranks / stages,
                        with_ends % stages == 0 ? ", or training.ends_as_layers true" : ""));
}
}  // namespace

TrainingPlan read_shape(const Config& scenario, const PlanChange& change) {
  TrainingPlan plan;
  plan.model = spec::read_model(scenario.at("model"));
  if (!plan.model.can_run())
    scenario.at("model").fail(fmt::format("{} cannot be simulated: {}", plan.model.name, plan.model.obstacle()));
  plan.cluster = spec::read_cluster(scenario.at("cluster"));
  const Config training = scenario.at("training");
  plan.section = read<TrainingSection>(training);
  if (change.batch > 0) plan.section.batch = change.batch;
  if (change.sequence > 0) plan.section.sequence = change.sequence;
  if (!change.slow_gpus.empty()) plan.section.slow_gpus = change.slow_gpus;
  const TrainingSection& s = plan.section;
  check_numbers(training, s, plan.model);
  check_parallel(training.at_or_empty("parallel"), s.parallel, plan.model);
  if (s.tensor_overlap && s.parallel.tensor == 1)
    training.at("tensor_overlap").fail("there is nothing to overlap: parallel.tensor is 1");
  if (!s.context_overlap && s.parallel.context == 1)
    training.at("context_overlap").fail("there is nothing that could be hidden: parallel.context is 1");
  if (s.communication_sms < 1 || s.communication_sms >= plan.cluster.node.gpu.sms)
    training.fail_below("communication_sms",
                        fmt::format("expected 1 to {}, got {}", plan.cluster.node.gpu.sms - 1, s.communication_sms));
  if (!(s.offload_activations >= 0 && s.offload_activations <= 1))
    training.at("offload_activations").fail(fmt::format("expected 0 to 1, got {}", s.offload_activations));
  if (s.offload_activations > 0 && plan.cluster.node.host_bandwidth.v <= 0)
    training.at("offload_activations")
        .fail("the cluster's node says no host_bandwidth, by which activations would go to its memory");
  take_gpus_of_nodes(training, plan);
  form_groups(training, plan);
  count_micro_batches(training, plan);
  choose_simulated(scenario, plan);
  return plan;
}

TrainingPlan read_plan(const Config& scenario, const PlanChange& change) {
  TrainingPlan plan = read_shape(scenario, change);
  const Config training = scenario.at("training");
  const TrainingSection& s = plan.section;
  plan.speeds = spec::gpu_speeds(training.at_or_empty("slow_gpus"), s.slow_gpus, plan.gpus);
  slow_those_simulated(plan);

  const auto policy = schedule::pipeline_schedules().make_or(training, "schedule", "1f1b");
  const Config schedule = training.at_or_empty("schedule");
  const std::string kind = !training.has("schedule") ? "1f1b"
                           : schedule.is_scalar()    ? schedule.text()
                                                     : schedule.at("kind").text();
  plan.schedule = schedule.placed([&] {
    return schedule::build_schedule(*policy, kind, s.parallel.pipeline, plan.micro_batches, change.times.get());
  });
  plan.templates = schedule::read_block_templates(training, "overlap", plan.schedule, beside_of(training, plan));
  check_stages(training, plan);
  plan.setup = setup_of(training, plan);
  plan.batch = micro_batch_of(plan);
  return plan;
}
}  // namespace moesim::training
