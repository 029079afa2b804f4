#include "pages/facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/config.h"
#include "core/in_shell.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
std::map<std::string, std::string, std::less<>> settings_of(const std::string& resolved) {
  std::map<std::string, std::string, std::less<>> out;
  std::istringstream lines(resolved);
  for (std::string line; std::getline(lines, line);)
    if (const std::size_t colon = line.find(": "); colon != std::string::npos)
      out.emplace(line.substr(0, colon), line.substr(colon + 2));
  return out;
}
}  // namespace

double Facts::value(std::string_view name, std::string_view scope) const {
  const auto found = metrics.find({std::string(scope), std::string(name)});
  return found == metrics.end() ? std::nan("") : found->second.value;
}
bool Facts::has(std::string_view name, std::string_view scope) const {
  return metrics.contains({std::string(scope), std::string(name)});
}
std::string Facts::shown(std::string_view name, std::string_view scope) const {
  const auto found = metrics.find({std::string(scope), std::string(name)});
  return found == metrics.end() ? "" : results::pretty(found->second.value, found->second.unit);
}
std::string Facts::setting(std::string_view key) const {
  const auto found = settings.find(key);
  return found == settings.end() ? "" : found->second;
}
std::vector<std::string> Facts::parts(std::string_view prefix) const {
  std::vector<std::string> out;
  for (const std::string& scope : scopes)
    if (scope.starts_with(prefix) && scope.find(',') == std::string::npos) out.push_back(scope.substr(prefix.size()));
  return out;
}

Facts read_identity(const results::Database& db) {
  results::Statement s = db.prepare(
      "SELECT title, study, file, scenario, resolved, version, state, fingerprint, seed, events, "
      "wall_time FROM run ORDER BY run");
  if (!s.step()) throw ConfigError(fmt::format("{}: holds no run", db.file()));
  Facts out;
  out.file = db.file();
  int i = 0;
  for (std::string* field : {&out.title, &out.study, &out.scenario_file, &out.scenario, &out.resolved, &out.version,
                             &out.state, &out.fingerprint, &out.seed, &out.events, &out.wall_time})
    *field = s.is_null(i) ? "" : s.text(i), ++i;
  out.wall_time = s.is_null(10) ? "" : results::pretty(s.real(10), "s");
  out.options_kept = db.has_table("option");
  if (out.options_kept) {
    results::Statement o = db.prepare("SELECT name, value FROM option WHERE run = 1 ORDER BY rowid");
    while (o.step()) out.options.emplace_back(o.text(0), o.text(1));
  }
  out.settings = settings_of(out.resolved);
  return out;
}

Facts read_facts(const results::Database& db) {
  Facts out = read_identity(db);
  if (const std::string runs = db.value("SELECT count(*) FROM run").value_or("0"); runs != "1")
    throw ConfigError(fmt::format("{}: holds {} runs that are no sweep; a page is of one", db.file(), runs));
  results::Statement m = db.prepare("SELECT scope, name, value, unit FROM metric ORDER BY rowid");
  std::map<std::string, int> seen;
  while (m.step()) {
    if (!m.is_number(2) || !std::isfinite(m.real(2))) continue;
    if (seen.emplace(m.text(0), 0).second) out.scopes.push_back(m.text(0));
    out.metrics[{m.text(0), m.text(1)}] = {m.real(2), m.text(3)};
  }
  results::Statement a = db.prepare("SELECT scope, name, value, reason FROM assumption ORDER BY rowid");
  while (a.step()) out.assumptions.push_back({a.text(0), a.text(1), a.text(2), a.text(3)});
  results::Statement w = db.prepare("SELECT scope, name, text FROM warning ORDER BY rowid");
  while (w.step()) out.warnings.push_back({w.text(0), w.text(1), w.text(2)});
  return out;
}

namespace {
/// Whether a shell takes `text` as one command of plain and quoted words: a database of others may hold anything.
bool is_one_command(std::string_view text) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+,:@%= ";
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\'')
      quoted = !quoted;
    else if (!quoted && text.substr(i, 2) == "\\'")
      ++i;
    else if (!quoted && kPlain.find(text[i]) == std::string_view::npos)
      return false;
  }
  return !quoted;
}

/// The words of such a command without the name of the results it wrote.
std::string without_output(std::string_view command) {
  std::vector<std::string> words = {""};
  bool quoted = false;
  for (std::size_t i = 0; i < command.size(); ++i) {
    if (command[i] == '\'') quoted = !quoted;
    if (!quoted && command[i] == ' ')
      words.emplace_back();
    else
      words.back() += command[i];
    if (!quoted && command[i] == '\\' && i + 1 < command.size()) words.back() += command[++i];
  }
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--output" || words[i] == "-o" || words[i] == "--db") {
      ++i;
      continue;
    }
    out += (out.empty() ? "" : " ") + words[i];
  }
  return out;
}
}  // namespace

std::string command_of(const Facts& f, std::string_view rest) {
  const std::string behind = rest.empty() ? "" : " " + std::string(rest);
  if (f.study == "sweep")
    return "moesim sweep " + (f.sweep_file.empty() ? "sweep.yaml" : in_shell(f.sweep_file)) + behind;
  if (f.scenario_file.empty())  // the text is the command
    return f.scenario.starts_with("moesim ") && is_one_command(f.scenario) ? without_output(f.scenario) + behind : "";
  std::string out = fmt::format("moesim {} {}", f.study == "size" ? "size" : "run", in_shell(f.scenario_file));
  for (const auto& [name, value] : f.options)
    if (name != "--seed") out += fmt::format(" {} {}", in_shell(name), in_shell(value));
  return out + fmt::format(" --seed {}", in_shell(f.seed)) + behind;
}
}  // namespace moesim::pages
