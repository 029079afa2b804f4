#include "cli/schedule_from.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/files.h"
#include "core/log.h"
#include "results/summary.h"
#include "runs/scenario.h"
#include "schedule/pipelines/grid.h"
#include "training/stage_times.h"

namespace moesim::cli {
namespace {
using Overrides = std::vector<Config::Override>;

struct Timed {
  schedule::Schedule schedule;
  schedule::ScheduleCosts costs;
  std::vector<int> layers;  // (stages)
  Time step{}, pipeline{};
};

Timed simulated(const std::string& file, std::uint64_t seed, const Overrides& overrides) {
  training::TrainingSetup setup(Config::load(file, overrides), seed);
  const schedule::StepOutcome step = setup.run(0, nullptr);
  Timed out{setup.plan().schedule, training::stage_times(setup, step), {}, step.step, training::pipeline_end(step)};
  for (const auto& stage : setup.plan().stages)
    out.layers.push_back(int(std::ranges::count(stage, training::PlanBlock::Kind::layer, &training::PlanBlock::kind)));
  return out;
}

std::string schedule_text(const ScheduleFrom& from) {
  const bool file = from.kind.find('.') != std::string::npos || from.kind.find('/') != std::string::npos;
  std::string text = "{kind: " + (file ? "file, file: \"" + from.kind + "\"" : from.kind);
  if (from.chunks > 0) text += fmt::format(", chunks: {}", from.chunks);
  return text + "}";
}

std::string brief(Time t) { return t.v == 0 ? "-" : results::pretty(seconds(t), "s"); }

/// Neighbours with equal layers and times are one line.
std::string stages_text(const Timed& timed) {
  results::TextTable table({"stages", "layers", "forward", "backward, inputs", "weights", "backward", "F&B"});
  const auto cells = [&](std::size_t stage) {
    const schedule::StageCosts& c = timed.costs.stages[stage];
    return std::vector<std::string>{fmt::format("{}", timed.layers[stage]),
                                    brief(c.forward),
                                    brief(c.backward_input),
                                    brief(c.weight),
                                    brief(c.backward),
                                    brief(c.overlapped)};
  };
  const std::size_t n = timed.costs.stages.size();
  for (std::size_t first = 0, last = 0; first < n; first = last + 1) {
    for (last = first; last + 1 < n && cells(last + 1) == cells(first);) ++last;
    std::vector<std::string> line = cells(first);
    line.insert(line.begin(), first == last ? fmt::format("{}", first) : fmt::format("{} to {}", first, last));
    table.add(std::move(line));
  }
  return table.text();
}

/// The scenario's own layers of each stage hold for as many stages as it has.
bool drops_layers(const Config& config, const schedule::PipelineSchedule& policy) {
  const Config training = config.at("training");
  if (!training.has("layers")) return false;
  std::vector<int> layers;
  training.at("layers").parse(layers);
  int ranks = 1;
  if (training.has("parallel") && training.at("parallel").has("pipeline"))
    training.at("parallel").at("pipeline").parse(ranks);
  const bool two_way = policy.layout() == schedule::Layout::two_way;
  return int(layers.size()) != ranks * (two_way ? 1 : policy.chunks());
}
}  // namespace

void schedule_from(const ScheduleFrom& from) {
  Overrides overrides = parse_overrides(from.sets);
  const runs::Scenario scenario = runs::load_scenario(from.scenario, overrides);
  if (scenario.study->section != "training")
    throw ConfigError(fmt::format("{}: expected a section training: there is no pipeline in a study of {}",
                                  scenario.file, scenario.study->section));
  overrides.push_back({"training.schedule", schedule_text(from), "the schedule"});
  Config config = Config::load(scenario.file, overrides);
  const auto policy = schedule::pipeline_schedules().make(config.at("training").at("schedule"));
  const bool dropped = drops_layers(config, *policy);
  if (dropped) overrides.push_back({"training.layers", "[]", "the schedule"});
  if (!runs::affordable(scenario.file, overrides, nullptr, limits_of(from.limits))) return;
  const Timed timed = simulated(scenario.file, scenario.identity.seed, overrides);
  const schedule::ScheduleTiming timing = schedule::time_schedule(timed.schedule, timed.costs);
  if (!from.svg.empty()) {
    check_new_file(from.svg);
    write_file(from.svg, schedule::schedule_svg(timed.schedule, timing));
  }
  print_text(
      "{} for {}: {} stages on {} ranks, {} micro-batches\n"
      "a simulated step takes {}, its pipeline {}; by the times below alone {}; sending {}\n{}"
      "to run it: training.schedule: {}\n\n{}\n{}",
      timed.schedule.kind, from.scenario, timed.schedule.stages(), timed.schedule.ranks, timed.schedule.micro_batches,
      brief(timed.step), brief(timed.pipeline), brief(timing.end), brief(timed.costs.send),
      dropped ? "layers of each stage: balanced by their time, since the scenario's are for another number\n" : "",
      schedule_text(from), stages_text(timed), schedule::schedule_table(timed.schedule, timing));
}
}  // namespace moesim::cli
