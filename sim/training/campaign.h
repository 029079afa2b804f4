// A whole training run: many steps to a token target, with a batch ramp, longer sequences at the end, checkpoints,
// failures, repairs and stragglers.
#pragma once
#include <functional>
#include <vector>

#include "core/config.h"
#include "results/study.h"
#include "training/step.h"

namespace moesim::training {

/// Tokens trained with another sequence length and batch, after the main part.
struct SequencePhase {
  int sequence = 0, batch = 0;
  double tokens = 0;
  static void fields(auto& f, auto& p) {
    f.required("sequence", p.sequence, "tokens of a sequence");
    f.required("batch", p.batch, "sequences of a step");
    f.required("tokens", p.tokens, "tokens trained so");
  }
};

// Over twenty times the largest published run (Qwen3: 3.6e13); sums of tokens are still exact.
inline constexpr double kMostTokens = 1e15;

struct CampaignSection {
  double tokens = 0;
  struct Ramp {
    int from = 0;
    double tokens = 0;
    static void fields(auto& f, auto& p) {
      f("from", p.from, "sequences of the first steps; 0: no ramp");
      f("tokens", p.tokens, "tokens over which the batch grows to the full one, in proportion");
    }
  } ramp;
  std::vector<SequencePhase> phases;
  struct Checkpoint {
    double interval_hours = 1, pause = 0;
    static void fields(auto& f, auto& p) {
      f("interval_hours", p.interval_hours, "hours between two checkpoints");
      f("pause", p.pause, "seconds that training stands still for one");
    }
  } checkpoint;
  struct Failures {
    double gpu_mtbf_hours = 0, nic_mtbf_hours = 0, node_mtbf_hours = 0, restart_hours = 0.25, repair_hours = 24;
    int spare_nodes = 0;
    static void fields(auto& f, auto& p) {
      f("gpu_mtbf_hours", p.gpu_mtbf_hours, "mean hours between failures of one GPU; 0: never");
      f("nic_mtbf_hours", p.nic_mtbf_hours, "of one network adapter");
      f("node_mtbf_hours", p.node_mtbf_hours, "of the rest of one node");
      f("restart_hours", p.restart_hours, "from a failure until training goes on with a spare node");
      f("repair_hours", p.repair_hours, "until a failed node is a spare again");
      f("spare_nodes", p.spare_nodes, "nodes in waiting");
    }
  } failures;
  struct Stragglers {
    double gpu_mtbf_hours = 0, detect_hours = 1, speed = 0.8;
    static void fields(auto& f, auto& p) {
      f("gpu_mtbf_hours", p.gpu_mtbf_hours, "mean hours until one GPU turns slow; 0: never");
      f("detect_hours", p.detect_hours, "until it is found and replaced (with a restart)");
      f("speed", p.speed, "of a slow GPU's normal rate");
    }
  } stragglers;
  double power_share = 1;
  static void fields(auto& f, auto& p) {
    f.required("tokens", p.tokens, "tokens to train");
    f("ramp", p.ramp, "batch growth at the start");
    f("phases", p.phases, "longer sequences at the end");
    f("checkpoint", p.checkpoint, "saving");
    f("failures", p.failures, "what breaks, and how it is mended");
    f("stragglers", p.stragglers, "GPUs that turn slow");
    f("power_share", p.power_share, "mean power of a GPU and its share of the node, over the board limit");
  }
};

/// The section, each value of it in its range.  Throws ConfigError.
CampaignSection read_campaign(const Config& config);
/// The same of a section whose tokens stand elsewhere.
CampaignSection read_run(const Config& run, double tokens);
/// Throws ConfigError for a whole run that could not be played after the scenario's steps: numbers that make no sense,
/// phases whose steps cannot be formed.  Nothing is simulated.
void check_campaign(const Config& scenario);

/// Seconds of a step by its batch: a line through two simulated steps.
struct StepLine {
  double fixed = 0, per_sequence = 0;
  double at(int batch) const { return fixed + per_sequence * batch; }
};

/// One part of the run: tokens to train at one sequence length.
struct CampaignPart {
  double tokens = 0;
  int sequence = 0, batch = 0, ramp_from = 0;
  double ramp_tokens = 0;
  StepLine step;
};

/// What interrupted the run.
struct Incident {
  double time = 0, tokens = 0;                // s; trained and kept
  std::string_view kind;                      // gpu, nic, node or straggler
  double lost = 0, waiting = 0, restart = 0;  // s
};

struct CampaignOutcome {
  double seconds = 0, productive = 0, checkpoints = 0, lost = 0, restarting = 0, waiting = 0, straggling = 0;
  double tokens = 0;
  std::int64_t steps = 0, gpu_failures = 0, nic_failures = 0, node_failures = 0, stragglers = 0;
  std::vector<Incident> incidents;  // the first kMostIncidents
  static constexpr std::size_t kMostIncidents = 10'000;
};

/// Plays the run from one thing that happens to the next: a failure, a checkpoint, another batch.  slow_factor: how
/// much longer a step takes with one straggler.  Without stragglers the moments at which something fails, and those at
/// which the run goes on, depend on what may break, the spare nodes and the seed alone, not on what is computed.
CampaignOutcome play_campaign(const std::vector<CampaignPart>& parts, const CampaignSection& section, int gpus,
                              int nics, int nodes, double slow_factor, std::uint64_t seed);

/// What a run is played with: its steps, how much longer one takes with a slow GPU, and what may break.
struct CampaignSteps {
  std::vector<CampaignPart> parts;
  double slow_factor = 1;
  int gpus = 1, nics = 1, nodes = 1;
  CampaignOutcome play(const CampaignSection& section, std::uint64_t seed) const {
    return play_campaign(parts, section, gpus, nics, nodes, slow_factor, seed);
  }
};
/// Simulates the steps that the run needs besides one of `step_time` s: of a growing batch, of other sequences, with a
/// slow GPU.
CampaignSteps campaign_steps(const Config& scenario, std::uint64_t seed, const CampaignSection& section,
                             const TrainingPlan& plan, double step_time, results::StudyEnd& end);

/// Simulates the steps that the run needs besides `figures`, plays it, writes its metrics (run_days, run_cost, ...).
void run_campaign(results::StudyRun& run, TrainingSetup& setup, const StepFigures& figures, results::StudyEnd& end);
}  // namespace moesim::training
