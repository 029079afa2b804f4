// Solves small linear programmes; the only user of GLPK.
#pragma once
#include <limits>
#include <string>
#include <vector>

namespace moesim::exchange {

/// minimise sum cost[j] x[j]  subject to  lower[i] <= row i <= upper[i],  x >= 0.
struct LinearProgram {
  static constexpr double kNone = std::numeric_limits<double>::infinity();
  struct Term {
    int row, column;
    double value;
  };
  std::vector<double> cost;          // (columns)
  std::vector<double> lower, upper;  // (rows); -kNone and kNone for no bound
  std::vector<Term> terms;           // no (row, column) twice

  int add_column(double c) { return cost.push_back(c), int(cost.size()) - 1; }
  int add_row(double low, double high) { return lower.push_back(low), upper.push_back(high), int(lower.size()) - 1; }
};
/// The values of x at an optimum; simplex, so the same every time.  Throws std::logic_error, naming `what`, if there is
/// none.
std::vector<double> solve(const LinearProgram& program, const std::string& what);
}  // namespace moesim::exchange
