// The design family: where on its axes a sweep has points.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/family.h"

namespace moesim::runs {

class SweepDesign {
 public:
  virtual ~SweepDesign() = default;
  /// How many points.  values: how many each axis takes in turn, 0 for a range without steps.
  /// Throws ConfigError if axes like these have none.
  virtual double count(std::span<const std::size_t> values) const = 0;
  /// (count(), axes), each in [0, 1): the k-th of an axis' n values from k / n on, a range from its lower end.  Same
  /// axes, same points.
  virtual std::vector<std::vector<double>> places(std::span<const std::size_t> values) const = 0;
  /// Whether it looks anywhere within a range; else a range needs steps.
  virtual bool takes_ranges() const = 0;
  /// Whether the last axis varies fastest, through all combinations.
  virtual bool is_grid() const { return false; }
};

const Family<SweepDesign>& designs();

// One a file; for designs().
Strategy<SweepDesign> grid_design();
Strategy<SweepDesign> list_design();
Strategy<SweepDesign> random_design();
Strategy<SweepDesign> latin_hypercube_design();

/// What designs that draw their points are told.
struct DrawnDesign {
  int points = 0;
  std::uint64_t seed = 1;
  static void fields(auto& f, auto& p) {
    f.required("points", p.points, "how many");
    f("seed", p.seed, "of the points' places; the runs have seeds of their own");
  }
};
/// Throws ConfigError at `points` if that is no number of them.
void check_drawn(const DrawnDesign& design);
}  // namespace moesim::runs
