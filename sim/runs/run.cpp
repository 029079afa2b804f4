#include "runs/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "core/files.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/terminal.h"
#include "formats/json.h"
#include "recording/recorded_routing.h"
#include "results/output.h"
#include "results/perfetto.h"
#include "results/summary.h"
#include "routing/trace.h"
#include "runs/scenario.h"

namespace moesim::runs {
namespace {
void print_json(results::Results& results, const results::RunIdentity& identity, const results::StudyEnd& end,
                const std::vector<std::string>& failed) {
  formats::Json out;
  out["title"] = identity.title;
  out["study"] = identity.study;
  out["seed"] = identity.seed;
  out["state"] = end.interrupted ? "interrupted" : "complete";
  out["fingerprint"] = fmt::format("{:016x}", end.fingerprint);
  out["events"] = end.events;
  results::Statement s = results.database().prepare("SELECT scope, name, value, unit FROM metric ORDER BY rowid");
  while (s.step()) {
    formats::Json value = {{"value", s.real(2)}, {"unit", s.text(3)}};
    if (s.text(0) == "run")
      out["metrics"][s.text(1)] = std::move(value);
    else
      out["scopes"][s.text(0)][s.text(1)] = std::move(value);
  }
  results::Statement series =
      results.database().prepare("SELECT scope, name, unit, time, value FROM series ORDER BY rowid");
  while (series.step()) {
    auto& one = out["series"][series.text(0)][series.text(1)];
    one["unit"] = series.text(2);
    one["time"].push_back(series.real(3));
    one["value"].push_back(series.real(4));
  }
  results::Statement assumed = results.database().prepare("SELECT scope, name, value, reason FROM assumption");
  while (assumed.step())
    out["assumptions"].push_back({{"scope", assumed.text(0)},
                                  {"name", assumed.text(1)},
                                  {"value", assumed.text(2)},
                                  {"reason", assumed.text(3)}});
  results::Statement warned = results.database().prepare("SELECT scope, name, text FROM warning ORDER BY rowid");
  while (warned.step())
    out["warnings"].push_back({{"scope", warned.text(0)}, {"name", warned.text(1)}, {"text", warned.text(2)}});
  out["failed_expectations"] = failed;
  print_text("{}\n", formats::json_text(out, 2));
}

/// Lines of at most 120 columns, or as many as the terminal has, as few as hold all.
std::string in_few_lines(const std::vector<std::string>& items) {
  constexpr std::size_t kWidth = 120;
  const std::size_t width = terminal_width() > 0 ? std::min(kWidth, terminal_width()) : kWidth;
  std::string out, line;
  for (const std::string& item : items) {
    const bool fits = line.empty() || line.size() + 2 + item.size() <= width;
    if (!fits) out += line + ";\n", line.clear();
    line += (line.empty() ? "" : "; ") + item;
  }
  return line.empty() ? out : out + line + "\n";
}

/// "precision  fp8 (as released)", a line each, or several on a line where there are more than three; with its part of
/// the run where parts differ.
std::string assumptions(results::Results& results) {
  struct Line {
    std::string name, text, scopes;
  };
  std::vector<Line> lines;
  results::Statement s = results.database().prepare(
      "SELECT scope, name, value || ' (' || reason || ')' FROM assumption "
      "ORDER BY name NOT IN ('routing', 'placement'), rowid");
  while (s.step()) {
    const std::string scope = s.text(0), part = scope.substr(scope.find(':') + 1);
    const auto same =
        std::ranges::find_if(lines, [&](const Line& l) { return l.name == s.text(1) && l.text == s.text(2); });
    if (same != lines.end())
      same->scopes += ", " + part;
    else
      lines.push_back({s.text(1), s.text(2), part});
  }
  std::vector<std::string> out;
  for (const Line& l : lines) {
    const bool differs = std::ranges::count(lines, l.name, &Line::name) > 1;
    out.push_back(fmt::format("{}{}  {}", l.name, differs ? " of " + l.scopes : "", l.text));
  }
  return out.size() > 3 ? in_few_lines(out) : out.empty() ? "" : fmt::format("{}\n", fmt::join(out, "\n"));
}

/// The recorded trace stays beside the results: NAME.trace.db.
std::string trace_file(const std::string& output) {
  const std::filesystem::path path(output);
  return (path.parent_path() / (path.stem().string() + ".trace.db")).string();
}

std::string output_file(const RunOptions& options, const std::string& scenario_file) {
  if (!options.output.empty()) return options.output;
  return std::filesystem::path(scenario_file).stem().string() + ".db";
}

/// Before any work: all of them can be made, and no two are one.
void check_outputs(const RunOptions& options, const std::string& output, bool records) {
  const std::string trace = records ? trace_file(output) : "";
  check_different({{"the results", output}, {"the recorded routing", trace}, {"the timeline", options.timeline}});
  const bool left_behind = !results::make_way(output).empty();
  if (records) routing::make_way_for_trace(trace, left_behind);
  if (!options.timeline.empty()) check_new_file(options.timeline);
}

/// Records the routing the scenario asks for; the scenario then replays it.
void record(const RunOptions& options, const std::string& trace, Scenario& scenario, results::Results& results) {
  if (scenario.study->check != nullptr)
    scenario.config.at(scenario.study->section).placed([&] { scenario.study->check(scenario.config); });
  const recording::Recorded recorded =
      scenario.config.at("routing").at("record").placed([&] { return recording::record_for(scenario.config, trace); });
  results.add(results::Table::assumption, {"run", "matrix products", recorded.products.how, recorded.products.meaning});
  if (!recorded.complete) throw Interrupted(fmt::format("{} holds what was recorded", trace));
  std::vector<Config::Override> overrides = options.overrides;
  overrides.push_back(recording::replay_of(scenario.config, trace));
  scenario = load_scenario(options.scenario, overrides, options.seed);
}

/// What a timeline that was left to choose for itself does not hold.
std::string left_out(const results::SpanLog& spans) {
  std::string out;
  if (spans.gpus_kept() < spans.gpus_seen())
    out += fmt::format(", {} of {} GPUs", spans.gpus_kept(), spans.gpus_seen());
  if (spans.links_left_out()) out += ", no links";
  if (spans.full_since().v < INT64_MAX) out += fmt::format(", the first {:.4g} s", seconds(spans.full_since()));
  return out.empty() ? out : out + " so that it opens: --timeline-gpus and --timeline-window choose";
}
}  // namespace

int run(const RunOptions& options) {
  const auto started = std::chrono::steady_clock::now();
  const results::SpanFilter* timeline = options.timeline.empty() ? nullptr : &options.spans;
  if (!affordable(options.scenario, options.overrides, timeline, options.limits)) return 0;
  Scenario scenario = load_scenario(options.scenario, options.overrides, options.seed);
  const std::string output = output_file(options, scenario.file);
  const bool records = recording::asks_for_recording(scenario.config);
  check_outputs(options, output, records);
  results::Results results(output, scenario.identity);  // before the recording: from here on the output is ours
  const std::string trace = records ? trace_file(output) : "";
  if (records) record(options, trace, scenario, results);
  results::SpanFilter filter = options.spans;
  const bool store = value_or(scenario.config, "spans", false);
  filter.enabled = store || !options.timeline.empty();
  const bool chosen = !filter.gpus.empty() && (filter.from.v > 0 || filter.to.v < INT64_MAX);
  if (!store && !chosen) filter.most_bytes = std::size_t(kMostTimeline);
  results::SpanLog spans(filter);
  const results::StudyEnd end = simulate(scenario, results, spans, store, started);
  std::size_t timeline_bytes = 0;
  if (!options.timeline.empty()) {
    const std::string json = results::perfetto_json(spans);
    timeline_bytes = json.size();
    write_file(options.timeline, json);
  }

  std::vector<std::string> failed;
  if (!end.interrupted) {
    failed = failures(scenario.expectations, results);
    for (std::string& line : unmatched(scenario.published, results)) failed.push_back(std::move(line));
  }
  if (options.json) {
    print_json(results, scenario.identity, end, failed);
  } else {
    print_folded(fmt::format("{}\n{}", scenario.identity.title, assumptions(results)));
    for (const std::string& report : std::vector<std::string>{scenario.identity.study, "links", "kernels", "published"})
      if (const std::string tables = results::summarise(results.database(), report); !tables.empty())
        print_folded("\n" + tables);
    print_text("\nfingerprint {:016x}, {} events, seed {}\n", end.fingerprint, end.events, scenario.identity.seed);
    if (!trace.empty()) print_text("recorded routing in {} (see moesim trace stats)\n", trace);
    if (!options.timeline.empty())
      print_text("timeline in {} ({:.1f} MB, {} spans{}; open it at https://ui.perfetto.dev)\n", options.timeline,
                 double(timeline_bytes) * 1e-6, spans.spans().size(), left_out(spans));
    print_text("results in {}\n", output);
  }
  for (const std::string& f : failed) say(fmt::format("{}: {}", scenario.file, f));
  if (end.interrupted)
    say(fmt::format(
        "interrupted: {} holds {}", output,
        results.database().value("SELECT 1 FROM metric LIMIT 1") ? "what was done until then" : "no figures yet"));
  return failed.empty() && !end.interrupted ? 0 : 1;
}
}  // namespace moesim::runs
