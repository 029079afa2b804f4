// What every study (passes, training, serving, place) is given and gives back.
#pragma once
#include <cstdint>

#include "core/config.h"
#include "core/units.h"
#include "results/results.h"
#include "results/span.h"

namespace moesim::results {

/// One run of a scenario.  A study reads the sections it knows from `scenario` (unknown top-level keys are refused by
/// runs/scenario.cpp), draws from streams of `seed`, and writes rows and metrics as it goes.
struct StudyRun {
  const Config& scenario;
  std::uint64_t seed;
  Results& results;
  SpanLog& spans;
};

/// How the run came to its end.
struct StudyEnd {
  std::uint64_t fingerprint = 0, events = 0;
  Time simulated_time{};
  bool interrupted = false;  // the user stopped it: the rows are good, but not all are there
};

using Study = StudyEnd (*)(StudyRun&);
}  // namespace moesim::results
