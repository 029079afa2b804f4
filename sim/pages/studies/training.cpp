// A training step, or a whole run of them.
#include <algorithm>
#include <cmath>
#include <map>

#include "pages/studies/common.h"
#include "pages/studies/studies.h"
#include "pages/studies/training_stages.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
constexpr std::size_t kMostPieces = 10'000;  // of a picture, about; its table has a row each
constexpr std::size_t kManyPieces = 40;      // of a stage: from here on both ends of the step are drawn again, larger

void add_parts(Page& page, const Facts& f, const Queries& q) {
  const Rows rows = q.rows("parts");
  Bars b;
  b.aria = "Parts of a step, mean over GPUs";
  b.label_name = "part", b.value_name = "time", b.unit = "s";
  b.full = f.value("step_time");
  double from = 0;
  for (const auto& [name, label, tone] :
       {std::tuple("overlapped_time", "forward and backward, overlapped", Tone::answer),
        {"forward_time", "forward alone", Tone::answer},
        {"backward_time", "backward alone", Tone::answer},
        {"weight_time", "weight gradients alone", Tone::answer},
        {"optimizer_time", "optimizer", Tone::answer},
        {"host_time", "waiting for the host", Tone::rest},
        {"bubble_time", "bubble", Tone::rest},
        {"exposed_communication_time", "exposed communication", Tone::alert}})
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (rows.text(i, 0) == name && rows.number(i, 1) > 0) {
        b.bars.push_back({label, from, from + rows.number(i, 1), results::pretty(rows.number(i, 1), "s"),
                          share_text(rows.number(i, 2)), tone});
        from += rows.number(i, 1);
      }
  if (b.bars.empty()) return;
  const double step = f.value("step_time"), bubble = f.value("bubble_time") / step,
               exposed = f.value("exposed_communication_time") / step;
  Section s;
  s.id = "parts";
  s.question = "Where do the seconds go?";
  s.answer = html("{} of the step computes; bubbles take {} and {} {}", share_text(1 - bubble - exposed),
                  share_text(bubble), bad("communication that nothing hides"), share_text(exposed));
  s.note = fmt::format(
      "Mean over the {} GPUs that were simulated. Every bar starts where the one above it ends; together they are the "
      "{} of "
      "a step. Waiting for slower GPUs is in exposed communication.",
      results::pretty(f.value("simulated_gpus"), ""), f.shown("step_time"));
  s.panels.push_back({"", "", bars(b)});
  s.sql = {q.sql("parts")};
  page.sections.push_back(std::move(s));
}

const std::vector<std::pair<std::string, Tone>> kKinds = {{"forward", Tone::kind1},
                                                          {"backward", Tone::kind2},
                                                          {"inputs' gradients", Tone::kind3},
                                                          {"weights' gradients", Tone::kind4},
                                                          {"forward and backward", Tone::answer},
                                                          {"optimizer", Tone::ink}};
std::size_t kind_of(std::string_view name) {
  constexpr std::string_view kNames[] = {"forward", "backward", "backward_input", "weight", "overlapped", "optimizer"};
  return std::size_t(std::ranges::find(kNames, name) - std::begin(kNames));
}

/// How much of the time between them nothing runs, of all stages.
double idle_between(const Gantt& g, double from, double to) {
  double busy = 0;
  for (const Gantt::Piece& p : g.pieces) busy += std::max(0.0, std::min(p.end, to) - std::max(p.start, from));
  return (to - from) * double(g.rows.size()) - busy;
}

/// The part of a step in which the pipeline fills, and drains.
void add_ends(Section& s, Gantt g, double step) {
  const double length = step / 5;
  for (const bool last : {false, true}) {
    g.from = last ? step - length : 0;
    g.to = last ? step : length;
    g.shown.clear();
    g.aria = last ? "The end of the step" : "The beginning of the step";
    s.panels.push_back({last ? fmt::format("Its last {}", results::pretty(length, "s"))
                             : fmt::format("Its first {}", results::pretty(length, "s")),
                        "", gantt(g)});
  }
}

