// Prefill passes and decode steps of one group.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "pages/studies/common.h"
#include "pages/studies/loads.h"
#include "pages/studies/studies.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
constexpr std::size_t kMostGpus = 64;  // that have a row each

void add_parts(Page& page, const Facts& f, const Queries& q) {
  Section s;
  s.id = "parts";
  s.question = "Where does the time go?";
  s.columns = 2;
  std::string answer;
  for (const std::string& phase : f.parts("phase:")) {
    const std::string scope = "phase:" + phase;
    const double step = f.value("step_time", scope);
    if (!(step > 0)) continue;
    Bars b;
    b.aria = "Parts of a " + phase + " step, mean over GPUs";
    b.label_name = "part", b.value_name = "time", b.unit = "s", b.full = step;
    double from = 0;
    for (const auto& [name, label, tone] : {std::tuple("compute_time", "computing", Tone::answer),
                                            {"exposed_communication_time", "exposed communication", Tone::alert},
                                            {"straggler_time", "waiting for slower GPUs", Tone::rest}}) {
      const double time = f.value(name, scope);
      if (!(time > 0)) continue;
      b.bars.push_back(
          {label, from, std::min(step, from + time), results::pretty(time, "s"), share_text(time / step), tone});
      from += time;
    }
    if (b.bars.empty()) continue;
    s.panels.push_back({fmt::format("{}: {}", phase, results::pretty(step, "s")), "", bars(b)});
    answer += fmt::format("{}{} of a {} step", answer.empty() ? "" : " and ",
                          share_text(f.value("exposed_communication_time", scope) / step), phase);
  }
  if (s.panels.empty()) return;
  s.answer = html("{} {}", bad("Communication that nothing hides takes"), answer);
  s.note = "Mean over GPUs. Every bar starts where the one above it ends.";
  s.sql = {q.sql("parts")};
  page.sections.push_back(std::move(s));
}

void add_gpus(Page& page, const Queries& q) {
  const Rows rows = q.rows("gpus");
  if (rows.empty() || rows.size() > kMostGpus) return;
  Stacks k;
  k.aria = "Time of each GPU", k.label_name = "GPU", k.unit = "s";
  k.parts = {
      {"computing", Tone::answer}, {"exposed communication", Tone::alert}, {"waiting for slower GPUs", Tone::rest}};
  std::size_t busiest = 0, idlest = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    k.stacks.push_back({rows.text(i, 0),
                        {rows.number(i, 1), rows.number(i, 2), rows.number(i, 3)},
                        results::pretty(rows.number(i, 1), "s")});
    if (rows.number(i, 1) > rows.number(busiest, 1)) busiest = i;
    if (rows.number(i, 1) < rows.number(idlest, 1)) idlest = i;
  }
  Section s;
  s.id = "gpus";
  s.question = "Which GPUs make the others wait?";
  const std::string most = results::pretty(rows.number(busiest, 1), "s"),
                    least = results::pretty(rows.number(idlest, 1), "s");
  s.answer =
      apart(most, least,
            html("GPU {} computes {}, GPU {} {}", rows.text(busiest, 0), strong(most), rows.text(idlest, 0), least),
            html("No GPU makes others wait: all {} compute {}", rows.size(), strong(most)));
  s.panels.push_back({"", "", stacks(k)});
  s.note = "All passes and steps of the run; at the right, how long each computes.";
  s.sql = {q.sql("gpus")};
  page.sections.push_back(std::move(s));
}

void add_balance(Page& page, const Facts& f, const Queries& q) {
  const Rows rows = q.rows("layers");
  if (rows.empty()) return;
  std::vector<LayerLine> all;
  double least = INFINITY;
  std::string worst;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (all.empty() || all.back().name != rows.text(i, 0)) all.push_back({rows.text(i, 0), {}, {}});
    all.back().layers.push_back(rows.number(i, 1));
    all.back().values.push_back(rows.number(i, 2));
    if (rows.number(i, 2) < least)
      least = rows.number(i, 2), worst = fmt::format("{} layer {}", rows.text(i, 0), rows.text(i, 1));
  }
  Section s;
  s.id = "balance";
  s.question = "How even is each layer over the GPUs?";
  const std::string mean = share_text(f.value("balancedness")), lowest = share_text(least);
  s.answer = apart(
      mean, lowest,
      html("The mean GPU has {} of the fullest one's load; {} is the worst with {}", strong(mean), worst, bad(lowest)),
      html("The mean GPU has {} of the fullest one's load in every layer", strong(mean)));
  s.panels.push_back(
      {"", "", layer_lines(all, "mean over max", fmt::format("Balance by layer, the least {:.3f}", least))});
  s.note = "Mean load over the fullest GPU's: 1 is even, 0.5 means that the layer takes twice as long as it needs.";
  s.sql = {q.sql("layers")};
  page.sections.push_back(std::move(s));
}

