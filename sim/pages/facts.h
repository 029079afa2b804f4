// What every page needs to know of a run: who it is, its figures, its settings.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "results/store.h"

namespace moesim::pages {

struct Value {
  double value = 0;
  std::string unit;
};
struct Facts {
  std::string file, title, study, scenario_file, scenario, resolved, version, state, fingerprint;
  std::string seed, events, wall_time;
  std::string sweep_file;  // that a sweep was run from, as its command named it; "" where that is not kept
  std::map<std::pair<std::string, std::string>, Value> metrics;  // (scope, name)
  std::vector<std::string> scopes;                               // in the order they were written, each once
  std::map<std::string, std::string, std::less<>> settings;
  struct Assumption {
    std::string scope, name, value, reason;
  };
  std::vector<Assumption> assumptions;
  struct Warning {
    std::string scope, name, text;
  };
  std::vector<Warning> warnings;
  std::vector<std::pair<std::string, std::string>> options;  // of the command line, those that changed the run
  bool options_kept = true;                                  // older databases do not have them
  std::map<std::string, std::string> differing;              // of a sweep: settings its points have not in common
  std::vector<std::string> varied;                           // of a sweep: keys that its points were given

  /// NaN if there is none.
  double value(std::string_view name, std::string_view scope = "run") const;
  bool has(std::string_view name, std::string_view scope = "run") const;
  /// As a summary prints it: "1.53 ms"; "" if there is none.
  std::string shown(std::string_view name, std::string_view scope = "run") const;
  /// "" if it was not in force.
  std::string setting(std::string_view key) const;
  /// Scopes that begin so, without that: with "pool:" each pool, with no "," in it.
  std::vector<std::string> parts(std::string_view prefix) const;
};
/// Of the database's one run.  Throws ConfigError if there is none, or several.
Facts read_facts(const results::Database& db);
/// Of a sweep: what all its points share, and which settings differ, with their values.
Facts read_shared(const results::Database& db);
/// The command that does the same again, as a shell takes it, whatever the database holds, without the name of its
/// results; rest: further options.  "" where it would be more than one command.
std::string command_of(const Facts& facts, std::string_view rest);
/// Without figures, of a database of any number of runs: who the first is.
Facts read_identity(const results::Database& db);
}  // namespace moesim::pages
