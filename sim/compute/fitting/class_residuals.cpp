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
  /// host: the row's time is that of its host, not of the GPU.
  void add(const Measurement& s, double predicted, bool host) {
    const double ratio = predicted / s.seconds;
    const std::vector<std::string> hosts{"bound by the host"};
    for (const std::string& group : host ? hosts : s.groups) {
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
// Rows launched one by one that waited for their host: by the benchmark's floor, or by what other rows show.
bool waited(const Measurement& s, const spec::Gpu& gpu, const Calibration& c, const HarnessLimits& h) {
  if (s.harness != Harness::eager) return false;
  return (!s.known && s.kind == "mla prefill") || h.offset + predict_device(s, gpu, c, h) < h.floor;
}
}  // namespace

std::vector<ClassResiduals> residuals_in_force(const std::vector<Measurement>& rows) {
  Classes classes;
  for_each_in_force(rows, [&](const Measurement& s, double predicted, bool host) { classes.add(s, predicted, host); });
  return classes.take();
}

void for_each_in_force(const std::vector<Measurement>& rows,
                       const std::function<void(const Measurement&, double, bool)>& use) {
  std::map<std::string, std::pair<spec::Gpu, TableFitResult>> in_force;
  for (const Measurement& s : rows) {
    if (!in_force.contains(s.gpu)) {
      const spec::Gpu gpu = spec::load_gpu(s.gpu);
      in_force[s.gpu] = {gpu, {load_calibration("kernels-" + gpu.generation), load_benchmarks(gpu.generation), {}}};
    }
    auto& [gpu, fit] = in_force.at(s.gpu);
    const HarnessLimits limits = limits_of(fit.benchmarks[s.bench], gpu);
    use(s, predict(s, gpu, fit.calibration, limits), waited(s, gpu, fit.calibration, limits));
  }
}

std::vector<ClassResiduals> residuals_of(const TableFitResult& fit, const spec::Gpu& gpu,
                                         const std::vector<Measurement>& rows, bool (*use)(const Measurement&)) {
  Classes classes;
  for (const Measurement& s : rows) {
    if (!use(s)) continue;
    const auto b = fit.benchmarks.find(s.bench);
    const HarnessLimits limits = limits_of(b == fit.benchmarks.end() ? Benchmark{} : b->second, gpu);
    classes.add(s, predict(s, gpu, fit.calibration, limits), waited(s, gpu, fit.calibration, limits));
  }
  return classes.take();
}
}  // namespace moesim::compute
