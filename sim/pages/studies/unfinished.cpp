// A plan whose answer was not worked out yet: the simulations that were done until then.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "core/config.h"
#include "core/in_shell.h"
#include "core/words.h"
#include "pages/studies/common.h"
#include "pages/studies/studies.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
constexpr std::size_t kMostBars = 16, kMostRows = 2500;
constexpr std::string_view kNoParallelism = "no parallelism";

/// "TP1 PP2 EP4", of what is above 1.
std::string parallel_words(const Config& parallel) {
  std::string out;
  for (const auto& [key, name] : {std::pair("tensor", "TP"), {"pipeline", "PP"}, {"data", "DP"}, {"expert", "EP"}})
    if (parallel.has(key) && parallel.at(key).is_scalar() && parallel.at(key).text() != "1")
      out += fmt::format("{}{}{}", out.empty() ? "" : " ", name, parallel.at(key).text());
  return out.empty() ? std::string(kNoParallelism) : out;
}
std::string scalar(const Config& in, std::string_view key) {
  return in.is_map() && in.has(key) && in.at(key).is_scalar() ? in.at(key).text() : "";
}

/// What a key names, which may stand in a map that changes it: {extends: NAME, ...}.
std::string named(const Config& in, std::string_view key) {
  const std::string name = scalar(in, key);
  return name.empty() && in.is_map() && in.has(key) ? scalar(in.at(key), "extends") : name;
}

/// "prefill 1 x TP4 EP4, 2048 tokens", as a plan's ledger has it.
std::string words_of_pool(const Config& pool) {
  const Config parallel = pool.at_or_empty("parallel"), batcher = pool.at_or_empty("batcher");
  const std::string role = scalar(pool, "role"), overlap = named(pool, "overlap");
  long long gpus = 1;
  for (const char* key : {"tensor", "data"}) gpus *= std::clamp(std::atoi(scalar(parallel, key).c_str()), 1, 1 << 20);
  std::string way = parallel_words(parallel);
  if (way == kNoParallelism) way = "1 GPU";
  const bool split = scalar(parallel, "experts_tensor") == "true" || scalar(parallel, "expert") != "";
  if (gpus > 1 && !split) way += fmt::format(" EP{}", gpus);
  std::string out = fmt::format("{} {} x {}", role, scalar(pool, "instances"), way);
  if (role != "prefill" && !scalar(batcher, "max_requests").empty())
    out += fmt::format(", batch {}", scalar(batcher, "max_requests"));
  if (role != "decode" && !scalar(batcher, "max_tokens").empty())
    out += fmt::format(", {} tokens", scalar(batcher, "max_tokens"));
  return out + (overlap.empty() || overlap == "none" ? "" : ", " + overlap);
}

