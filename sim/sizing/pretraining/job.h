// What a trainer asks: a model, tokens, a step that is settled or left open, and what may be bought.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/config.h"
#include "sizing/plan.h"
#include "training/campaign.h"
#include "training/plan.h"

namespace moesim::sizing {

struct JobTargets {
  double days = 0, cost = 0, share = 0.9;
  int gpus = 0;
  static void fields(auto& f, auto& p) {
    f("days", p.days, "that the run may take; 0: as few as can be");
    f("cost", p.cost, "that the run may cost, USD; 0: any");
    f("share", p.share,
      "of the draws of a run's failures (search.draws) that must be within days and cost, above 0 and at most 1");
    f("gpus", p.gpus, "most GPUs, those of spare nodes too; 0: all that may be had");
  }
};

struct JobCandidates {
  std::vector<Config> nodes;
  std::vector<int> counts, tensor, context, pipeline, expert, expert_tensor, zero{1}, micro_batch{1}, spare_nodes;
  std::vector<Config> schedule;
  std::vector<training::RecomputeKind> recompute{training::RecomputeKind::none, training::RecomputeKind::selective,
                                                 training::RecomputeKind::full};
  static void fields(auto& f, auto& p) {
    f.required("nodes", p.nodes, "kinds of node: names, or maps with price and number");
    f("counts", p.counts,
      "numbers of nodes; default: all that may be had, the largest power of two below, and a half, a quarter and an "
      "eighth of both");
    f("tensor", p.tensor, "GPUs that share attention; default: powers of two in a node that divide the heads");
    f("context", p.context, "GPUs that share a sequence; default 1");
    f("pipeline", p.pipeline, "stages; default: powers of two up to 32");
    f("expert", p.expert, "GPUs that share the experts; default: powers of two that divide them");
    f("expert_tensor", p.expert_tensor, "GPUs that share each expert's width; default 1");
    f("zero", p.zero, "ZeRO stages");
    f("micro_batch", p.micro_batch, "sequences that pass the pipeline together");
    f("schedule", p.schedule, "of pipelines; default 1f1b, interleaved_1f1b with two chunks, dualpipe");
    f("recompute", p.recompute, "the first that fits is taken: list the fastest first");
    f("spare_nodes", p.spare_nodes,
      "nodes in waiting, which are paid for and are among those that may be had; default: what "
      "training.run.failures.spare_nodes says, else none and powers of two, as far as they pay");
  }
};

struct JobSearch {
  int keep = 5, draws = 100;
  static void fields(auto& f, auto& p) {
    f("keep", p.keep, "of the fastest whose step was drawn out from fewer micro-batches, simulated in full");
    f("draws", p.draws,
      "of a whole run's failures, each of the seed after the one before, the same for all candidates: the mean over "
      "them ranks, targets.share of them must be within the targets");
  }
};

struct JobTraining {
  double tokens = 0;
  Config settings, run;
  static void fields(auto& f, auto& p) {
    f.required("tokens", p.tokens, "to train");
    f.required("settings", p.settings,
               "what all candidates share, as a scenario's training section: batch, sequence, ...");
    f("run", p.run,
      "checkpoints, failures, ramp, as training.run: targets are held against the whole run then, else against its "
      "steps alone; without checkpoint.interval_hours Young's interval is taken where checkpoint.pause and failures "
      "say it; default: none");
  }
};

struct JobSection {
  JobTraining training;
  JobTargets targets;
  JobCandidates candidates;
  JobSearch search;
  static void fields(auto& f, auto& p) {
    f.required("training", p.training, "what is to be trained");
    f("targets", p.targets, "what must hold");
    f.required("candidates", p.candidates, "what may be bought, and how a step may be laid out");
    f("search", p.search, "how far the search goes");
  }
};

struct Job : PlanHead {
  TextMap run, checkpoint, failures;   // keys of the whole run, and of two of its sections, which are not in `run`
  training::CampaignSection campaign;  // the whole run
  bool whole_run = false;              // it is asked for: what the plan is judged by
  bool fails = false;                  // something may, in the run, and takes a spare node
  bool free_interval = false;          // between checkpoints: Young's is taken
  std::vector<int> spares;             // numbers of spare nodes, rising; empty: as many as pay
  TextMap settings;                    // keys of the step that are settled
  std::vector<std::string> schedules;  // lines of YAML; empty: the usual
  int batch = 0;                       // sequences of a step
  int used_of_node = 0;                // GPUs of each node, as settings.gpus_per_node says; 0: all
  double step_tokens = 0;
  JobSection section;
  std::vector<PricedNode> nodes;
  TrialBook* book = nullptr;  // steps simulated before, and those to come; nullptr: nothing is kept

  /// Of a whole run: where nothing is drawn they would all be the same.
  int draws() const { return fails ? section.search.draws : 1; }
  int used_of(const PricedNode& node) const { return used_of_node > 0 ? used_of_node : node.node.gpus; }
  /// Of the full batch, for all tokens: whole ones.
  double steps() const;
  /// No run has fewer steps of the full batch: while it grows they are others.
  double least_steps() const;
};

/// Throws ConfigError before anything is simulated.
Job read_job(PlanHead head);
/// Keys of a plan's section `size` where a training run is asked for.
std::vector<KeyHelp> job_keys();
}  // namespace moesim::sizing