void add_loads(Page& page, const Facts& f, const Queries& q) {
  Section s;
  s.id = "loads";
  s.question = "Where are the hot GPUs and experts?";
  s.columns = 2;
  double hottest = 0;
  for (const std::string& phase : f.parts("phase:"))
    if (std::optional<LoadMap> map =
            load_map(q.rows("gpu_loads", {phase}), phase + ": load of each GPU in each layer")) {
      hottest = std::max(hottest, map->most);
      s.panels.push_back(
          {phase, fmt::format("fullest GPU {:.2f} x its layer's mean", map->most), std::move(map->figure)});
      s.sql.push_back(q.sql("gpu_loads", {phase}));
    }
  if (s.panels.empty()) return;
  s.answer = html("A GPU has up to {} its layer's mean load", bad(fmt::format("{:.1f} x", hottest)));
  s.below = about_one_key("Load of a GPU over its layer's mean: blue idles, orange makes the others wait.");
  page.sections.push_back(std::move(s));
  std::vector<std::pair<std::string, Rows>> curves;
  std::vector<std::string> sql;
  for (const std::string& phase : f.parts("phase:")) {
    curves.emplace_back(phase, q.rows("experts", {phase}));
    sql.push_back(q.sql("experts", {phase}));
  }
  add_lorenz(page, sql, curves);
}

void add_memory(Page& page, const Facts& f, const Queries& q) {
  const Rows rows = q.rows("memory");
  std::map<std::string, std::map<std::string, double>> phases;
  std::map<std::string, double> sizes;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    phases[rows.text(i, 0)][rows.text(i, 1)] += rows.number(i, 2);
    sizes[rows.text(i, 1)] += rows.number(i, 2);
  }
  if (phases.empty()) return;
  std::vector<std::string> names;
  std::vector<double> sums;
  for (const auto& [part, size] : sizes) names.push_back(part), sums.push_back(size);
  const Parts parts = largest_parts(names, sums, 5);
  Stacks k;
  k.aria = "Memory of a GPU by phase", k.label_name = "phase", k.unit = "B";
  for (std::size_t p = 0; p < parts.names.size(); ++p) k.parts.emplace_back(words_of(parts.names[p]), tone_of_part(p));
  double most = 0;
  for (auto& [phase, held] : phases) {
    Stack& stack = k.stacks.emplace_back();
    stack.label = phase;
    double all = 0;
    for (const std::vector<std::size_t>& members : parts.members) {
      double sum = 0;
      for (const std::size_t m : members) sum += held[names[m]];
      stack.parts.push_back(sum);
      all += sum;
    }
    stack.shown = results::pretty(all, "B");
    most = std::max(most, all);
  }
  const std::optional<double> holds = gpu_memory(f);
  if (holds) k.limits.push_back({*holds, "what a GPU holds: " + results::pretty(*holds, "B")});
  Section s;
  s.id = "memory";
  s.question = "Does it fit?";
  s.answer = html("A GPU holds {}{}, most of it {}", strong(results::pretty(most, "B")),
                  holds ? " of " + results::pretty(*holds, "B") : "", words_of(parts.names[0]));
  s.panels.push_back({"", "", stacks(k)});
  s.sql = {q.sql("memory")};
  page.sections.push_back(std::move(s));
}

void add_links(Page& page, const Queries& q) {
  const Rows rows = q.rows("links");
  if (rows.empty()) return;
  Bars b;
  b.aria = "The busiest links of each kind";
  b.label_name = "link", b.value_name = "share of the run at full rate", b.full = 1;
  for (std::size_t i = 0; i < rows.size(); ++i)
    b.bars.push_back({rows.text(i, 1), 0, std::clamp(rows.number(i, 2), 0.0, 1.0), share_text(rows.number(i, 2)),
                      results::pretty(rows.number(i, 3), "B"), i == 0 ? Tone::answer : Tone::rest});
  Section s;
  s.id = "links";
  s.question = "Which links are busy?";
  s.answer =
      html("The busiest link, {}, carries {} of what it could", rows.text(0, 1), strong(share_text(rows.number(0, 2))));
  s.panels.push_back({"", "", bars(b)});
  s.note = "The two busiest of each kind, over the whole run.";
  s.sql = {q.sql("links")};
  page.sections.push_back(std::move(s));
  add_nodes(page, q);
}
}  // namespace

Page passes_page(const Facts& f, const results::Database& db) {
  const Queries q = Queries::of(db, "passes");
  Page page = begun_page(f, q, {"run"});
  std::string steps;
  const std::vector<std::string> phases = f.parts("phase:");
  for (const std::string& phase : phases)
    steps += fmt::format("{}{} {} tokens/s a GPU", steps.empty() ? "" : ", ", phase,
                         brief(f.value("tokens_per_gpu_second", "phase:" + phase)));
  const std::string main = phases.empty() ? "" : "phase:" + phases.back();
  page.headline =
      html("A {} {} takes {} on {} x {}: {}", phases.empty() ? "" : phases.back(),
           phases.empty() || phases.back() == "decode" ? "step" : "pass", strong(f.shown("step_time", main)),
           db.value("SELECT count(*) FROM gpu").value_or("?"), gpu_name(f), steps);
  for (const std::string& phase : phases) add_key(page, f, phase, "step_time", "a step", "phase:" + phase);
  const std::optional<double> holds = gpu_memory(f);
  add_key(page, f, "Fullest GPU", "peak_memory", holds ? "of " + results::pretty(*holds, "B") : "");
  add_key(page, f, "Load of the experts' GPUs", "balancedness", "mean/max");
  add_published(page, f, q);
  add_parts(page, f, q);
  add_gpus(page, q);
  add_balance(page, f, q);
  add_loads(page, f, q);
  add_memory(page, f, q);
  add_links(page, q);
  add_timeline(page, f);
  return page;
}
}  // namespace moesim::pages
