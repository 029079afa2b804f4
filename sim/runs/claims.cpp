#include "runs/claims.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/paths.h"
#include "runs/parallel.h"
#include "runs/scenario.h"

namespace moesim::runs {
namespace {
constexpr std::string_view kFolder = "scenarios/claims";

std::size_t case_of(const ClaimFile& claim, const std::string& name) {
  const auto found = std::ranges::find(claim.cases, name, &ClaimCase::name);
  if (found == claim.cases.end()) throw ConfigError("holds", fmt::format("no case is called \"{}\"", name));
  return std::size_t(found - claim.cases.begin());
}

bool within(const ClaimBound& bound, double value) {
  return value >= bound.at_least.value_or(value) && value <= bound.at_most.value_or(value);
}

std::string asked(const ClaimBound& bound) {
  if (bound.at_least && bound.at_most) return fmt::format("{:.3g} to {:.3g}", *bound.at_least, *bound.at_most);
  if (bound.at_least) return fmt::format("at least {:.3g}", *bound.at_least);
  return fmt::format("at most {:.3g}", bound.at_most.value_or(0));
}

void check_claim(const ClaimFile& claim) {
  if (claim.cases.empty()) throw ConfigError("cases", "expected at least one");
  const ClaimTest& test = claim.holds;
  if (!test.rising && test.ratio.empty() && test.value.empty())
    throw ConfigError("holds", "needs rising, ratio or value");
  if (test.rising && claim.cases.size() < 2) throw ConfigError("holds.rising", "needs at least two cases");
  for (const ClaimBound& b : test.ratio)
    if (b.to.empty()) throw ConfigError("holds.ratio", fmt::format("\"{}\" needs `to`: what it is divided by", b.of));
  for (const auto* list : {&test.ratio, &test.value})
    for (const ClaimBound& b : *list) {
      case_of(claim, b.of);
      if (!b.to.empty()) case_of(claim, b.to);
      if (!b.at_least && !b.at_most) throw ConfigError("holds", fmt::format("\"{}\" needs at_least or at_most", b.of));
    }
  for (const ClaimCase& c : claim.cases)
    if (c.scenario.empty() && claim.scenario.empty())
      throw ConfigError("scenario", fmt::format("missing: the case \"{}\" names none either", c.name));
}

ClaimFile read_claim(const std::string& name) {
  const Config config = Config::load(catalogue_file(kFolder, name, "claim"));
  ClaimFile out;
  config.parse(out);
  config.placed([&] { check_claim(out); });
  return out;
}

struct Figure {
  double value = 0;
  std::string unit;
};
Figure run_case(const ClaimFile& claim, const ClaimCase& one) {
  std::vector<Config::Override> overrides;
  for (const std::string& s : claim.set) overrides.push_back(parse_override(s, "set"));
  for (const std::string& s : one.set) overrides.push_back(parse_override(s, "set"));
  const Scenario scenario = load_scenario(one.scenario.empty() ? claim.scenario : one.scenario, overrides);
  results::Results results({results::Table::run, results::Table::metric});
  results::SpanLog spans;
  simulate(scenario, results, spans);
  if (!results.has_metric(claim.metric, claim.scope))
    throw ConfigError(fmt::format("{}: no metric {} of {}", scenario.file, claim.metric, claim.scope));
  return {results.metric_value(claim.metric, claim.scope), results.metric_unit(claim.metric, claim.scope)};
}
}  // namespace

ClaimAnswer judged(const ClaimFile& claim, std::vector<double> values) {
  check_claim(claim);
  ClaimAnswer out{.claim = claim.claim, .source = claim.source, .metric = claim.metric, .unit = "", .holds = true};
  for (const ClaimCase& c : claim.cases) out.names.push_back(c.name);
  const auto say = [&](bool holds, const std::string& text) {
    out.holds = out.holds && holds;
    out.why += (out.why.empty() ? "" : "; ") + text;
  };
  for (std::size_t i = 1; claim.holds.rising && i < values.size(); ++i) {
    const double step = values[i] / values[i - 1];
    say(step > 1, fmt::format("{} is {:.2f} times {}", out.names[i], step, out.names[i - 1]));
  }
  for (const ClaimBound& b : claim.holds.ratio) {
    const double ratio = values[case_of(claim, b.of)] / values[case_of(claim, b.to)];
    say(within(b, ratio), fmt::format("{} is {:.2f} times {}, said: {}", b.of, ratio, b.to, asked(b)));
  }
  for (const ClaimBound& b : claim.holds.value) {
    const double value = values[case_of(claim, b.of)];
    say(within(b, value), fmt::format("{}: {:.3g}, said: {}", b.of, value, asked(b)));
  }
  out.values = std::move(values);
  return out;
}

std::vector<ClaimAnswer> answer_claims(std::vector<std::string> names, int jobs) {
  if (jobs < 1) throw ConfigError::placed(fmt::format("--jobs: expected at least 1, got {}", jobs));
  if (names.empty()) names = catalogue_names(kFolder);
  std::vector<ClaimFile> claims;
  std::vector<std::pair<std::size_t, std::size_t>> runs;  // claim, case
  for (const std::string& name : names) {
    claims.push_back(read_claim(name));
    for (std::size_t c = 0; c < claims.back().cases.size(); ++c) runs.emplace_back(claims.size() - 1, c);
  }
  std::vector<Figure> figures(runs.size());
  const auto one = [&](std::size_t k) {
    const ClaimFile& claim = claims[runs[k].first];
    figures[k] = run_case(claim, claim.cases[runs[k].second]);
  };
  if (!run_all("runs", runs.size(), jobs, one)) throw ConfigError("interrupted: not all claims were answered");
  std::vector<ClaimAnswer> out;
  std::size_t k = 0;
  for (const ClaimFile& claim : claims) {
    std::vector<double> values;
    const std::string unit = figures[k].unit;
    for (std::size_t c = 0; c < claim.cases.size(); ++c) values.push_back(figures[k++].value);
    out.push_back(judged(claim, std::move(values)));
    out.back().unit = unit;
  }
  return out;
}
}  // namespace moesim::runs
