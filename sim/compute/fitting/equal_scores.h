// What equal scores cost an indexer's choice of the best: modules were timed on dummy weights, where all scores tie.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "compute/fitting/measured_rows.h"

namespace moesim::compute {

/// The serving system that a library's name begins with: "sglang" of "sglang 0.5.14".
inline std::string system_of(std::string_view library) { return std::string(library.substr(0, library.find(' '))); }

/// A kernel that chooses: as the tables of single kernels name it.
struct ChoiceKernel {
  std::string system;
  std::string kernel, version;  // "dsa_topk", ""; "csa_topk", "v1" or "v2"
  int picks = 0;                // of a row
  int entry = 1;                // tokens that a score stands for
  auto operator<=>(const ChoiceKernel&) const = default;
};

/// Equal scores over clear winners, from the tables sparse_kernels_*.csv of a folder.
class EqualScores {
 public:
  /// Reads the tables beside `file`.  Throws ConfigError at their file and line for what is no number.
  explicit EqualScores(const std::string& file);
  /// Seconds that equal scores add to a module with these sequences: of the nearest single kernel by rows and keys,
  /// grown with the scores where these are many; 0 where all keys are picked; none if no such kernel was timed on the
  /// GPU.
  std::optional<double> seconds(const std::string& gpu, const ChoiceKernel& choice, const Sequences& s) const;

 private:
  std::map<std::pair<std::string, ChoiceKernel>, std::vector<std::pair<Sequences, double>>> rows_;
};
}  // namespace moesim::compute
