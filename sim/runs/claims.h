// moesim validate --claims: popular statements that only a run can answer, each with the runs that do.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"

namespace moesim::runs {

/// One run: the claim's scenario with changes, as --set takes them.
struct ClaimCase {
  std::string name, scenario;
  std::vector<std::string> set;
  static void fields(auto& f, auto& p) {
    f.required("name", p.name, "in the answer");
    f("scenario", p.scenario, "name or file; default: the claim's");
    f("set", p.set, "KEY.PATH=VALUE each, after the claim's own");
  }
};

/// A bound on one case's figure, or on its ratio to another's.
struct ClaimBound {
  std::string of, to;
  std::optional<double> at_least{}, at_most{};
  static void fields(auto& f, auto& p) {
    f.required("of", p.of, "a case");
    f("to", p.to, "the case that it is divided by");
    f("at_least", p.at_least, "");
    f("at_most", p.at_most, "");
  }
};

/// When the claim holds: in all of these ways.
struct ClaimTest {
  bool rising = false;
  std::vector<ClaimBound> ratio, value;
  static void fields(auto& f, auto& p) {
    f("rising", p.rising, "each case's figure is above the one's before");
    f("ratio", p.ratio, "bounds on quotients of two cases");
    f("value", p.value, "bounds on a case's figure, in the metric's unit");
  }
};

/// A file of scenarios/claims/.
struct ClaimFile {
  std::string claim, source, scenario, metric, scope = "run";
  std::vector<std::string> set;
  std::vector<ClaimCase> cases;
  ClaimTest holds;
  static void fields(auto& f, auto& p) {
    f.required("claim", p.claim, "what is said");
    f.required("source", p.source, "by whom");
    f("scenario", p.scenario, "name or file, of cases that name none");
    f.required("metric", p.metric, "name in the metric table");
    f("scope", p.scope, "run, or stage:3, phase:decode, ...");
    f("set", p.set, "KEY.PATH=VALUE each, for all cases");
    f.required("cases", p.cases, "runs");
    f.required("holds", p.holds, "when it is true");
  }
};

struct ClaimAnswer {
  std::string claim, source, metric, unit;
  std::vector<std::string> names{};  ///< of its cases
  std::vector<double> values{};      ///< (cases)
  bool holds = false;
  std::string why{};  ///< the quotients or steps that decide it
};

/// Whether `values` (cases) pass the test.  Throws ConfigError for a case that is not there, and for a test of nothing.
ClaimAnswer judged(const ClaimFile& claim, std::vector<double> values);

/// Runs the claims (names in scenarios/claims or files; none named: all of them) on `jobs` threads, in their order.
std::vector<ClaimAnswer> answer_claims(std::vector<std::string> claims, int jobs);
}  // namespace moesim::runs
