// moesim schedule: writes, checks and draws a pipeline schedule.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/numbers.h"
#include "cli/options.h"
#include "cli/schedule_from.h"
#include "core/files.h"
#include "core/log.h"
#include "schedule/pipelines/grid.h"
#include "schedule/pipelines/size.h"

namespace moesim::cli {
namespace {
struct Options {
  std::string kind, svg, from;
  std::vector<std::string> sets;
  int stages = 0, micro_batches = 0, chunks = 0;
  LimitOptions limits;
  std::string forward = "1 s", input = "1 s", weight = "1 s", overlapped, send = "0 s";
};

Config schedule_of(const Options& o) {
  const bool file = o.kind.find('.') != std::string::npos || o.kind.find('/') != std::string::npos;
  std::string text = "{kind: " + (file ? "file, file: \"" + o.kind + "\"" : o.kind);
  if (o.chunks > 0) text += fmt::format(", chunks: {}", o.chunks);
  return Config::from_option("schedule", text + "}");
}

schedule::ScheduleCosts costs_of(const Options& o) {
  schedule::ScheduleCosts out;
  Config::from_option("--forward", o.forward).parse(out.forward);
  Config::from_option("--input", o.input).parse(out.backward_input);
  Config::from_option("--weight", o.weight).parse(out.weight);
  Config::from_option("--send", o.send).parse(out.send);
  if (!o.overlapped.empty()) Config::from_option("--overlapped", o.overlapped).parse(out.overlapped);
  return out;
}

/// With a scenario: what it says itself cannot be said again.
void of_scenario(const CLI::App& verb, const Options& o) {
  for (const char* own : {"--stages", "--micro-batches", "--forward", "--input", "--weight", "--overlapped", "--send"})
    if (verb.get_option(own)->count() > 0)
      throw ConfigError(fmt::format("{}: the scenario of --from says it; change that with --set", own));
  schedule_from({o.kind, o.from, o.svg, o.chunks, o.sets, o.limits});
}

void schedule(const CLI::App& verb, const Options& o) {
  if (!o.from.empty()) return of_scenario(verb, o);
  if (!o.sets.empty()) throw ConfigError("--set: changes the scenario of --from, and there is none");
  const Config config = schedule_of(o);
  const auto policy = schedule::pipeline_schedules().make(config);
  const auto own = policy->only_shape();
  const int stages = o.stages != 0 ? o.stages : own.ranks > 0 ? own.ranks : 8;
  const int micro_batches = o.micro_batches != 0    ? o.micro_batches
                            : own.micro_batches > 0 ? own.micro_batches
                                                    : 2 * stages;
  if (!runs::affordable(schedule::schedule_estimate(o.kind, stages, std::max(policy->chunks(), 1), micro_batches),
                        "moesim schedule", limits_of(o.limits)))
    return;
  const schedule::ScheduleCosts costs = costs_of(o);
  const schedule::Schedule s = config.placed(
      [&] { return schedule::build_schedule(*policy, config.at("kind").text(), stages, micro_batches, &costs); });
  std::vector<int> bounds;
  for (int rank = 0; rank < s.ranks; ++rank) bounds.push_back(policy->in_flight_bound(s.ranks, micro_batches, rank));
  if (const auto problems = schedule::schedule_problems(s, bounds); !problems.empty())
    throw std::logic_error(fmt::format("schedule {}: {}", s.kind, problems[0]));
  const schedule::ScheduleTiming timing = schedule::time_schedule(s, costs);
  if (!o.svg.empty()) {
    check_new_file(o.svg);
    write_file(o.svg, schedule::schedule_svg(s, timing));
  }
  print_text("{}: {} stages on {} ranks, {} micro-batches, {} in all\n\n{}\n{}", s.kind, s.stages(), s.ranks,
             s.micro_batches, to_text(timing.end), schedule::schedule_grid(s, timing),
             schedule::schedule_table(s, timing));
}
}  // namespace

void add_schedule(CLI::App& app, int&) {
  CLI::App* verb = app.add_subcommand("schedule", "write, check and draw a pipeline schedule");
  auto o = std::make_shared<Options>();
  verb->add_option("kind", o->kind,
                   "gpipe, 1f1b, interleaved_1f1b, zb_h1, zb_v, v_half, v_min, dualpipe, dualpipev, or a YAML file")
      ->required();
  verb->add_option("--from", o->from, "a training scenario: its layers, micro-batches and times of each stage");
  verb->add_option("--set", o->sets, "change one value of that scenario: key.path=value (repeat for more)")
      ->allow_extra_args(false);
  verb->add_option("--stages", o->stages, "pipeline ranks; default 8, or the file's")
      ->check(whole_number(1, schedule::kMostRanks));
  verb->add_option("--micro-batches", o->micro_batches, "micro-batches a step; default twice the stages, or the file's")
      ->check(whole_number(1, schedule::kMostMicroBatches));
  verb->add_option("--chunks", o->chunks, "chunks a rank (interleaved_1f1b)")
      ->check(whole_number(1, schedule::kMostChunks));
  verb->add_option("--forward", o->forward, "duration of a chunk's forward")->capture_default_str();
  verb->add_option("--input", o->input, "duration of a chunk's backward for inputs")->capture_default_str();
  verb->add_option("--weight", o->weight, "duration of a chunk's backward for weights")->capture_default_str();
  verb->add_option("--overlapped", o->overlapped, "duration of a forward and backward together; default their sum");
  verb->add_option("--send", o->send, "duration of a transfer to another rank")->capture_default_str();
  add_output(*verb, "-o,--output,--svg", o->svg, "picture to create, SVG (default: none)");
  add_limits(*verb, o->limits);
  verb->callback([verb, o] { schedule(*verb, *o); });
}
}  // namespace moesim::cli
