#include "cli/network_residuals.h"

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
  compute::ResidualClasses classes;
  for (std::size_t i = 0; i < rows.size(); ++i) classes.add(rows[i], rows[i].groups, predicted[i]);
  return classes.take();
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
