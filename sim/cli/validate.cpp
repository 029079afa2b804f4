// moesim validate: published measurements beside simulated ones.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "cli/claims_text.h"
#include "cli/command.h"
#include "cli/options.h"
#include "core/in_shell.h"
#include "core/log.h"
#include "core/terminal.h"
#include "formats/json.h"
#include "results/output.h"
#include "results/summary.h"
#include "runs/validate.h"

namespace moesim::cli {
namespace {
constexpr std::string_view kNotFitted =
    "Kernels and networks are fitted to measurements of single kernels and single collectives (moesim calibrate prints "
    "the first); nothing is fitted to a figure above.";

void print_text(const std::vector<runs::ValidationRow>& rows) {
  results::TextTable table({"scenario", "figure", "published", "simulated", "error", "source"});
  for (const runs::ValidationRow& r : rows) {
    const std::string figure = r.scope == "run" ? r.metric : fmt::format("{} of {}", r.metric, r.scope);
    table.add({r.scenario, figure, results::pretty(r.published, r.unit), results::pretty(r.simulated, r.unit),
               fmt::format("{:+.1f} %", 100 * r.error()), r.source});
  }
  results::TextTable spread({"source", "figures", "median error", "worst"});
  for (const runs::ValidationSpread& s : runs::spread_of(rows))
    spread.add({s.source, fmt::format("{}", s.rows), fmt::format("{:.1f} %", 100 * s.median),
                fmt::format("{:.1f} %", 100 * s.worst)});
  print_folded(fmt::format("{}\n{}\n{}\n", table.text(), spread.text(), kNotFitted));
}

void print_json(const std::vector<runs::ValidationRow>& rows) {
  formats::Json list = formats::Json::array();
  for (const runs::ValidationRow& r : rows)
    list.push_back({{"scenario", r.scenario},
                    {"metric", r.metric},
                    {"scope", r.scope},
                    {"unit", r.unit},
                    {"published", r.published},
                    {"simulated", r.simulated},
                    {"error", r.error()},
                    {"source", r.source}});
  formats::Json spread = formats::Json::array();
  for (const runs::ValidationSpread& s : runs::spread_of(rows))
    spread.push_back({{"source", s.source}, {"rows", s.rows}, {"median", s.median}, {"worst", s.worst}});
  core::print_text(
      "{}\n", formats::json_text({{"validation", list}, {"summary", std::move(spread)}, {"fitted", kNotFitted}}, 2));
}

void store(const std::vector<runs::ValidationRow>& rows, const std::vector<std::string>& scenarios,
           const std::string& file) {
  std::string command_line = "moesim validate", list;
  for (const std::string& s : scenarios) command_line += " " + in_shell(s);
  for (const runs::ValidationRow& r : rows)
    if (list.empty() || !list.ends_with(r.scenario + "\n")) list += "scenario: " + r.scenario + "\n";
  results::Results results(file, {"Published figures beside simulated ones", "validate", "", command_line, list, 1});
  runs::store(rows, results, list);
}
}  // namespace

void add_validate(CLI::App& app, int&) {
  struct Given {
    std::vector<std::string> scenarios;
    int jobs = 1;
    bool json = false, claims = false;
    std::string output;
  };
  auto given = std::make_shared<Given>();
  CLI::App* verb = app.add_subcommand("validate", "run the scenarios of published measurements and print both");
  add_list(*verb, "scenarios", given->scenarios, "names or files (default: all that have published figures)");
  add_jobs(*verb, given->jobs, "scenarios");
  add_output(*verb, "-o,--output", given->output, "results database to create, for moesim report (default: none)");
  verb->add_flag("--json", given->json, "print one JSON object");
  verb->add_flag("--claims", given->claims,
                 "popular statements instead (scenarios/claims): the runs that answer each, and whether it holds");
  verb->callback([given] {
    if (given->claims && !given->output.empty())
      throw ConfigError::placed("--output: claims are printed, not stored; leave out -o or --claims");
    if (given->claims) return print_claims(runs::answer_claims(given->scenarios, given->jobs), given->json);
    if (!given->output.empty()) results::make_way(given->output);
    const std::vector<runs::ValidationRow> rows = runs::validate(given->scenarios, given->jobs);
    if (!given->output.empty()) store(rows, given->scenarios, given->output);
    given->json ? print_json(rows) : print_text(rows);
    if (!given->json && !given->output.empty()) core::print_text("results in {}\n", given->output);
  });
}
}  // namespace moesim::cli
