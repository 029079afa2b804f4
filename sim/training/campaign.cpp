#include "training/campaign.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <queue>

#include "core/ceil_div.h"
#include "core/interrupt.h"
#include "core/random.h"
#include "core/range.h"
#include "spec/catalogue.h"

namespace moesim::training {
namespace {
constexpr double kHour = 3600;
// Ten in a row without a checkpoint between are unlikely; so many never end.
constexpr std::int64_t kMostFailures = 10'000;
constexpr std::int64_t kListen = 1 << 20;  // turns between two looks for the user's signal

/// When the next thing of a kind happens; rate in events a second, 0 for never.
class Arrivals {
 public:
  Arrivals(double rate, std::uint64_t seed, std::string_view name) : rate_(rate), random_(seed, name) { draw(0); }
  double next() const { return next_; }
  void draw(double now) { next_ = rate_ > 0 ? now + random_.exponential(1 / rate_) : 1e300; }

 private:
  double rate_, next_ = 1e300;
  Random random_;
};

double rate(int count, double mtbf_hours) { return mtbf_hours > 0 ? count / (mtbf_hours * kHour) : 0; }

class Player {
 public:
  Player(const CampaignSection& section, int gpus, int nics, int nodes, double slow_factor, std::uint64_t seed)
      : s_(section),
        slow_factor_(slow_factor),
        gpu_(rate(gpus, s_.failures.gpu_mtbf_hours), seed, "gpu failures"),
        nic_(rate(nics, s_.failures.nic_mtbf_hours), seed, "nic failures"),
        node_(rate(nodes, s_.failures.node_mtbf_hours), seed, "node failures"),
        slow_(rate(gpus, s_.stragglers.gpu_mtbf_hours), seed, "stragglers"),
        spares_(s_.failures.spare_nodes) {}

  CampaignOutcome play(const std::vector<CampaignPart>& parts) {
    for (const CampaignPart& part : parts) {
      done_ = saved_ = 0;  // tokens of this part
      save();              // parts begin from a checkpoint
      while (done_ < part.tokens) {
        if (++turns_ % kListen == 0) stop_if_interrupted();
        if (const double steps = uneventful_steps(part); steps >= 1)
          take(part, steps);
        else
          step(part);
      }
      out_.tokens += done_;
    }
    out_.seconds = now_;
    return out_;
  }

 private:
  static int batch_at(const CampaignPart& part, double tokens) {
    if (part.ramp_from <= 0 || tokens >= part.ramp_tokens) return part.batch;
    return part.ramp_from + int((part.batch - part.ramp_from) * tokens / part.ramp_tokens);
  }
  /// Tokens after which the batch is another.
  static double batch_ends(const CampaignPart& part, double tokens) {
    if (part.ramp_from <= 0 || tokens >= part.ramp_tokens || part.batch == part.ramp_from) return 1e300;
    const int next = batch_at(part, tokens) - part.ramp_from + (part.batch > part.ramp_from ? 1 : -1);
    return std::min(part.ramp_tokens, part.ramp_tokens * next / (part.batch - part.ramp_from));
  }
  double step_seconds(const CampaignPart& part) const {
    return part.step.at(batch_at(part, done_)) * (now_ < slow_until_ ? slow_factor_ : 1);
  }
  /// Steps from here that are all alike, with nothing after any of them; fewer rather than more.
  double uneventful_steps(const CampaignPart& part) const {
    const double takes = step_seconds(part), tokens = double(batch_at(part, done_)) * part.sequence;
    const double happens =
        std::min({gpu_.next(), nic_.next(), node_.next(), now_ < slow_until_ ? slow_until_ : slow_.next(),
                  now_ + s_.checkpoint.interval_hours * kHour - unsaved_});
    return std::floor(
               std::min((happens - now_) / takes, (std::min(part.tokens, batch_ends(part, done_)) - done_) / tokens)) -
           1;
  }
  void take(const CampaignPart& part, double steps) {
    const int batch = batch_at(part, done_);
    const double takes = step_seconds(part), plain = part.step.at(batch);
    out_.straggling += steps * (takes - plain);
    out_.productive += steps * plain;
    now_ += steps * takes;
    unsaved_ += steps * takes;
    done_ += steps * batch * part.sequence;
    out_.steps += std::int64_t(steps);
  }
  void save() {
    saved_ = done_;
    unsaved_ = 0;
    failures_ = 0;
  }

