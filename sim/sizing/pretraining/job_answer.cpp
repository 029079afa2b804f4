#include "sizing/pretraining/job_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "formats/json.h"
#include "results/summary.h"
#include "sizing/design.h"

namespace moesim::sizing {
namespace {
std::string name_of_node(const MappingEntry& e) { return node_name(*e.mapping.node); }

std::string first_lines(const Job& job, const Choice& c) {
  const MappingEntry& w = c.entries[*c.winner];
  const StepResult& r = *w.result;
  const Mapping& m = w.mapping;
  std::string out = fmt::format("{} GPUs, {} node{} of {}: {}\n", m.gpus(), m.nodes, m.nodes == 1 ? "" : "s",
                                name_of_node(w), text_of(m));
  out += fmt::format(
      "{}, {} USD ({:.2f} USD/h); step {:.3g} s, MFU {:.1f} %, {:.1f} of {:.1f} usable GB on the fullest "
      "GPU\n",
      days_text(w.days(job)), results::pretty(w.cost(job), ""), m.cost_per_hour(), r.step, 100 * r.mfu_bf16,
      double(r.peak_memory) * 1e-9, double(m.node->node.gpu.usable().v) * 1e-9);
  out += fmt::format("of a step, {:.1f} % waits for the pipeline and {:.1f} % for exchanges and collectives\n",
                     100 * r.bubble / r.step, 100 * r.exposed / r.step);
  if (!r.memory.empty()) out += fmt::format("that GPU holds {}\n", r.memory);
  if (c.run)
    out += fmt::format("the whole run{}: {}, {} GPU-hours, {} USD, goodput {:.1f} %\n",
                       job.run_text.empty() ? "" : ", with checkpoints and failures", days_text(c.run->days),
                       results::pretty(c.run->gpu_hours, ""), results::pretty(c.run->cost, ""), 100 * c.run->goodput);
  return out;
}

std::string run_text(const Choice& c) {
  if (c.with_spares.empty()) return "";
  results::TextTable table({"spare nodes", "time", "USD", "goodput", "failures", "saving", "lost", "restarts",
                            "waiting for a spare", "slow GPUs"});
  const auto days = [](double d) { return results::pretty(d * 86400, "s"); };
  for (const RunFigures& r : c.with_spares)
    table.add({fmt::format("{}{}", r.spares, r.spares == c.run->spares ? " (asked)" : ""), days_text(r.days),
               results::pretty(r.cost, ""), fmt::format("{:.1f} %", 100 * r.goodput), fmt::format("{:.0f}", r.failures),
               days(r.saving), days(r.lost), days(r.restarting), days(r.waiting), days(r.straggling)});
  return "\nThe whole run, by the nodes kept in waiting (their price is not among the USD)\n" + table.text(1);
}

/// What would have to change for the nearest to do.
std::string change_text(const Job& job, const MappingEntry& e) {
  const JobTargets& t = job.section.targets;
  const double days = e.hours(job, e.result ? e.result->step : e.least) / 24;
  const double cost = days * 24 * e.mapping.cost_per_hour();
  std::string out;
  if (t.days > 0 && days > t.days)
    out += fmt::format("It would do with {}, or on about {} such nodes if it scaled.\n", days_text(days),
                       std::int64_t(e.mapping.nodes * days / t.days + 1));
  if (t.cost > 0 && cost > t.cost) out += fmt::format("It would do with {} USD.\n", results::pretty(cost, ""));
  return out;
}

std::string nearest(const Job& job, const Choice& c) {
  const MappingEntry* best = nullptr;
  for (const MappingEntry& e : c.entries)
    if (e.result && (best == nullptr || e.days(job) < best->days(job))) best = &e;
  if (best != nullptr)
    return fmt::format("Nothing meets the targets. Nearest: {} on {} GPUs: {}\n", text_of(best->mapping),
                       best->mapping.gpus(), best->reason) +
           change_text(job, *best);
  const MappingEntry* least = nullptr;
  for (const MappingEntry& e : c.entries)
    if (e.fate == MappingFate::misses && (least == nullptr || e.least < least->least)) least = &e;
  if (least != nullptr)
    return fmt::format("Nothing meets the targets. Nearest: {} on {} GPUs: {}\n", text_of(least->mapping),
                       least->mapping.gpus(), least->reason) +
           change_text(job, *least);
  return c.entries.empty() ? fmt::format(
                                 "No mapping can be formed: no number of GPUs that may be had, with the degrees "
                                 "asked, divides into replicas of the batch of {} and {} layers.\n",
                                 job.batch, job.model.layers)
                           : fmt::format("Nothing fits. For example {} on {} GPUs: {}\n", text_of(c.entries[0].mapping),
                                         c.entries[0].mapping.gpus(), c.entries[0].reason);
}

results::TextTable table_of_mappings() {
  return results::TextTable(
      {"node", "GPUs", "mapping", "step", "time", "USD", "MFU", "memory", "fate", "what binds, or why it fell"});
}
void add_row(results::TextTable& table, const Job& job, const MappingEntry& e) {
  table.add({name_of_node(e), fmt::to_string(e.mapping.gpus()), text_of(e.mapping),
             results::pretty(e.result->step, "s"), days_text(e.days(job)), results::pretty(e.cost(job), ""),
             fmt::format("{:.1f} %", 100 * e.result->mfu_bf16), results::pretty(double(e.result->peak_memory), "B"),
             std::string(name_of(e.fate)), e.reason});
}

std::string each_text(const Job& job, const Choice& c) {
  results::TextTable table = table_of_mappings();
  for (const std::size_t i : c.best_of_each()) add_row(table, job, c.entries[i]);
  return table.empty() ? "" : "\nThe fastest of each kind and number of nodes\n" + table.text(2);
}

std::string rivals_text(const Job& job, const Choice& c) {
  constexpr std::size_t kShown = 8;
  if (!c.winner) return "";
  const Mapping& m = c.entries[*c.winner].mapping;
  std::vector<const MappingEntry*> all;
  for (const MappingEntry& e : c.entries)
    if (e.result && e.mapping.node == m.node && e.mapping.nodes == m.nodes) all.push_back(&e);
  std::ranges::stable_sort(all, {}, [](const MappingEntry* e) { return e->result->step; });
  if (all.size() > kShown) all.resize(kShown);
  results::TextTable table = table_of_mappings();
  for (const MappingEntry* e : all) add_row(table, job, *e);
  return "\nThe fastest on the same nodes\n" + table.text(2);
}

std::string ledger_text(const Choice& c) {
  std::map<std::string, std::pair<int, std::string>> fell;
  for (const MappingEntry& e : c.entries) {
    if (e.reason.empty()) continue;
    auto& [count, text] = fell[e.reason.substr(0, e.reason.find(':'))];
    if (count++ == 0) text = text_of(e.mapping) + ": " + e.reason;
  }
  results::TextTable table({"fell by", "mappings", "for example"});
  for (const auto& [reason, what] : fell) table.add({reason, fmt::to_string(what.first), what.second});
  return table.empty() ? "" : "\nWhy the others fell (all of them: table mapping)\n" + table.text(2);
}

formats::Json entry_json(const Job& job, const MappingEntry& e) {
  const Mapping& m = e.mapping;
  formats::Json out = {{"node", name_of_node(e)},
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
  return out;
}
}  // namespace

std::string answer_text(const Job& job, const Choice& c) {
  std::string out = job.title.empty() ? "" : job.title + "\n\n";
  out += c.winner ? first_lines(job, c) : nearest(job, c);
  out += fmt::format("{} mappings formed or refused, {} simulations of a step\n", c.entries.size(), c.simulations);
  return out + run_text(c) + each_text(job, c) + rivals_text(job, c) + ledger_text(c);
}

std::string answer_json(const Job& job, const Choice& c) {
  formats::Json out = {{"title", job.title}, {"seed", job.seed}, {"met", c.winner.has_value()}};
  if (c.winner) out["answer"] = entry_json(job, c.entries[*c.winner]);
  if (c.run)
    out["run"] = {{"run_days", c.run->days},
                  {"run_gpu_hours", c.run->gpu_hours},
                  {"run_cost", c.run->cost},
                  {"run_goodput", c.run->goodput},
                  {"run_energy", c.run->energy}};
  for (const RunFigures& r : c.with_spares)
    out["with_spares"].push_back({{"spare_nodes", r.spares},
                                  {"run_days", r.days},
                                  {"run_cost", r.cost},
                                  {"run_goodput", r.goodput},
                                  {"failures", r.failures},
                                  {"waiting_days", r.waiting}});
  out["candidates"] = formats::Json::array();
  for (const MappingEntry& e : c.entries) out["candidates"].push_back(entry_json(job, e));
  out["simulations"] = c.simulations;
  return formats::json_text(out, 2) + "\n";
}

void store(results::Results& results, const Job& job, const Choice& c) {
  using Value = results::Results::Value;
  for (std::size_t i = 0; i < c.entries.size(); ++i) {
    const MappingEntry& e = c.entries[i];
    const Mapping& m = e.mapping;
    const auto known = [&](auto&& f) { return e.result ? Value(f()) : results::Results::null(); };
    results.add(results::Table::mapping, {i,
                                          name_of_node(e),
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
                                          known([&] { return e.cost(job); })});
  }
}
}  // namespace moesim::sizing
