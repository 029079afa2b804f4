#include "cli/network_residuals.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>

namespace moesim::cli {
std::vector<compute::ClassResiduals> network_residuals(const std::vector<network::NetworkRow>& rows) {
  struct Errors {
    std::vector<std::pair<double, std::string>> sizes;
    std::vector<double> ratios;
  };
  std::map<std::array<std::string, 5>, Errors> classes;
  const std::vector<double> predicted = network::predicted_in_force(rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const network::NetworkRow& row = rows[i];
    const double ratio = predicted[i] / row.seconds;
    for (const std::string& group : row.groups) {
      Errors& errors = classes[{row.kind, row.gpu, row.precision, group, row.library}];
      errors.sizes.emplace_back(std::abs(ratio - 1), row.shape);
      errors.ratios.push_back(ratio);
    }
  }
  std::vector<compute::ClassResiduals> out;
  for (auto& [key, errors] : classes) {
    std::ranges::sort(errors.ratios);
    out.push_back({key[0], key[2], key[1], key[4], key[3], compute::residuals_of(std::move(errors.sizes)),
                   errors.ratios[errors.ratios.size() / 2] - 1});
  }
  return out;
}
}  // namespace moesim::cli