void add_gantt(Page& page, const Facts& f, const Queries& q) {
  Section s;
  s.id = "gantt";
  s.question = "What does a step look like?";
  const Rows rows = q.db().has_table("instruction") ? q.rows("instructions") : Rows{};
  const double step = f.value("step_time");
  if (!(step > 0)) return;
  if (rows.empty()) {
    s.answer = html("This database has no picture of it");
    s.note =
        "Steps of 20,000 instructions or more are not kept, nor were any before the table instruction was there. "
        "moesim run SCENARIO --timeline t.json writes every operation for ui.perfetto.dev.";
    page.sections.push_back(std::move(s));
    return;
  }
  std::map<int, double> idle;
  const Rows stages = q.rows("stages");
  for (std::size_t i = 0; i < stages.size(); ++i)
    if (stages.text(i, 1) == "bubble") idle[stages.whole(i, 0)] = stages.number(i, 2) / step;
  Gantt g;
  g.row_name = "stage", g.shown_name = "bubble", g.kinds = kKinds, g.to = step;
  std::map<int, std::size_t> places;
  const std::size_t every = 1 + rows.size() / kMostPieces;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const int stage = rows.whole(i, 0);
    if (std::size_t(stage) % every != 0) continue;
    const auto [at, added] = places.emplace(stage, places.size());
    if (at->second >= kMostStages) continue;
    if (added) g.rows.push_back(fmt::to_string(stage)), g.shown.push_back(share_text(idle[stage]));
    g.pieces.push_back({at->second, kind_of(rows.text(i, 1)), rows.number(i, 4), rows.number(i, 5),
                        rows.text(i, 3).empty() ? "" : "micro-batch " + rows.text(i, 3)});
  }
  g.aria = fmt::format("Pipeline of one step: {} stages over {}", g.rows.size(), results::pretty(step, "s"));
  const double all = idle_between(g, 0, step), ends = idle_between(g, 0, step / 5) + idle_between(g, step * 0.8, step);
  if (idle.empty()) idle[0] = 0;
  const auto [least, most] = std::ranges::minmax_element(idle, {}, [](const auto& x) { return x.second; });
  const std::string low = share_text(least->second), high = share_text(most->second),
                    at_ends = share_text(all > 0 ? ends / all : 0);
  if (g.rows.size() > 1)
    s.answer = html("{}; {} of the time without an instruction lies in the first and the last fifth",
                    apart(low, high,
                          html("Bubbles take {1} of the step of stage {0}, and {3} of that of stage {2}", least->first,
                               low, most->first, high),
                          html("Bubbles take {} of the step of every stage", low)),
                    at_ends);
  else
    s.answer = html("One stage: no pipeline, and bubbles take {} of the step", share_text(least->second));
  s.panels.push_back({"", "", gantt(g), true});
  s.columns = 2;
  const bool many = g.pieces.size() > kManyPieces * g.rows.size();
  if (many) add_ends(s, g, step);
  if (every > 1) s.note = fmt::format("One stage of {} is drawn. ", every);
  s.note +=
      "The first GPU of each stage in the first replica. What a piece waits for inside, such as exchanges, is in it. "
      "Blank is where no instruction runs: the bubble, whose share of the step stands at the right, and what is "
      "exposed "
      "of the exchange of gradients before the optimizer.";
  s.sql = {q.sql("instructions"), q.sql("stages")};
  page.sections.push_back(std::move(s));
}

void add_whole_run(Page& page, const Facts& f, const Queries& q) {
  if (!f.has("run_days")) return;
  const double days = f.value("run_days");
  Bars b;
  b.aria = "What a run loses";
  b.label_name = "lost to", b.value_name = "time", b.unit = "s";
  double lost = 0;
  for (const auto& [name, label] : {std::pair("run_checkpoint_time", "checkpoints"),
                                    {"run_lost_time", "work done again"},
                                    {"run_restart_time", "restarts"},
                                    {"run_waiting_time", "waiting for a repair"},
                                    {"run_straggling_time", "slow GPUs"}}) {
    const double time = f.value(name);
    if (!std::isfinite(time)) continue;
    lost += time;
    b.bars.push_back({label, 0, time, results::pretty(time, "s"), share_text(time / (days * 86400)), Tone::alert});
  }
  const LongUnit unit = long_unit(f, days);
  DataTable all{"The whole run", {"figure", "value"}, {}};
  const Rows rows = q.rows("whole_run");
  for (std::size_t i = 0; i < rows.size(); ++i)
    all.rows.push_back(
        {cell(rows.text(i, 0) == "run_days" ? "time" : words_of(rows.text(i, 0).substr(4))),
         rows.text(i, 0) == "run_days" ? Cell{unit.text(days), days} : cell(rows.number(i, 1), rows.text(i, 2))});
  Section s;
  s.id = "run";
  s.question = "What does the whole run take?";
  s.answer = html("{} and {} GPU-hours for {} tokens; failures, checkpoints and slow GPUs cost {} of it",
                  strong(unit.text(days)), brief(f.value("run_gpu_hours")), brief(f.value("run_tokens")),
                  bad(share_text(lost / (days * 86400))));
  s.panels.push_back({"", "", bars(b)});
  s.below = table_html(all);
  s.sql = {q.sql("whole_run")};
  page.sections.push_back(std::move(s));
}
}  // namespace

void add_training(Page& page, const Facts& f, const Queries& q) {
  add_parts(page, f, q);
  add_gantt(page, f, q);
  add_stages(page, f, q);
  add_memory(page, f, q);
  add_memory_over_time(page, f, q);
  add_whole_run(page, f, q);
  add_incidents(page, f, q);
}

Page training_page(const Facts& f, const results::Database& db) {
  const Queries q = Queries::of(db, "training");
  Page page = begun_page(f, q, {"run"});
  if (!f.has("step_time"))  // and so it has no figures of one
    page.headline =
        html("Interrupted before its first step ended: a step of {} tokens on {} {}", brief(f.value("batch_tokens")),
             brief(f.value("gpus")), gpu_name(f) == "GPUs" ? "GPUs" : "x " + gpu_name(f));
  else
    page.headline =
        html("A step of {} tokens takes {} on {} x {}{}: {} tokens a day, {} GPU-hours per trillion tokens",
             brief(f.value("batch_tokens")), strong(f.shown("step_time")), brief(f.value("gpus")), gpu_name(f),
             f.value("cost_per_hour") > 0 ? fmt::format(", {} USD an hour", brief(f.value("cost_per_hour"))) : "",
             brief(f.value("tokens_per_day")), brief(f.value("gpu_hours_per_trillion_tokens")));
  add_key(page, f, "A GPU", "tokens_per_gpu_second", "");
  add_key(page, f, "MFU, BF16 peak, causal", "mfu_bf16_causal", "");
  const std::optional<double> holds = gpu_memory(f);
  add_key(page, f, "Fullest GPU", "peak_memory", holds ? "of " + results::pretty(*holds, "B") : "");
  if (f.has("balancedness") && f.value("balancedness") > 0)
    add_key(page, f, "Load of the experts' GPUs", "balancedness", "mean/max");
  else
    add_key(page, f, "A trillion tokens", "gpu_hours_per_trillion_tokens", "of GPUs");
  add_published(page, f, q);
  add_training(page, f, q);
  add_timeline(page, f);
  return page;
}
}  // namespace moesim::pages
