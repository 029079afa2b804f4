// What the user is told of a scenario's text that is served.
#pragma once
#include <string>

#include "results/results.h"
#include "results/study.h"
#include "serving/run_serving.h"
#include "support/refusal.h"

namespace moesim::test {

/// As test.yaml; or "accepted", once it has run.
inline std::string refusal_of_serving(const std::string& text) {
  const Config scenario = Config::from_text(text, "test.yaml");
  results::Results results(":memory:", {});
  results::SpanLog spans;
  results::StudyRun study{scenario, 1, results, spans};
  return refusal_of([&] { scenario.at("serving").placed([&] { return serving::run_serving(study); }); });
}
}  // namespace moesim::test
