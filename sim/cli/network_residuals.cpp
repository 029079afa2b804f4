#include "cli/network_residuals.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "network/fitting/fit.h"
#include "spec/catalogue.h"

namespace moesim::cli {
namespace {
using network::NetworkRow;

std::vector<compute::ClassResiduals> classes_of(const std::vector<NetworkRow>& rows,
                                                const std::vector<double>& predicted) {
  struct Errors {
    std::vector<std::pair<double, std::string>> sizes;
    std::vector<double> ratios;
  };
  std::map<std::array<std::string, 5>, Errors> classes;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const NetworkRow& row = rows[i];
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

std::vector<compute::ClassResiduals> classes_of(const spec::Gpu& gpu, const std::vector<NetworkRow>& rows,
                                                const network::NetworkCalibration& calibration) {
  const network::RowModel model(gpu);
  std::vector<double> predicted;
  for (const NetworkRow& row : rows) predicted.push_back(model(row, calibration));
  return classes_of(rows, predicted);
}
void append(std::vector<compute::ClassResiduals>& to, std::vector<compute::ClassResiduals> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}
}  // namespace

std::vector<compute::ClassResiduals> network_residuals(const std::vector<NetworkRow>& rows) {
  return classes_of(rows, network::predicted_in_force(rows));
}

NetworkFit fit_network_rows(const std::vector<NetworkRow>& rows, std::uint64_t seed) {
  constexpr int kSteps = 3000;
  std::map<std::string, std::vector<NetworkRow>> by_gpu;
  for (const NetworkRow& row : rows) by_gpu[row.gpu].push_back(row);
  NetworkFit out;
  for (const auto& [name, all] : by_gpu) {
    const spec::Gpu gpu = spec::load_gpu(name);
    const network::NetworkCalibration start = network::network_calibration_for("auto", gpu);
    const std::vector<bool> left_out = network::held_out_fifth(all, seed);
    std::vector<NetworkRow> fitted, held_out;
    for (std::size_t i = 0; i < all.size(); ++i) (left_out[i] ? held_out : fitted).push_back(all[i]);
    append(out.all, classes_of(gpu, all, network::fit_network(start, gpu, all, kSteps)));
    append(out.held_out, classes_of(gpu, held_out, network::fit_network(start, gpu, fitted, kSteps)));
  }
  return out;
}
}  // namespace moesim::cli
