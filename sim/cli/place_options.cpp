#include "cli/place_options.h"

#include "cli/numbers.h"
#include "cli/options.h"
#include "cli/place_words.h"

namespace moesim::cli {
namespace {
/// What is placed, by which strategies, on what.
void add_problem(CLI::App& verb, PlaceGiven& given) {
  verb.add_option("files", given.files, "traces and counts to plan from, told apart by what they hold");
  add_list(verb, "--trace", given.traces, "recorded routing to plan from (see moesim trace)");
  add_list(
      verb, "--loads", given.loads,
      "counts to plan from: JSON {\"logical_count\": [[..]]} or a bare matrix, CSV, .npy; several give a cross table");
  verb.add_flag("--together", given.together,
                "one plan from all of them: strategies that know windows take them as such, others their mean");
  add_list(verb, "--strategy", given.strategies,
           "one or several of `moesim list placement` (default: contiguous, eplb, robust)");
  verb.add_option("--set", given.sets, "a strategy's parameter: local_search.start=eplb (repeat for more)")
      ->delimiter(',')
      ->allow_extra_args(false);
  verb.add_option("--gpus", given.gpus, "GPUs of the expert-parallel group (default: the cluster's)")
      ->check(whole_number(1, kMostPlaces));
  verb.add_option("--nodes", given.nodes, "nodes they are on (default: as the cluster's GPUs are, else 1)")
      ->check(whole_number(1, kMostPlaces));
  add_list(verb, "--slots", given.slot_words,
           "slots of a layer, copies included; several are compared (default: one an expert)")
      ->type_name("INT");
  verb.add_option("--groups", given.groups, "expert groups of the gate (default: the trace's or model's, else 1)")
      ->check(whole_number(1, 65'536));
  verb.add_flag("--keep-groups", given.keep_groups, "every strategy keeps a group on one node");
  add_list(verb, "--gpu-slots", given.gpu_slot_words, "slots of each GPU, where they differ")->type_name("INT");
  add_list(verb, "--gpu-speed", given.gpu_speed_words, "relative speed of each GPU, where they differ")
      ->type_name("FLOAT");
}

/// What placements are scored on, and for.
void add_scoring(CLI::App& verb, PlaceGiven& given) {
  add_list(verb, "--eval", given.evals, "traces or counts to score on (default: all that was planned from)");
  add_list(verb, "--window", given.windows,
           "plan from these tokens of the trace only: FIRST:END; several are planned from one by one, or --together");
  add_list(verb, "--eval-window", given.eval_windows, "score on these tokens of the trace only: FIRST:END");
  verb.add_option("--window-minutes", given.window_minutes,
                  "what is given are windows in order, so many minutes apart: also print balance by minutes since the "
                  "plan")
      ->check(number_above_zero());
  verb.add_option("--windows-a-plan", given.windows_a_plan, "with that: consecutive windows a plan is made from")
      ->check(whole_number(1, 10'000))
      ->capture_default_str();
  verb.add_option(
      "--sharing", given.sharing,
      "how copies share rows when balance is scored: even, planned (probabilities fixed with the plan) or balanced "
      "(a linear programme a batch); default: even, or as --replica-choice balances");
  verb.add_option("--replica-choice", given.replica_choice,
                  "which copy of an expert computes a source's rows of a trace: one of `moesim list replica_choice` "
                  "(default: nearest)");
  verb.add_option("--model", given.model, "for bytes, memory and times (default: the trace's)");
  verb.add_option("--cluster", given.cluster,
                  "for times, and what GPUs there are: an entry of `moesim list hardware`, or a YAML file");
  verb.add_option("--top-k", given.top_k, "choices of a token, where neither trace nor model says so")
      ->check(whole_number(1, 65'536));
  verb.add_option("--prefill-tokens", given.prefill_tokens, "tokens a GPU in a prefill step")
      ->check(whole_number(1, 1 << 24))
      ->capture_default_str();
  verb.add_option("--decode-tokens", given.decode_tokens, "tokens a GPU in a decode step")
      ->check(whole_number(1, 1 << 24))
      ->capture_default_str();
  verb.add_option("--context", given.context, "tokens of a sequence when steps are timed")
      ->check(whole_number(1, 1 << 24))
      ->capture_default_str();
  verb.add_option("--sample", given.sample, "tokens of the trace that strategies look at")
      ->check(whole_number(1, 1 << 24))
      ->capture_default_str();
}

void add_results(CLI::App& verb, PlaceGiven& given) {
  verb.add_option("--from", given.from, "the placement in force, any format: counts what has to move");
  verb.add_flag("--keep-places", given.keep_places, "renumber GPUs so that less moves from there");
  verb.add_flag("--layers", given.by_layer, "also print every layer");
  add_output(verb, "-o,--output", given.output,
             "file of the best placement to create (default: none; .db: a results database with everything)");
  add_output(verb, "--db", given.database, "also create a results database");
  verb.add_option("--format", given.format,
                  "json, csv, sglang, tensorrt-llm or vllm-ascend (default: by the output's name, else json); without "
                  "-o the placement is printed");
  verb.add_flag("--json", given.json, "print one JSON object, plan_time included");
}
}  // namespace

void add_place_options(CLI::App& verb, PlaceGiven& given) {
  add_problem(verb, given);
  add_scoring(verb, given);
  add_results(verb, given);
}
}  // namespace moesim::cli
