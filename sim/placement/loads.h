// Tokens per expert and layer: what placements are planned from and scored on.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace moesim::placement {

/// Token counts of the MoE layers of one workload.
struct Loads {
  std::string name;            // the workload's: a file's stem
  int experts = 0;             // routed experts of a layer
  int hidden_layers = 0;       // rows of the source, dense layers included
  std::vector<int> layers;     // model layer number of each row, ascending
  std::vector<int> skipped;    // layers of the source left out because nothing was routed there (dense)
  std::vector<double> counts;  // (layers, experts) row-major, none negative

  std::size_t rows() const { return layers.size(); }
  std::span<const double> row(std::size_t i) const {
    return std::span(counts).subspan(i * std::size_t(experts), std::size_t(experts));
  }
};

/// The choices of some tokens, for what loads cannot say: which experts are used together.
struct RoutingSample {
  std::size_t tokens = 0;
  int top_k = 0;
  std::vector<std::int32_t> ids;  // (layers, tokens, top_k) row-major, in the order of Loads::layers; -1 absent
  bool dealt = false;             // drawn from counts: which experts a token has together is chance, nothing recorded

  /// The experts of one token in the row-th layer.
  std::span<const std::int32_t> chosen(std::size_t row, std::size_t token) const {
    return std::span(ids).subspan((row * tokens + token) * std::size_t(top_k), std::size_t(top_k));
  }
};

/// Throws ConfigError starting with `source` for a count that is negative, not finite or above 2^53, where whole
/// numbers are no longer told apart.
void check_count(const std::string& source, int layer, int expert, double count);

/// Makes Loads of a matrix with one row a hidden layer: all-zero rows are skipped and named.
/// counts: (hidden_layers, experts).  Throws ConfigError as check_count() does, or if all are zero.
Loads loads_of_matrix(const std::string& source, int hidden_layers, int experts, std::vector<double> counts);
}  // namespace moesim::placement
