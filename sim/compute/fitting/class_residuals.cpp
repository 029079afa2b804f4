// How far calibrations are from rows of tables, by class of row.
#include <algorithm>
#include <array>
#include <cmath>

#include "compute/fitting/tables.h"
#include "spec/catalogue.h"

namespace moesim::compute {
namespace {
class Classes {
 public:
  void add(const Measurement& s, double predicted) {
    const double ratio = predicted / s.seconds;
    for (const std::string& group : s.groups) {
      Errors& errors = classes_[{s.kind, s.gpu, s.precision, group, s.library}];
      errors.sizes.emplace_back(std::abs(ratio - 1), s.shape);
      errors.ratios.push_back(ratio);
    }
  }
  std::vector<ClassResiduals> take() {
    std::vector<ClassResiduals> out;
    for (auto& [key, errors] : classes_) {
      std::ranges::sort(errors.ratios);
      out.push_back({key[0], key[2], key[1], key[4], key[3], residuals_of(std::move(errors.sizes)),
                     errors.ratios[errors.ratios.size() / 2] - 1});
    }
    return out;
  }

 private:
  struct Errors {
    std::vector<std::pair<double, std::string>> sizes;
    std::vector<double> ratios;
  };
  std::map<std::array<std::string, 5>, Errors> classes_;
};
}  // namespace

std::vector<ClassResiduals> residuals_in_force(const std::vector<Measurement>& rows) {
  Classes classes;
  std::map<std::string, std::pair<spec::Gpu, TableFitResult>> in_force;
  for (const Measurement& s : rows) {
    if (!in_force.contains(s.gpu)) {
      const spec::Gpu gpu = spec::load_gpu(s.gpu);
      in_force[s.gpu] = {gpu, {load_calibration("kernels-" + gpu.generation), load_benchmarks(gpu.generation), {}}};
    }
    auto& [gpu, fit] = in_force.at(s.gpu);
    classes.add(s, predict(s, gpu, fit.calibration, limits_of(fit.benchmarks[s.bench], gpu)));
  }
  return classes.take();
}

std::vector<ClassResiduals> residuals_of(const TableFitResult& fit, const spec::Gpu& gpu,
                                         const std::vector<Measurement>& rows, bool (*use)(const Measurement&)) {
  Classes classes;
  for (const Measurement& s : rows) {
    if (!use(s)) continue;
    const auto b = fit.benchmarks.find(s.bench);
    const HarnessLimits limits = limits_of(b == fit.benchmarks.end() ? Benchmark{} : b->second, gpu);
    classes.add(s, predict(s, gpu, fit.calibration, limits));
  }
  return classes.take();
}
}  // namespace moesim::compute
