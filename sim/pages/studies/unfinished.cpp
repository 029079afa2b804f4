// A plan whose answer was not worked out yet: the simulations that were done until then.
#include <algorithm>
#include <cmath>

#include "core/config.h"
#include "core/in_shell.h"
#include "core/words.h"
#include "pages/studies/common.h"
#include "pages/studies/studies.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
constexpr std::size_t kMostBars = 16, kMostRows = 2500;

/// "TP1 PP2 EP4", of what is above 1.
std::string parallel_words(const Config& parallel) {
  std::string out;
  for (const auto& [key, name] : {std::pair("tensor", "TP"), {"pipeline", "PP"}, {"data", "DP"}, {"expert", "EP"}})
    if (parallel.has(key) && parallel.at(key).is_scalar() && parallel.at(key).text() != "1")
      out += fmt::format("{}{}{}", out.empty() ? "" : " ", name, parallel.at(key).text());
  return out.empty() ? "no parallelism" : out;
}
std::string scalar(const Config& in, std::string_view key) {
  return in.is_map() && in.has(key) && in.at(key).is_scalar() ? in.at(key).text() : "";
}

/// What was simulated, in the words of a ledger: "2 x hgx-h800: PP2 EP4, 1f1b", of a scenario's text.
std::string words_of_scenario(const std::string& text) {
  try {
    const Config scenario = Config::from_text(text, "scenario");
    std::string out, nodes;
    if (scenario.has("cluster") && scenario.at("cluster").is_map())
      nodes = scalar(scenario.at("cluster"), "nodes") + " x " + scalar(scenario.at("cluster"), "node") + ": ";
    if (scenario.has("training")) {
      const Config training = scenario.at("training");
      const std::string schedule = scalar(training, "schedule"), recompute = scalar(training, "recompute");
      out = parallel_words(training.at_or_empty("parallel")) + (schedule.empty() ? "" : ", " + schedule);
      return nodes + out + (recompute.empty() || recompute == "none" ? "" : ", recompute " + recompute);
    }
    for (const Config& pool : scenario.at("serving").at("pools").items())
      out += fmt::format("{}{} x {} ({})", out.empty() ? "" : ", ", scalar(pool, "instances"),
                         parallel_words(pool.at_or_empty("parallel")), scalar(pool, "role"));
    return nodes + out;
  } catch (const ConfigError&) {  // of another version
    return "not told";
  }
}

/// The best of a table's rows as bars, all of them as a table; rows come best first.
struct Kept {
  std::string question, what, unit;  // of the bars' figure, column 1
  std::string before;                // "a step of", where a sentence says it
  std::vector<std::string> columns;  // of the table, the first two being words and that figure
  std::vector<std::string> units;
  std::string query;
};
const Kept kSteps{"How long do the steps take that were simulated?",
                  "step",
                  "s",
                  "a step of ",
                  {"mapping", "step", "MFU", "bubble", "exposed communication", "fullest GPU"},
                  {"", "s", "", "s", "s", "B"},
                  "steps"};
const Kept kTrials{"What do the deployments do that were simulated?",
                   "input and output tokens/s of a GPU",
                   "tokens/s",
                   "on a GPU ",
                   {"deployment", "tokens/s a GPU", "first token, p90", "further token, p90", "within the targets",
                    "a million tokens"},
                   {"", "tokens/s", "s", "s", "", "USD"},
                   "trials"};

void add_kept(Page& page, const Kept& k, const Rows& rows, const Queries& q) {
  Bars b;
  b.aria = "Simulated until then: " + k.what, b.label_name = k.columns[0], b.value_name = k.what, b.unit = k.unit;
  DataTable t{"", k.columns, {}};
  for (std::size_t i = 0; i < rows.size() && i < kMostRows; ++i) {
    const std::string words = words_of_scenario(rows.text(i, 0));
    if (i < kMostBars && std::isfinite(rows.number(i, 1)))
      b.bars.push_back({words, 0, rows.number(i, 1), results::pretty(rows.number(i, 1), k.unit), "",
                        i == 0 ? Tone::answer : Tone::rest});
    std::vector<Cell> row = {cell(words)};
    for (std::size_t c = 1; c < k.columns.size(); ++c) row.push_back(cell(rows.number(i, c), k.units[c]));
    t.rows.push_back(std::move(row));
  }
  Section s;
  s.id = k.query;
  s.question = k.question;
  s.answer = html("Of {}, the best so far has {}{}: {}", core::counted(rows.size(), "simulation"), k.before,
                  strong(results::pretty(rows.number(0, 1), k.unit)), t.rows[0][0].text);
  const bool all = b.bars.size() == t.rows.size();
  if (!b.bars.empty()) s.panels.push_back({"", "", bars(b)});
  if (all)
    s.panels.back().figure.table = t;  // the same rows, with their other figures
  else
    s.below =
        html("<details class=\"screen\"><summary>All simulations ({})</summary><div class=\"dense\">{}</div></details>",
             rows.size(), table_html(t, k.query + "-rows"));
  s.note = "In the order of this figure; whether the answer is among them is not known.";
  s.sql = {q.sql(k.query)};
  page.sections.push_back(std::move(s));
}
}  // namespace

Page unfinished_page(const Facts& f, const results::Database& db) {
  const Queries q = Queries::of(db, "unfinished");
  Page page;
  page.kind = "size";
  page.title = f.title;
  add_assumed(page, f);
  const Rows steps = db.has_table("step_trial") ? q.rows("steps") : Rows{}, trials = q.rows("trials");
  const std::size_t done = steps.size() + trials.size();
  const bool merged = f.state == "unanswered";
  page.alarm = merged ? html("These are simulations of a plan, without its answer.")
                      : html("This plan did not come to its end (state {}): it has no answer.", f.state);
  page.headline = html("{} of this plan {} done, and no answer", strong(core::counted(done, "simulation")),
                       done == 1 ? "is" : "are");
  page.keys.push_back({"Simulations", results::pretty(double(done), ""), "done", "", "", double(done),
                       fmt::format("SELECT {}(SELECT count(*) FROM trial)",
                                   db.has_table("step_trial") ? "(SELECT count(*) FROM step_trial) + " : "")});
  if (!steps.empty()) add_kept(page, kSteps, steps, q);
  if (!trials.empty()) add_kept(page, kTrials, trials, q);
  Section s;
  s.id = "resume";
  s.question = "How does it go on?";
  s.answer = html("With what is here: nothing is simulated twice");
  s.below = html(
      "<p>In the folder where it was run:</p><pre tabindex=\"0\" class=\"cmd\" "
      "id=\"resume-command\"><code>{}</code></pre>",
      command_of(f, "--resume -o " + core::in_shell(f.file)));
  page.sections.push_back(std::move(s));
  return page;
}
}  // namespace moesim::pages
