// What a run will take, worked out from its scenario before anything of it is allocated.
#pragma once
#include <string>
#include <vector>

#include "core/names.h"

namespace moesim::core {

/// In doubles throughout: a scenario may ask for more than any integer counts.
struct Estimate {
  /// Something held, and the value that makes it so: a key path from the scenario's root.
  struct Part {
    std::string key, what;  // what: "2,000,000 sequences", as in "needs about 3 GB for ..."
    double bytes = 0;
  };
  std::vector<Part> parts;
  /// What a timeline of all of it would hold.
  struct Spans {
    double count = 0, gpus = 0;  // gpus: those with tracks of their own
    double until = 0;            // simulated seconds; 0: not known before
  };
  Spans spans;
  double events = 0, seconds = 0;
  std::string events_key;  // the value that makes most of the events

  void hold(std::string key, std::string what, double bytes) {
    parts.push_back({std::move(key), std::move(what), bytes});
  }
  double bytes() const;
  /// The part that takes most; needs one.
  const Part& largest() const;
};

/// "3.2 GB", "540 MB": three digits.
std::string rounded_bytes(double bytes);
/// "2,000,000,000", or "3.2e+15" where that would be long.
std::string rounded_count(double count);
/// "40 s", "3 min", "5 h", "12 days", "1,200 years".
std::string rounded_time(double seconds);
}  // namespace moesim::core
