#include "sizing/size.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <sstream>

#include "core/files.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/new_file.h"
#include "core/terminal.h"
#include "core/words.h"
#include "core/yaml_line.h"
#include "results/output.h"
#include "serving/run_serving.h"
#include "sizing/answer.h"
#include "sizing/economics.h"
#include "sizing/facts.h"
#include "sizing/launch.h"
#include "sizing/pretraining/job_answer.h"
#include "sizing/relaxations.h"
#include "sizing/shared_trials.h"
#include "sizing/trial_book.h"

namespace moesim::sizing {
namespace {
/// The winner as a scenario that `moesim run` repeats.
std::string winner_text(const Plan& plan, const Entry& winner) {
  return scenario_text(plan, winner.deployment, winner.trial);
}

/// What `output` holds of this search, if it is there.  A finished one stays as it is: nothing is written then.
struct Begun {
  bool whole = false;
  std::string aside;  // the name of what was there, until its simulations are in the new database
};
/// Whether it came to its end, and with an answer.
std::pair<bool, bool> ending_of(const std::string& file) {
  const results::Database db = results::Database::open(file);
  return {db.value("PRAGMA application_id") == fmt::to_string(results::kWhole),
          db.value("SELECT state FROM run WHERE study = 'size'") != results::kUnanswered};
}
Begun take_up(const SizeOptions& options, const results::RunIdentity& search, TrialBook& book) {
  Begun out;
  std::error_code error;
  if (!options.resume || !std::filesystem::exists(options.output, error)) return out;
  read_trials(options.output, search, book);
  say(fmt::format("{} holds {} already", options.output, counted(book.size(), "simulation")));
  const auto [whole, answered] = ending_of(options.output);
  out.whole = whole && (answered || options.shard.of > 1);
  if (out.whole) return out;
  if (!whole) {
    out.aside = results::make_way(options.output, false);
    return out;
  }
  const Descriptor lock = results::lock_output(options.output);
  out.aside = results::set_aside(options.output, false);
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
  results::RunIdentity out{
      plan.title, "size", options.plan, read_file(plan.file), asked_text(options.overrides, options.shard), plan.seed};
  for (const Config::Override& o : options.overrides) out.options.push_back({"--set", o.path + "=" + o.value});
  if (options.seed) out.options.push_back({"--seed", fmt::to_string(*options.seed)});
  return out;
}

void print_answer(const SizeOptions& options, const Plan& plan, const Search& found,
                  const std::vector<Variation>& variations) {
  if (options.json) return print_text("{}", answer_json(plan, found, variations));
  print_folded(answer_text(plan, found, variations));
  if (found.winner) print_text("\nTo start it\n{}", launch_text(plan, found.entries[*found.winner].deployment));
  print_files(options, found.winner.has_value());
}

/// How the answer's own run ended, and its settings, each under "answer.".
struct Answered {
  Answered() = default;
  Answered(const results::StudyEnd& ended, const std::string& resolved) : end(ended) {
    std::istringstream lines(resolved);
    for (std::string line; std::getline(lines, line);) settings += "answer." + line + "\n";
  }
  results::StudyEnd end;
  std::string settings{};
};
/// The answer simulated with all its rows, into the database: what fills its GPUs, where its time goes, how far kernels
/// may be off.  Trials keep few figures, and take products of experts from each other, so that they cannot say the
/// last.
Answered keep_answer(results::Results& results, const std::string& text, const PlanHead& plan) {
  const Config scenario = Config::from_text(text, plan.file);
  results::SpanLog spans;
  results::StudyRun run{scenario, plan.seed, results, spans};
  const results::StudyEnd end = scenario.at("serving").placed([&] { return serving::run_serving(run); });
  return {end, scenario.resolved()};
}

/// The database of a search, which goes on with what `output` holds of it.
class Kept {
 public:
  Kept(const SizeOptions& options, const PlanHead& plan)
      : plan_(plan),
        output_(options.output),
        identity_(identity_of(options, plan)),
        begun_(take_up(options, identity_, book_)),
        written_(!options.output.empty() && !begun_.whole),
        results_(written_ ? options.output : ":memory:", identity_) {
    book_.keep_in(results_);
    (void)results_.database();  // commits
    if (!begun_.aside.empty()) results::remove_output(begun_.aside);
    if (!written_) return;
    // Beside what the database says of itself, where the program is ended from outside.
    unfinished_ = std::make_unique<Unfinished>(
        [this] { return book_.size() == 0 ? "" : fmt::format("--resume goes on with {}", simulations()); });
  }
  /// Runs what may be cut short.  Throws Interrupted with what the database holds then.
  template <class F>
  auto kept(F&& f) try {
    return f();
  } catch (const Interrupted&) {
    end_has_begun();
    throw Interrupted(!written_ || book_.size() == 0 ? "nothing was written"
                                                     : fmt::format("{} holds {}; --resume goes on with {}", output_,
                                                                   simulations(), book_.size() == 1 ? "it" : "them"));
  }
  TrialBook& book() { return book_; }
  results::Results& results() { return results_; }
  /// Whether it is a file that the answer can go into.
  bool written() const { return written_; }
  void finish(const std::string& state, int simulations, const Answered& answer = {}) {
    unfinished_.reset();
    book_.put_in_order(results_);
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - started_;
    results_.finish(
        {state, answer.end.fingerprint, std::uint64_t(simulations), answer.end.simulated_time, wall.count()},
        identity_.resolved + plan_.config.resolved() + answer.settings);
  }
  int finish_shard(const SizeOptions& options, int simulations) {
    finish(std::string(results::kUnanswered), simulations);
    print_text("shard {} of {}: {} in {}\nmoesim merge puts the shards together; moesim size --resume answers\n",
               options.shard.number, options.shard.of, counted(book_.size(), "simulation"), options.output);
    return 0;
  }

