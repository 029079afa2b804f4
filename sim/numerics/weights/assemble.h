// Assembly of Experts: a new checkpoint from the weighted tensors of parents with one architecture.
#pragma once
#include <string>
#include <vector>

#include "core/units.h"

namespace moesim::numerics {

struct AssemblyParent {
  std::string folder;
  double weight = 1;
};
struct AssemblyOptions {
  std::vector<AssemblyParent> parents;     // the first gives whatever is not merged
  std::string tensors = "routed_experts";  // or "all", or a POSIX extended regular expression on names
  double threshold = 0;                    // see merge rule
  Bytes shard{5'000'000'000};              // about the size of the files written
  std::string output;
};
struct AssemblyResult {
  std::int64_t tensors = 0, merged = 0, below = 0;  // scales of FP8 matrices not counted; `below` the threshold
  std::int64_t bytes = 0;
  int files = 0;
  double largest_difference = 0;  // normalised, among the chosen tensors
  std::string largest_name;
};

/// Writes a Hugging Face folder: safetensors, and config.json and tokenizer files of the first parent.
///
/// Chosen tensors become the mean of the parents' weighted by weight / sum of weights, computed in double and rounded
/// to the stored type; FP8 matrices are read with their 128x128 scales and get new ones.  All others are the first
/// parent's, byte for byte; so is a chosen one if only that parent weighs anything.
/// threshold: a chosen tensor is merged only if for some parent with a weight
/// |tensor - first's|_F / |first's|_F is larger; else it stays the first parent's.
/// Throws ConfigError if the output exists, no tensor is chosen, weights are negative or all zero, or the parents
/// differ in a configuration value or a tensor's name, shape or type: the first difference is named with both values.
/// Nothing is left behind on error or interrupt.
/// Source: Klagges et al. 2025, "Assembly of Experts", arXiv 2506.14794; the norm that differences are divided by is
/// chosen here.
AssemblyResult assemble(const AssemblyOptions& options);

/// "DIR" or "DIR:0.4".  Throws ConfigError for a weight that is negative.
AssemblyParent parse_parent(const std::string& text);
}  // namespace moesim::numerics
