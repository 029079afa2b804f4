// How far calibrations are from rows of tables, by class of row.
#include <algorithm>
#include <memory>
#include <string_view>

#include "compute/fitting/tables.h"
#include "compute/kernels/equation_model.h"
#include "spec/catalogue.h"

namespace moesim::compute {
namespace {
constexpr std::string_view kHostsRows = "bound by the host";
// As a simulation asks for them, one after the other.
double simulated_seconds(const Measurement& s, KernelModel& model) {
  model.prefer_scans(s.scans);
  double sum = 0;
  for (const Kernel& kernel : s.sequences.front()) sum += seconds(model.cost(kernel).time);
  return sum;
}
// Rows launched one by one that waited for their host: by the benchmark's floor, or by what other rows show.
bool waited(const Measurement& s, const spec::Gpu& gpu, const Calibration& c, const HarnessLimits& h) {
  if (s.harness != Harness::eager) return false;
  return (!s.known && s.kind == "mla prefill") || h.offset + predict_device(s, gpu, c, h) < h.floor;
}
void add(ResidualClasses& classes, const Measurement& s, double predicted, bool host) {
  static const std::vector<std::string> hosts{std::string(kHostsRows)};
  classes.add(s, host ? hosts : s.groups, predicted);
}
}  // namespace

std::vector<ClassResiduals> ResidualClasses::take() {
  std::vector<ClassResiduals> out;
  for (auto& [key, errors] : classes_) {
    std::ranges::sort(errors.ratios);
    out.push_back({key[0], key[2], key[1], key[4], key[3], residuals_of(std::move(errors.sizes)),
                   errors.ratios[errors.ratios.size() / 2] - 1});
  }
  return out;
}

KernelError mean_error(const std::vector<ClassResiduals>& classes) {
  KernelError out;
  double rows = 0;
  for (const ClassResiduals& c : classes) {
    if (c.group == kHostsRows) continue;
    rows += double(c.residuals.rows);
    out.median += c.residuals.median * double(c.residuals.rows);
    out.ninetieth += c.residuals.ninetieth * double(c.residuals.rows);
  }
  return rows > 0 ? KernelError{out.median / rows, out.ninetieth / rows} : out;
}

std::vector<ClassResiduals> residuals_in_force(const std::vector<Measurement>& rows) {
  ResidualClasses classes;
  for_each_in_force(rows, [&](const Measurement& s, double predicted, bool host) { add(classes, s, predicted, host); });
  return classes.take();
}

void for_each_in_force(const std::vector<Measurement>& rows,
                       const std::function<void(const Measurement&, double, bool)>& use) {
  struct InForce {
    spec::Gpu gpu;
    TableFitResult fit;
    std::unique_ptr<KernelModel> model;
  };
  std::map<std::string, InForce> in_force;
  for (const Measurement& s : rows) {
    if (!in_force.contains(s.gpu)) {
      const spec::Gpu gpu = spec::load_gpu(s.gpu);
      in_force[s.gpu] = {gpu,
                         {load_calibration("kernels-" + gpu.generation), load_benchmarks(gpu.generation), {}},
                         make_calibrated("", true, gpu)};
    }
    auto& [gpu, fit, model] = in_force.at(s.gpu);
    const HarnessLimits limits = limits_of(fit.benchmarks[s.bench], gpu);
    if (s.harness == Harness::simulated) {
      const double device = simulated_seconds(s, *model), least = limits.floor - s.ties;
      use(s, std::max(device, least), device < least);
      continue;
    }
    use(s, predict(s, gpu, fit.calibration, limits), waited(s, gpu, fit.calibration, limits));
  }
}

std::vector<ClassResiduals> residuals_of(const TableFitResult& fit, const spec::Gpu& gpu,
                                         const std::vector<Measurement>& rows, bool (*use)(const Measurement&)) {
  ResidualClasses classes;
  for (const Measurement& s : rows) {
    if (!use(s)) continue;
    const auto b = fit.benchmarks.find(s.bench);
    const HarnessLimits limits = limits_of(b == fit.benchmarks.end() ? Benchmark{} : b->second, gpu);
    add(classes, s, predict(s, gpu, fit.calibration, limits), waited(s, gpu, fit.calibration, limits));
  }
  return classes.take();
}
}  // namespace moesim::compute