  void step(const CampaignPart& part) {
    const bool slow = now_ < slow_until_;
    const double fails = std::min({gpu_.next(), nic_.next(), node_.next()});
    if (fails < now_ + step_seconds(part)) return fail(fails);
    take(part, 1);
    if (!slow && slow_.next() <= now_) {
      ++out_.stragglers;
      slow_until_ = now_ + s_.stragglers.detect_hours * kHour;
    }
    if (slow && now_ >= slow_until_) {  // found: replaced from a checkpoint made for it
      slow_.draw(now_);
      checkpoint();
      restart({now_, out_.tokens + done_, "straggler"});
    }
    if (unsaved_ >= s_.checkpoint.interval_hours * kHour) checkpoint();
  }
  void checkpoint() {
    now_ += s_.checkpoint.pause;
    out_.checkpoints += s_.checkpoint.pause;
    save();
  }
  void fail(double when) {
    if (++failures_ > kMostFailures)
      throw ConfigError("failures", fmt::format("the run does not get on: {} failures before the next checkpoint; they "
                                                "come too fast for checkpoint.interval_hours {}",
                                                kMostFailures, s_.checkpoint.interval_hours));
    const double part_of_step = std::max(0.0, when - now_);
    out_.checkpoints -= std::max(0.0, now_ - when);  // it cut a checkpoint's pause short
    now_ = when;
    const double lost = unsaved_ + part_of_step;
    out_.lost += lost;
    out_.productive -= std::min(out_.productive, unsaved_);
    done_ = saved_;
    unsaved_ = 0;
    const auto kind = gpu_.next() <= now_ ? "gpu" : nic_.next() <= now_ ? "nic" : "node";
    if (gpu_.next() <= now_) ++out_.gpu_failures, gpu_.draw(now_);
    if (nic_.next() <= now_) ++out_.nic_failures, nic_.draw(now_);
    if (node_.next() <= now_) ++out_.node_failures, node_.draw(now_);
    restart({now_, out_.tokens + done_, kind, lost});
  }
  /// Takes a spare node, waiting for a repair if there is none.
  void restart(Incident incident) {
    for (; !repaired_.empty() && repaired_.top() <= now_; repaired_.pop()) ++spares_;
    repaired_.push(now_ + s_.failures.repair_hours * kHour);
    if (spares_ > 0) {
      --spares_;
    } else {
      out_.waiting += incident.waiting = repaired_.top() - now_;
      now_ = repaired_.top();
      repaired_.pop();
    }
    now_ += s_.failures.restart_hours * kHour;
    out_.restarting += incident.restart = s_.failures.restart_hours * kHour;
    if (out_.incidents.size() < CampaignOutcome::kMostIncidents) out_.incidents.push_back(incident);
    for (Arrivals* a : {&gpu_, &nic_, &node_})  // nothing breaks while nothing runs
      if (a->next() <= now_) a->draw(now_);
  }