/// What was simulated, in the words of a ledger: "2 x hgx-h800: PP2 EP4, 1f1b", of a scenario's text.
std::string words_of_scenario(const std::string& text) {
  try {
    const Config scenario = Config::from_text(text, "scenario");
    std::string out, nodes;
    if (scenario.has("cluster") && scenario.at("cluster").is_map())
      nodes = scalar(scenario.at("cluster"), "nodes") + " x " + named(scenario.at("cluster"), "node") + ": ";
    if (scenario.has("training")) {
      const Config training = scenario.at("training");
      const std::string schedule = scalar(training, "schedule"), recompute = scalar(training, "recompute");
      out = parallel_words(training.at_or_empty("parallel")) + (schedule.empty() ? "" : ", " + schedule);
      return nodes + out + (recompute.empty() || recompute == "none" ? "" : ", recompute " + recompute);
    }
    for (const Config& pool : scenario.at("serving").at("pools").items())
      out += (out.empty() ? "" : " + ") + words_of_pool(pool);
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
                   "USD a million input and output tokens",
                   "USD",
                   "a cost a million tokens of ",
                   {"deployment", "USD a million tokens", "tokens/s a GPU", "TTFT p90", "TPOT p90",
                    "share within the targets of a request"},
                   {"", "USD", "tokens/s", "s", "s", ""},
                   "trials"};

/// Of the query `trials`, the columns that targets may be of.
constexpr std::pair<std::string_view, std::size_t> kTargets[] = {
    {"ttft_p90", 3},  {"tpot_p90", 4},  {"ttft_mean", 6}, {"ttft_p50", 7}, {"ttft_p99", 8}, {"tpot_mean", 9},
    {"tpot_p50", 10}, {"tpot_p99", 11}, {"itl_mean", 12}, {"itl_p50", 13}, {"itl_p90", 14}, {"itl_p99", 15},
    {"e2e_mean", 16}, {"e2e_p50", 17},  {"e2e_p90", 18},  {"e2e_p99", 19}};
constexpr std::size_t kShareKept = 5, kPiledUp = 20;

/// The plan's targets by key, with what the command line made of them.
std::map<std::string, std::string> targets_of(const Facts& f) {
  std::map<std::string, std::string> out;
  const auto take = [&](const Config& targets) {
    if (!targets.is_map()) return;
    for (const std::string& key : targets.keys())
      if (targets.at(key).is_scalar()) out[key] = targets.at(key).text();
  };
  try {
    const Config plan = Config::from_text(f.scenario, "plan");
    if (plan.is_map() && plan.has("size")) take(plan.at("size").at_or_empty("targets"));
    constexpr std::string_view kAll = "size.targets=", kOne = "size.targets.";
    for (const std::string& change : changes_of(f))
      if (change.starts_with(kAll))
        out.clear(), take(Config::from_text(change.substr(kAll.size()), "targets"));
      else if (const std::size_t equals = change.find('='); change.starts_with(kOne) && equals != std::string::npos)
        out[change.substr(kOne.size(), equals - kOne.size())] = change.substr(equals + 1);
  } catch (const ConfigError&) {  // of another version
  }
  return out;
}

bool within_targets(const Rows& trials, std::size_t i, const std::map<std::string, std::string>& targets) {
  for (const auto& [key, column] : kTargets)
    if (const auto at = targets.find(std::string(key)); at != targets.end())
      if (const auto most = seconds_of(at->second); most && !(trials.number(i, column) <= *most)) return false;
  const auto share = targets.find("share");
  return !(trials.number(i, kPiledUp) > 0) &&
         (share == targets.end() || trials.number(i, kShareKept) >= std::strtod(share->second.c_str(), nullptr));
}

/// Those that meet the targets first.  Returns how many these are.
std::size_t meeting_first(Rows& trials, const Facts& f) {
  const std::map<std::string, std::string> targets = targets_of(f);
  Rows good, others;
  for (std::size_t i = 0; i < trials.size(); ++i)
    (within_targets(trials, i, targets) ? good : others).rows.push_back(trials.rows[i]);
  const std::size_t out = good.size();
  good.rows.insert(good.rows.end(), others.rows.begin(), others.rows.end());
  trials = std::move(good);
  return out;
}

/// meeting: how many of the rows, the first ones, meet what was asked.
void add_kept(Page& page, const Kept& k, const Rows& rows, std::size_t meeting, const Queries& q) {
  Bars b;
  b.aria = "Simulated until then: " + k.what, b.label_name = k.columns[0], b.value_name = k.what, b.unit = k.unit;
  DataTable t{"", k.columns, {}};
  for (std::size_t i = 0; i < rows.size() && i < kMostRows; ++i) {
    const std::string words = words_of_scenario(rows.text(i, 0));
    if (i < kMostBars && std::isfinite(rows.number(i, 1)))
      b.bars.push_back({words, 0, rows.number(i, 1), results::pretty(rows.number(i, 1), k.unit), "",
                        i >= meeting ? Tone::alert
                        : i == 0     ? Tone::answer
                                     : Tone::rest});
    std::vector<Cell> row = {cell(words)};
    for (std::size_t c = 1; c < k.columns.size(); ++c) row.push_back(cell(rows.number(i, c), k.units[c]));
    t.rows.push_back(std::move(row));
  }
  Section s;
  s.id = k.query;
  s.question = k.question;
  const std::string shown = results::pretty(rows.number(0, 1), k.unit);
  s.answer = meeting == 0 ? html("Of {} none meets the targets so far", core::counted(rows.size(), "simulation"))
                          : html("Of {}, the best so far has {}{}: {}", core::counted(rows.size(), "simulation"),
                                 k.before, strong(shown), t.rows[0][0].text);
  const bool all = b.bars.size() == t.rows.size();
  if (!b.bars.empty()) s.panels.push_back({"", "", bars(b)});
  if (all)
    s.panels.back().figure.table = t;  // the same rows, with their other figures
  else
    s.below =
        html("<details class=\"screen\"><summary>All simulations ({})</summary><div class=\"dense\">{}</div></details>",
             rows.size(), table_html(t, k.query + "-rows"));
  s.note = meeting == rows.size() ? "In the order of this figure"
                                  : fmt::format(
                                        "First the {} that meet the targets, in the order of this figure, then "
                                        "those that miss them",
                                        meeting);
  s.note += "; whether the answer is among them is not known.";
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
  const Rows steps = db.has_table("step_trial") ? q.rows("steps") : Rows{};
  Rows trials = q.rows("trials");
  const std::size_t meeting = meeting_first(trials, f);
  const std::string count = fmt::format("SELECT {}(SELECT count(*) FROM trial)",
                                        db.has_table("step_trial") ? "(SELECT count(*) FROM step_trial) + " : "");
  const std::size_t done = std::size_t(std::atoll(db.value(count).value_or("0").c_str()));
  const bool merged = f.state == "unanswered";
  page.alarm = merged ? html("These are simulations of a plan, without its answer.")
                      : html("This plan did not come to its end (state {}): it has no answer.", f.state);
  page.headline = html("{} of this plan {} done, and no answer", strong(core::counted(done, "simulation")),
                       done == 1 ? "is" : "are");
  page.keys.push_back({"Simulations", results::pretty(double(done), ""), "done", "", "", double(done), count});
  if (!steps.empty()) add_kept(page, kSteps, steps, steps.size(), q);
  if (!trials.empty()) add_kept(page, kTrials, trials, meeting, q);
  Section s;
  s.id = "resume";
  s.question = "How does it go on?";
  s.answer = html("With what is here: nothing is simulated twice");
  const std::string name = std::filesystem::path(f.file).filename().string();
  s.below = html(
      "<p>In the folder where it was run, with <code>{0}</code> in it:</p><pre tabindex=\"0\" class=\"cmd\" "
      "id=\"resume-command\"><code>{1}</code></pre>",
      name, command_of(f, "--resume -o " + core::in_shell(name)));
  page.sections.push_back(std::move(s));
  return page;
}
}  // namespace moesim::pages
