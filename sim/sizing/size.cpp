#include "sizing/size.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>

#include "core/files.h"
#include "core/log.h"
#include "core/new_file.h"
#include "core/terminal.h"
#include "core/words.h"
#include "results/output.h"
#include "sizing/answer.h"
#include "sizing/launch.h"
#include "sizing/pretraining/job_answer.h"
#include "sizing/trial_book.h"

namespace moesim::sizing {
namespace {
/// The winner as a scenario that `moesim run` repeats.
std::string winner_text(const Plan& plan, const Entry& winner) {
  return scenario_text(plan, winner.deployment, trial_for(plan, end_to_end(plan, winner)));
}

/// What `output` holds of this search, if it is there.  A finished one stays as it is: nothing is written then.
struct Begun {
  bool whole = false;
  std::string aside;  // the name of what was there, until its simulations are in the new database
};
Begun take_up(const SizeOptions& options, const results::RunIdentity& search, TrialBook& book) {
  Begun out;
  std::error_code error;
  if (!options.resume || !std::filesystem::exists(options.output, error)) return out;
  read_trials(options.output, search, book);
  say(fmt::format("{} holds {} already", options.output, counted(book.size(), "simulation")));
  out.whole = results::Database::open(options.output).value("PRAGMA application_id") == fmt::to_string(results::kWhole);
  if (!out.whole) out.aside = results::make_way(options.output, false);
  return out;
}

void check_options(const SizeOptions& options) {
  const auto [number, of] = options.shard;
  if (of < 1 || number < 1 || number > of)
    throw ConfigError::placed(fmt::format("--shard: expected I/N with 1 <= I <= N, got {}/{}", number, of));
  if ((of > 1 || options.resume) && options.output.empty())
    throw ConfigError::placed(
        fmt::format("--{}: needs -o, the database that holds the simulations", of > 1 ? "shard" : "resume"));
  if (of > 1 && (options.json || !options.scenario.empty()))
    throw ConfigError::placed("--shard: a part of the simulations has no answer; merge the shards, then --resume");
  check_different({{"the results", options.output}, {"the scenario", options.scenario}});
  if (!options.scenario.empty()) check_new_file(options.scenario);
}

void print_files(const SizeOptions& options, bool answered) {
  if (answered && !options.scenario.empty()) print_text("\nscenario in {}\n", options.scenario);
  if (!options.output.empty()) print_text("\nresults in {}\n", options.output);
}

/// What a database of this plan is told by.
results::RunIdentity identity_of(const SizeOptions& options, const PlanHead& plan) {
  return {plan.title, "size", options.plan, read_file(plan.file), "", plan.seed};
}

void print_answer(const SizeOptions& options, const Plan& plan, const Search& found,
                  const std::vector<Variation>& variations) {
  if (options.json) return print_text("{}", answer_json(plan, found, variations));
  print_folded(answer_text(plan, found, variations));
  if (found.winner) print_text("\nTo start it\n{}", launch_text(plan, found.entries[*found.winner].deployment));
  print_files(options, found.winner.has_value());
}

int size_job(const SizeOptions& options, PlanHead head) {
  const auto started = std::chrono::steady_clock::now();
  if (options.shard.of > 1 || options.resume)
    throw ConfigError::placed(
        fmt::format("--{}: a training plan is answered in one go", options.resume ? "resume" : "shard"));
  const Job job = read_job(std::move(head));
  results::Results results(options.output.empty() ? ":memory:" : options.output, identity_of(options, job));
  const Choice choice = choose(job, options.jobs);
  store(results, job, choice);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - started;
  results.finish({"complete", 0, std::uint64_t(choice.simulations), {}, wall.count()}, job.config.resolved());
  if (choice.winner && !options.scenario.empty())
    write_file(options.scenario, scenario_text(job, choice.entries[*choice.winner].mapping, true));
  options.json ? print_text(answer_json(job, choice)) : print_folded(answer_text(job, choice));
  if (!options.json) print_files(options, choice.winner.has_value());
  return choice.winner ? 0 : 1;
}
}  // namespace

int size(const SizeOptions& options) {
  const auto started = std::chrono::steady_clock::now();
  check_options(options);
  PlanHead head = read_plan_head(options.plan, options.overrides, options.seed);
  if (asks_for_training(head)) return size_job(options, std::move(head));
  Plan plan = read_plan(std::move(head));
  const results::RunIdentity identity = identity_of(options, plan);
  TrialBook book;
  const Begun begun = take_up(options, identity, book);
  results::Results results(options.output.empty() || begun.whole ? ":memory:" : options.output, identity);
  book.keep_in(results);
  (void)results.database();  // commits
  if (!begun.aside.empty()) results::remove_output(begun.aside);
  plan.book = &book;
  const auto finish = [&](const char* state, int trials) {
    book.put_in_order(results);
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - started;
    results.finish({state, 0, std::uint64_t(trials), {}, wall.count()}, plan.config.resolved());
  };
  const Search found = search(plan, options.jobs, options.shard);
  if (options.shard.of > 1) {
    finish("interrupted", found.trials);
    print_text("shard {} of {}: {} in {}\nmoesim merge puts the shards together; moesim size --resume answers\n",
               options.shard.number, options.shard.of, counted(book.size(), "simulation"), options.output);
    return 0;
  }
  std::vector<Variation> variations;
  if (found.winner) variations = vary(plan, found.entries[*found.winner], options.jobs);
  store(results, plan, found, variations);
  finish("complete", found.trials);
  if (found.winner && !options.scenario.empty())
    write_file(options.scenario, winner_text(plan, found.entries[*found.winner]));
  print_answer(options, plan, found, variations);
  return found.winner ? 0 : 1;
}
}  // namespace moesim::sizing