  const CampaignSection& s_;
  double slow_factor_;
  Arrivals gpu_, nic_, node_, slow_;
  int spares_;
  std::priority_queue<double, std::vector<double>, std::greater<>> repaired_;
  std::int64_t failures_ = 0;  // since the last checkpoint
  std::int64_t turns_ = 0;
  double now_ = 0, done_ = 0, saved_ = 0, unsaved_ = 0, slow_until_ = -1;
  CampaignOutcome out_;
};

double step_seconds(const Config& scenario, std::uint64_t seed, const PlanChange& change, results::StudyEnd& end) {
  TrainingSetup setup(scenario, seed, change);
  const schedule::StepOutcome step = setup.run(0, nullptr);
  end.events += setup.engine().executed();
  end.fingerprint = (end.fingerprint ^ setup.engine().fingerprint()) * 0x9E3779B97F4A7C15;
  return seconds(step.step);
}

/// Half of the batch, if the schedule takes it: the second point of the line.
StepLine line_of(const Config& scenario, std::uint64_t seed, const TrainingPlan& plan, double step_time,
                 results::StudyEnd& end) {
  const int batch = plan.section.batch, sequence = plan.section.sequence;
  const int share = plan.data * plan.section.micro_batch;
  const int half = batch / share / 2 / plan.schedule.ranks * plan.schedule.ranks * share;
  const auto policy = schedule::pipeline_schedules().make_or(scenario.at("training"), "schedule", "1f1b");
  if (half <= 0 || half == batch || !policy->refusal(plan.schedule.ranks, half / share).empty()) return {step_time, 0};
  const double other = step_seconds(scenario, seed, {half, sequence, {}}, end);
  const double slope = (step_time - other) / (batch - half);
  return {step_time - slope * batch, slope};
}
}  // namespace

void check_campaign(const Config& scenario) {
  const Config config = scenario.at("training").at("run");
  const CampaignSection section = read_campaign(config);
  for (std::size_t i = 0; i < section.phases.size(); ++i) try {
      read_plan(scenario, {section.phases[i].batch, section.phases[i].sequence, {}});
    } catch (const ConfigError& e) {
      config.fail_below(fmt::format("phases[{}]", i), fmt::format("its steps cannot be formed: {}", e.problem()));
    }
}

CampaignOutcome play_campaign(const std::vector<CampaignPart>& parts, const CampaignSection& section, int gpus,
                              int nics, int nodes, double slow_factor, std::uint64_t seed) {
  return Player(section, gpus, nics, nodes, slow_factor, seed).play(parts);
}

CampaignSteps campaign_steps(const Config& scenario, std::uint64_t seed, const CampaignSection& section,
                             const TrainingPlan& plan, double step_time, results::StudyEnd& end) {
  CampaignSteps out;
  CampaignPart& main = out.parts.emplace_back();
  main = {section.tokens,    plan.section.sequence, plan.section.batch,
          section.ramp.from, section.ramp.tokens,   {step_time, 0}};
  if (section.ramp.from > 0) main.step = line_of(scenario, seed, plan, step_time, end);
  for (const SequencePhase& phase : section.phases) {
    const double step = step_seconds(scenario, seed, {phase.batch, phase.sequence, {}}, end);
    out.parts.push_back({phase.tokens, phase.sequence, phase.batch, 0, 0, {step, 0}});
  }
  if (section.stragglers.gpu_mtbf_hours > 0) {
    const PlanChange change{0, 0, {{plan.gpus / 2, section.stragglers.speed}}};
    out.slow_factor = std::max(1.0, step_seconds(scenario, seed, change, end) / step_time);
  }
  const spec::Node& node = plan.cluster.node;
  out.gpus = plan.gpus;
  out.nodes = ceil_div(plan.gpus, node.gpus);
  out.nics = out.nodes * node.nics;
  return out;
}

void run_campaign(results::StudyRun& run, TrainingSetup& setup, const StepFigures& figures, results::StudyEnd& end) {
  const Config config = run.scenario.at("training").at("run");
  const CampaignSection section = read_campaign(config);
  const TrainingPlan& plan = setup.plan();
  const CampaignSteps steps = campaign_steps(run.scenario, run.seed, section, plan, figures.step_time, end);
  if (section.stragglers.gpu_mtbf_hours > 0) run.results.metric("straggler_step_factor", steps.slow_factor, "");
  const spec::Node& node = plan.cluster.node;
  const CampaignOutcome out = config.placed([&] { return steps.play(section, run.seed); });
  const double gpu_hours = out.seconds / kHour * plan.gpus;
  // A node is paid for whole, one in waiting too: plan.cluster has only the GPUs that compute (gpus_per_node).
  const double paid =
      (double(steps.nodes) + section.failures.spare_nodes) * spec::read_cluster(run.scenario.at("cluster")).node.gpus;
  results::Results& r = run.results;
  for (const Incident& i : out.incidents)
    r.add(results::Table::incident, {i.time, i.kind, i.tokens, i.lost, i.waiting, i.restart});
  r.metric("run_days", out.seconds / 86400, "days");
  r.metric("run_steps", double(out.steps), "");
  r.metric("run_tokens", out.tokens, "tokens");
  r.metric("run_tokens_per_day", out.tokens / out.seconds * 86400, "tokens/day");
  r.metric("run_goodput", out.productive / out.seconds, "");
  r.metric("run_checkpoint_time", out.checkpoints, "s");
  r.metric("run_lost_time", out.lost, "s");
  r.metric("run_restart_time", out.restarting, "s");
  r.metric("run_waiting_time", out.waiting, "s");
  r.metric("run_straggling_time", out.straggling, "s");
  r.metric("run_gpu_failures", double(out.gpu_failures), "");
  r.metric("run_nic_failures", double(out.nic_failures), "");
  r.metric("run_node_failures", double(out.node_failures), "");
  r.metric("run_stragglers", double(out.stragglers), "");
  r.metric("run_gpu_hours", gpu_hours, "h");
  r.metric("run_paid_gpus", paid, "");
  r.metric("run_cost", out.seconds / kHour * paid * node.gpu.price.v, "USD");
  r.metric("run_energy", out.seconds * plan.gpus * node.gpu.power.v * section.power_share, "J");
}
}  // namespace moesim::training