 private:
  std::string simulations() const { return counted(book_.size(), "simulation"); }

  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  const PlanHead& plan_;
  std::string output_;
  results::RunIdentity identity_;
  TrialBook book_;
  Begun begun_;
  bool written_;
  results::Results results_;
  std::unique_ptr<Unfinished> unfinished_;
};

/// The answer's own run has no slo where the plan asks for percentiles alone: not that there are no targets.
void write_targets(results::Results& results, const Plan& plan) {
  results.database().exec("DELETE FROM assumption WHERE name = 'targets'");
  const std::string text = yaml_line(plan.config.at("size").at("targets"));
  results.add(results::Table::assumption, {"run", "targets", text.substr(1, text.size() - 2), "as asked"});
}

/// Unless the answer's own run has written it.
void figure(results::Results& results, std::string_view name, double value, std::string_view unit,
            const std::string& scope = "run") {
  if (!results.has_metric(name, scope)) results.metric(name, value, unit, scope);
}

/// The answer's figures as metrics, for what the plan expects.
void write_figures(results::Results& results, const Plan& plan, const Entry& winner) {
  const Economics e = economics_of(plan, winner);
  figure(results, "gpus", e.gpus, "");
  figure(results, "cost_per_hour", e.cost_per_hour, "USD");
  figure(results, "cost_per_million_tokens", e.cost_per_million, "USD");
  figure(results, "tokens_per_gpu_second", e.tokens_per_gpu, "tokens/s");
  figure(results, "goodput_share", winner.figures->share, "");
  for (std::size_t i = 0; i < kLatencies.size(); ++i) figure(results, kLatencies[i], winner.figures->latency[i], "s");
  const Deployment& d = winner.deployment;
  for (std::size_t p = 0; p < d.pools.size(); ++p)
    figure(results, "gpus", d.pools[p].gpus() * d.instances[p], "", fmt::format("pool:{}", name_of(d.pools[p].role)));
}
/// 0 if there is an answer, and it is as the plan expects; each expectation that does not hold is said.
int judged(const PlanHead& plan, bool met, const results::Results& results) {
  if (!met) return 1;
  const std::vector<std::string> failed = runs::failures(plan.expectations, results);
  for (const std::string& line : failed) say(line);
  return failed.empty() ? 0 : 1;
}

void say_assumed_prices(const std::vector<PricedNode>& nodes) {
  for (const PricedNode& n : nodes)
    if (!n.assumed.empty()) say(n.assumed);
}

int size_job(const SizeOptions& options, PlanHead head) {
  Job job = read_job(std::move(head));
  say_assumed_prices(job.nodes);
  Kept kept(options, job);
  job.book = &kept.book();
  const Choice choice =
      kept.kept([&] { return choose(job, options.jobs, options.shard, kept.written() ? &kept.results() : nullptr); });
  if (options.shard.of > 1) return kept.finish_shard(options, choice.simulations);
  store(kept.results(), job, choice);
  const Answered answer{choice.end, choice.resolved};
  if (choice.winner) write_job_figures(kept.results(), choice);
  kept.finish(answer.end.interrupted ? "interrupted" : "complete", choice.simulations, answer);
  if (choice.winner && !options.scenario.empty())
    write_file(options.scenario, run_scenario_text(job, choice.entries[*choice.winner].mapping, choice.run->spares));
  options.json ? print_text(answer_json(job, choice)) : print_folded(answer_text(job, choice));
  if (!options.json) print_files(options, choice.winner.has_value());
  return judged(job, choice.winner.has_value(), kept.results());
}
}  // namespace

int size(const SizeOptions& options) {
  check_options(options);
  PlanHead head = read_plan_head(options.plan, options.overrides, options.seed);
  if (asks_for_training(head)) return size_job(options, std::move(head));
  Plan plan = read_plan(std::move(head));
  say_assumed_prices(plan.nodes);
  if (const std::string beyond = beyond_text(plan); !beyond.empty()) say(beyond);
  Kept kept(options, plan);
  plan.book = &kept.book();
  plan.book->forget_asked();
  SharedTrials shared;
  plan.shared = &shared;
  Search found = kept.kept([&] { return search(plan, options.jobs, options.shard); });
  const auto simulations = [&] { return int(plan.book->asked()); };
  if (options.shard.of > 1) return kept.finish_shard(options, simulations());
  std::vector<Variation> variations;
  Answered answer;
  const std::function<void()> keep = [&] {
    answer = keep_answer(kept.results(), winner_text(plan, found.entries[*found.winner]), plan);
  };
  if (found.winner)
    variations = kept.kept(
        [&] { return vary(plan, found.entries[*found.winner], options.jobs, kept.written() ? keep : nullptr); });
  if (found.winner) found.relaxations = kept.kept([&] { return relax(plan, found, options.jobs); });
  store(kept.results(), plan, found, variations);
  if (found.winner && kept.written()) write_targets(kept.results(), plan);
  if (found.winner) write_figures(kept.results(), plan, found.entries[*found.winner]);
  kept.finish(answer.end.interrupted ? "interrupted" : "complete", simulations(), answer);
  if (found.winner && !options.scenario.empty())
    write_file(options.scenario, winner_text(plan, found.entries[*found.winner]));
  print_answer(options, plan, found, variations);
  const std::vector<std::string> missed = required_missed(plan, found);
  for (const std::string& line : missed) say("required and not held: " + line);
  return judged(plan, found.winner.has_value() && missed.empty(), kept.results());
}
}  // namespace moesim::sizing
