// The answer to a training plan as JSON, and as rows.
#include <fmt/format.h>

#include <initializer_list>

#include "core/words.h"
#include "formats/json.h"
#include "sizing/design.h"
#include "sizing/pretraining/job_answer.h"
#include "sizing/pretraining/judging.h"

namespace moesim::sizing {
namespace {
formats::Json run_json(const Job& job, const DrawnRun& r) {
  return {{"spare_nodes", r.spares},
          {"run_days", r.days},
          {"run_days_within", r.within_days},
          {"run_gpu_hours", r.gpu_hours},
          {"run_paid_gpus", r.paid_gpus},
          {"run_cost", r.cost},
          {"run_cost_within", r.within_cost},
          {"run_goodput", r.goodput},
          {"run_energy", r.energy},
          {"run_share_met", r.met},
          {"draws", job.draws()},
          {"failures", r.failures},
          {"waiting_days", r.waiting},
          {"run_days_of_seed", r.own.days},
          {"run_cost_of_seed", r.own.cost}};
}

formats::Json entry_json(const Job& job, const MappingEntry& e) {
  const Mapping& m = e.mapping;
  formats::Json out = {{"node", node_name(*m.node)},
                       {"nodes", m.nodes},
                       {"gpus", m.gpus()},
                       {"mapping", text_of(m)},
                       {"tensor", m.tensor},
                       {"context", m.context},
                       {"pipeline", m.pipeline},
                       {"expert", m.expert},
                       {"expert_tensor", m.expert_tensor},
                       {"data", m.data()},
                       {"zero", m.zero},
                       {"micro_batch", m.micro_batch},
                       {"schedule", m.schedule},
                       {"recompute", name_of(m.recompute)},
                       {"fate", name_of(e.fate)},
                       {"reason", e.reason},
                       {"least_step", e.least}};
  if (!e.result) return out;
  out["step_time"] = e.result->step;
  out["mfu_bf16_causal"] = e.result->mfu_bf16;
  out["peak_memory"] = e.result->peak_memory;
  out["memory"] = e.result->memory;
  out["days"] = e.days(job);
  out["cost"] = e.cost(job);
  if (e.run) out["run"] = run_json(job, *e.run);
  return out;
}
}  // namespace

std::string answer_json(const Job& job, const Choice& c) {
  formats::Json out = {{"title", job.title}, {"seed", job.seed}, {"met", c.winner.has_value()}};
  if (c.winner) out["answer"] = entry_json(job, c.entries[*c.winner]);
  if (c.run) out["run"] = run_json(job, *c.run);
  for (const DrawnRun& r : c.with_spares) out["with_spares"].push_back(run_json(job, r));
  for (const NextStep& n : c.next)
    out["next"].push_back({{"what", n.what},
                           {"met", n.met},
                           {"paid_gpus", n.gpus},
                           {"days", n.days},
                           {"cost", n.cost},
                           {"standing", n.standing}});
  out["candidates"] = formats::Json::array();
  for (const MappingEntry& e : c.entries) out["candidates"].push_back(entry_json(job, e));
  out["simulations"] = c.simulations;
  out["runs"] = c.runs;
  return formats::json_text(out, 2) + "\n";
}

void store(results::Results& results, const Job& job, const Choice& c) {
  using Value = results::Results::Value;
  for (std::size_t i = 0; i < c.entries.size(); ++i) {
    const MappingEntry& e = c.entries[i];
    const Mapping& m = e.mapping;
    const auto of_run = [&](auto&& f) { return e.run ? Value(f()) : results::Results::null(); };
    const auto known = [&](auto&& f) { return e.result ? Value(f()) : results::Results::null(); };
    results.add(results::Table::mapping, {i,
                                          node_name(*m.node),
                                          m.nodes,
                                          m.gpus(),
                                          text_of(m),
                                          m.tensor,
                                          m.context,
                                          m.pipeline,
                                          m.expert,
                                          m.expert_tensor,
                                          m.data(),
                                          m.zero,
                                          m.micro_batch,
                                          m.schedule,
                                          std::string(name_of(m.recompute)),
                                          std::string(name_of(e.fate)),
                                          e.reason,
                                          e.least,
                                          known([&] { return e.result->step; }),
                                          known([&] { return e.result->mfu_bf16; }),
                                          known([&] { return e.result->bubble; }),
                                          known([&] { return e.result->exposed; }),
                                          known([&] { return e.result->peak_memory; }),
                                          known([&] { return e.days(job); }),
                                          known([&] { return e.cost(job); }),
                                          of_run([&] { return e.run->days; }),
                                          of_run([&] { return e.run->cost; }),
                                          of_run([&] { return e.run->spares; }),
                                          of_run([&] { return e.run->within_days; }),
                                          of_run([&] { return e.run->within_cost; }),
                                          of_run([&] { return e.run->met; })});
  }
  for (const DrawnRun& r : c.with_spares)
    results.add(
        results::Table::variation,
        {"spares", counted(r.spares, "spare node"), int(missed(job, r.within_days, r.within_cost, true).empty()),
         int(r.paid_gpus), r.days > 0 ? r.cost / (24 * r.days) : 0, drawn_text(job, r)});
  for (const NextStep& n : c.next)
    results.add(results::Table::variation,
                {"variation", n.what, int(n.met), int(n.gpus), n.days > 0 ? n.cost / (24 * n.days) : 0, n.standing});
}

void write_job_figures(results::Results& results, const Choice& choice) {
  const MappingEntry& w = choice.entries[*choice.winner];
  const DrawnRun& run = *choice.run;
  const auto metric = [&](std::string_view name, double value, std::string_view unit) {
    if (!results.has_metric(name)) results.metric(name, value, unit);
  };
  metric("gpus", w.mapping.gpus(), "");
  metric("step_time", w.result->step, "s");
  metric("mfu_bf16_causal", w.result->mfu_bf16, "");
  metric("peak_memory", double(w.result->peak_memory), "B");
  metric("data_parallel", w.mapping.data(), "");
  metric("run_paid_gpus", run.paid_gpus, "");
  metric("run_days", run.own.days, "days");
  metric("run_cost", run.own.cost, "USD");
  metric("run_goodput", run.own.goodput, "");
  metric("run_days_mean", run.days, "days");
  metric("run_days_within", run.within_days, "days");
  metric("run_cost_mean", run.cost, "USD");
  metric("run_cost_within", run.within_cost, "USD");
  metric("run_share_met", run.met, "");
}
}  // namespace moesim::sizing
