// Drafts that a decoding step verifies: how many more tokens a step yields, and what that costs.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/config.h"
#include "core/random.h"
#include "routing/trace.h"

namespace moesim::serving {

enum class DraftKind { none, mtp, ngram };
constexpr auto enum_names(DraftKind) {
  return std::to_array<std::pair<std::string_view, DraftKind>>(
      {{"none", DraftKind::none}, {"mtp", DraftKind::mtp}, {"ngram", DraftKind::ngram}});
}

struct SpeculationSpec {
  DraftKind kind = DraftKind::none;
  std::vector<double> acceptance;  // of draft 1, 2, ... given that all before it were accepted
  static void fields(auto& f, auto& p) {
    f("kind", p.kind, "none; mtp: the model's own extra layer drafts; ngram: drafts from the text so far, for free");
    f("acceptance", p.acceptance,
      "chance of each draft, given that those before it were accepted; one draft a value; mtp: default what the "
      "routing's trace measured");
  }
  int drafts() const { return kind == DraftKind::none ? 0 : int(acceptance.size()); }
  /// Tokens a step yields on average: 1 + a1 + a1 a2 + ...
  double tokens_per_step() const {
    double sum = 1, all = 1;
    for (int i = 0; i < drafts(); ++i) sum += all *= acceptance[std::size_t(i)];
    return sum;
  }
  /// Tokens of one step: the accepted drafts and the one the model adds.
  int draw(Random& random) const {
    int tokens = 1;
    for (int i = 0; i < drafts() && random.uniform() < acceptance[std::size_t(i)]; ++i) ++tokens;
    return tokens;
  }
};

/// Acceptance by position that a trace's recording measured for the model's own drafts; empty if it has none.
std::vector<double> measured_acceptance(const routing::TraceHeader& trace);

/// Throws ConfigError for a chance outside [0, 1] or drafts that are missing.
inline void check_speculation(const SpeculationSpec& spec) {
  for (double a : spec.acceptance)
    if (!(a >= 0 && a <= 1)) throw ConfigError("acceptance", fmt::format("must lie between 0 and 1, got {}", a));
  if (spec.kind != DraftKind::none && spec.acceptance.empty())
    throw ConfigError("acceptance", "needs a value for each draft");
}
}  // namespace moesim::serving
