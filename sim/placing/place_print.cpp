#include <fmt/format.h>

#include <algorithm>

#include "core/words.h"
#include "formats/json.h"
#include "placing/place.h"
#include "results/summary.h"

namespace moesim::placing {
namespace {
std::string percent(double share) { return fmt::format("{:.2f} %", share * 100); }

bool several(const std::vector<PlaceRow>& rows, std::string PlaceRow::*name) {
  return std::ranges::any_of(rows, [&](const PlaceRow& r) { return r.*name != rows[0].*name; });
}

std::string workload_line(const Workload& w) {
  const placement::Skew s = placement::skew(w.loads);
  std::string out = fmt::format("{}: {} of {} experts, expert load max/mean {:.2f}, Gini {:.3f}", w.name,
                                counted(w.loads.rows(), "MoE layer"), w.loads.experts, s.max_over_mean, s.gini);
  if (w.trace) out += fmt::format(", {} tokens", w.range.end - w.range.first);
  if (!w.loads.skipped.empty()) {
    out += "; skipped, no load:";
    for (const int layer : w.loads.skipped) out += fmt::format(" {}", layer);
  }
  return out + "\n";
}

std::string main_table(const PlaceResult& result) {
  const std::vector<PlaceRow>& rows = result.rows;
  const auto any = [&](auto has) { return std::ranges::any_of(rows, has); };
  const bool planned = several(rows, &PlaceRow::planned_on), scored = several(rows, &PlaceRow::scored_on);
  std::vector<std::string> header{"strategy", "slots"};
  if (planned) header.push_back("planned on");
  if (scored || planned) header.push_back("scored on");
  for (const char* h : {"mean/max", "max/mean-1", "worst layer", "gap to bound"}) header.push_back(h);
  const bool traffic = any([](const PlaceRow&r) { return r.traffic.has_value(); }),
             ports = any([](const PlaceRow&r) { return r.nic_bytes.v > 0 || r.nvlink_bytes.v > 0; }),
             memory = any([](const PlaceRow&r) { return r.memory.v > 0; }),
             wasted = any([](const PlaceRow&r) { return r.wasted_slots > 0; }),
             prefill = any([](const PlaceRow&r) { return r.prefill.has_value(); }),
             decode = any([](const PlaceRow&r) { return r.decode.has_value(); }),
             moves = any([](const PlaceRow&r) { return r.moves.has_value(); }),
             migration = any([](const PlaceRow&r) { return r.migration.v > 0; }),
             migration_time = any([](const PlaceRow&r) { return r.migration_time.v > 0; });
  if (traffic) header.insert(header.end(), {"nodes/token", "crossings/token"});
  if (ports) header.insert(header.end(), {"adapter", "NVLink"});
  if (memory) header.push_back("experts/GPU");
  if (wasted) header.push_back("slots wasted");
  if (prefill) header.insert(header.end(), {"prefill layer", "prefill step"});
  if (decode) header.insert(header.end(), {"decode layer", "decode step"});
  if (moves) header.push_back("moves");
  if (migration) header.push_back("to move");
  if (migration_time) header.push_back("in");
  results::TextTable table(header);
  for (const PlaceRow& r : rows) {
    std::vector<std::string> line{r.strategy, fmt::to_string(r.slots)};
    if (planned) line.push_back(r.planned_on);
    if (scored || planned) line.push_back(r.scored_on);
    double worst = 1;
    for (const placement::LayerScore& l : r.score.layers) worst = std::min(worst, l.balance);
    line.insert(line.end(), {fmt::format("{:.4f}", r.score.balancedness), fmt::format("{:.4f}", r.score.imbalance),
                             fmt::format("{:.4f}", worst), percent(r.score.gap)});
    // What a row lacks (counts have no tokens to send, say) is "-".
    const auto bytes = [&](bool there, Bytes b) { return there ? results::pretty(double(b.v), "B") : "-"; };
    if (traffic)
      line.insert(line.end(), {r.traffic ? fmt::format("{:.3f}", r.traffic->nodes_per_token) : "-",
                               r.traffic ? fmt::format("{:.3f}", r.traffic->crossings) : "-"});
    const bool sends = r.nic_bytes.v > 0 || r.nvlink_bytes.v > 0;
    if (ports) line.insert(line.end(), {bytes(sends, r.nic_bytes), bytes(sends, r.nvlink_bytes)});
    if (memory) line.push_back(bytes(r.memory.v > 0, r.memory));
    if (wasted) line.push_back(fmt::to_string(r.wasted_slots));
    for (const auto& [shown, phase] : {std::pair(prefill, &r.prefill), std::pair(decode, &r.decode)})
      if (shown)
        line.insert(line.end(), {*phase ? results::pretty(seconds((*phase)->layer), "s") : "-",
                                 *phase ? results::pretty(seconds((*phase)->step), "s") : "-"});
    if (moves) line.push_back(r.moves ? fmt::to_string(*r.moves) : "-");
    if (migration) line.push_back(bytes(r.moves.has_value(), r.migration));
    if (migration_time) line.push_back(r.moves ? results::pretty(seconds(r.migration_time), "s") : "-");
    table.add(line);
  }
  return table.text();
}

/// What each GB (or slot) of further copies buys.
std::string gains_table(const PlaceResult& result) {
  const std::vector<SlotGain> gains = slot_gains(result);
  if (gains.empty()) return "";
  const bool planned =
      std::ranges::any_of(gains, [&](const SlotGain& g) { return g.planned_on != gains[0].planned_on; });
  std::vector<std::string> header{"strategy"};
  if (planned) header.push_back("planned on");
  for (const char* h : {"slots", "from", "mean/max", "gained"}) header.push_back(h);
  if (gains[0].memory.v > 0)
    header.insert(header.end(), {"more on a GPU", "gained a GB"});
  else
    header.push_back("gained a slot");
  results::TextTable table(header);
  for (const SlotGain& g : gains) {
    std::vector<std::string> line{g.strategy};
    if (planned) line.push_back(g.planned_on);
    line.insert(line.end(), {fmt::to_string(g.slots), fmt::to_string(g.from), fmt::format("{:.4f}", g.balance),
                             fmt::format("{:+.4f}", g.gained)});
    if (g.memory.v > 0)
      line.insert(line.end(), {results::pretty(double(g.memory.v), "B"),
                               fmt::format("{:+.4f}", g.gained / (double(g.memory.v) / 1e9))});
    else
      line.push_back(fmt::format("{:+.5f}", g.gained / (g.slots - g.from)));
    table.add(line);
  }
  return "\nwhat further copies buy\n" + table.text();
}

std::string not_applied_table(const PlaceResult& result) {
  if (result.not_applied.empty()) return "";
  results::TextTable table({"does not apply", "slots", "because"});
  std::vector<std::vector<std::string>> lines;  // the same for every source, mostly; else whose it is
  for (const NotApplied& n : result.not_applied) {
    const auto alike = std::size_t(std::ranges::count_if(result.not_applied, [&](const NotApplied& other) {
      return other.strategy == n.strategy && other.slots == n.slots && other.reason == n.reason;
    }));
    const bool of_some = alike < result.sources.size() && !n.planned_on.empty();
    std::vector<std::string> line{n.strategy, fmt::to_string(n.slots),
                                  of_some ? fmt::format("planned on {}: {}", n.planned_on, n.reason) : n.reason};
    if (std::ranges::find(lines, line) == lines.end()) table.add(lines.emplace_back(std::move(line)));
  }
  return "\n" + table.text();
}

std::string layers_table(const PlaceRow& r) {
  results::TextTable table({"layer", "mean/max", "max/mean-1", "over bound"});
  for (const placement::LayerScore& l : r.score.layers)
    table.add({fmt::to_string(l.layer), fmt::format("{:.4f}", l.balance), fmt::format("{:.4f}", l.imbalance),
               l.bound > 0 ? percent(l.slowest / l.bound - 1) : "-"});
  return fmt::format("\n{}, {} slots\n{}", r.strategy, r.slots, table.text());
}

formats::Json row_json(const PlaceRow& r) {
  formats::Json out;
  out["strategy"] = r.strategy;
  out["slots"] = r.slots;
  if (!r.planned_on.empty()) out["planned_on"] = r.planned_on;
  if (!r.scored_on.empty()) {
    out["scored_on"] = r.scored_on;
    out["own"] = r.own;
  }
  out["balancedness"] = r.score.balancedness;
  out["imbalance"] = r.score.imbalance;
  out["gap_to_bound"] = r.score.gap;
  out["plan_time"] = r.plan_time;
  out["wasted_slots"] = r.wasted_slots;
  if (r.traffic) {
    out["nodes_per_token"] = r.traffic->nodes_per_token;
    out["crossings_per_token"] = r.traffic->crossings;
  }
  if (r.nic_bytes.v > 0) out["busiest_adapter_bytes"] = r.nic_bytes.v;
  if (r.nvlink_bytes.v > 0) out["busiest_nvlink_bytes"] = r.nvlink_bytes.v;
  if (r.memory.v > 0) out["expert_memory"] = r.memory.v;
  for (const auto& [name, phase] : {std::pair("prefill", &r.prefill), std::pair("decode", &r.decode)})
    if (*phase) {
      out[fmt::format("{}_layer_time", name)] = seconds((*phase)->layer);
      out[fmt::format("{}_step_time", name)] = seconds((*phase)->step);
    }
  if (r.moves) out["moves"] = *r.moves;
  if (r.migration.v > 0) out["migration_bytes"] = r.migration.v;
  if (r.migration_time.v > 0) out["migration_time"] = seconds(r.migration_time);
  for (const placement::LayerScore& l : r.score.layers)
    out["layer_scores"][fmt::to_string(l.layer)] = {
        {"balance", l.balance}, {"imbalance", l.imbalance}, {"slowest", l.slowest}, {"bound", l.bound}};
  return out;
}
}  // namespace

std::string place_text(const PlaceOptions& o, const PlaceResult& result, bool by_layer) {
  std::string out;
  std::vector<std::string> lines;
  for (const auto* list : {&o.planned, &o.scored})
    for (const Workload& w : *list)
      if (const std::string line = workload_line(w); std::ranges::find(lines, line) == lines.end()) {
        lines.push_back(line);
        out += line;
      }
  if (result.sources.size() == 1 && result.sources[0].members.size() > 1)
    out += fmt::format("planned together from {}\n", counted(result.sources[0].members.size(), "workload"));
  out += fmt::format("{} on {}\n\n{}{}{}{}", counted(o.problem.gpus, "GPU"), counted(o.problem.nodes, "node"),
                     main_table(result), cross_tables(result) + drift_table(o, result), gains_table(result),
                     not_applied_table(result));
  if (!result.notes.empty()) out += "\n";
  for (const std::string& note : result.notes) out += "note: " + note + "\n";
  if (by_layer)
    for (const PlaceRow& r : result.rows) out += layers_table(r);
  return out;
}

std::string place_json(const PlaceOptions& o, const PlaceResult& result) {
  const PlaceRow& best = result.rows[result.best];
  formats::Json out;
  out["gpus"] = o.problem.gpus;
  out["nodes"] = o.problem.nodes;
  out["experts"] = o.planned[0].loads.experts;
  out["skipped_layers"] = o.planned[0].loads.skipped;
  const placement::Skew s = placement::skew(o.planned[0].loads);
  out["expert_load_max_over_mean"] = s.max_over_mean;
  out["expert_load_gini"] = s.gini;
  const formats::Json figures = row_json(best);  // of the best, so that scripts with one strategy need not look further
  for (const char* key : {"strategy", "slots", "balancedness", "imbalance", "gap_to_bound", "plan_time"})
    out[key] = figures[key];
  if (figures.contains("nodes_per_token")) out["nodes_per_token"] = figures["nodes_per_token"];
  for (const PlaceRow& r : result.rows) out["strategies"].push_back(row_json(r));
  if (o.together)
    for (const Workload& w : o.planned) out["planned_together"].push_back(w.name);
  for (const NotApplied& n : result.not_applied) {
    formats::Json one{{"strategy", n.strategy}, {"slots", n.slots}, {"reason", n.reason}};
    if (!n.planned_on.empty()) one["planned_on"] = n.planned_on;
    out["not_applied"].push_back(one);
  }
  for (const SlotGain& g : slot_gains(result)) {
    formats::Json one{{"strategy", g.strategy},
                      {"slots", g.slots},
                      {"from_slots", g.from},
                      {"gained", g.gained},
                      {"balancedness", g.balance}};
    if (!g.planned_on.empty()) one["planned_on"] = g.planned_on;
    if (g.memory.v > 0) one["more_memory"] = g.memory.v;
    out["slot_gains"].push_back(one);
  }
  for (const DriftPoint& p : drift_curves(o, result))
    out["drift"].push_back({{"strategy", p.strategy},
                            {"slots", p.slots},
                            {"minutes_since_plan", p.minutes},
                            {"balancedness", p.balance},
                            {"least_balancedness", p.least},
                            {"gap_to_bound", p.regret},
                            {"plans", p.plans}});
  for (const std::string& note : result.notes) out["notes"].push_back(note);
  return formats::json_text(out, 1) + "\n";
}

}  // namespace moesim::placing
