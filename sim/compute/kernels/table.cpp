// Kernel model `table`: times the user measured, interpolated between their shapes; the equations elsewhere.
//
// Between two rows that differ only in m, rows, tokens, keys or bytes the ratio of measured to equation is interpolated
// in the logarithm of that size, so that the equation's steps (tiles, waves) and the unevenness of experts remain.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "compute/kernels/equation_model.h"
#include "compute/kernels/table_rows.h"
#include "core/elementary.h"
#include "core/paths.h"

namespace moesim::compute {
namespace {
class Table final : public KernelModel {
 public:
  struct Params {
    DataFile file;
    std::string calibration;
    bool sustained = true;
    static void fields(auto& f, auto& p) {
      f.required("file", p.file,
                 "CSV with the columns kernel,precision,shape,gpu,sms,time; time in us, shapes as 4096x7168x2048 "
                 "(gemm: m, n, k; grouped_contiguous, grouped_masked: experts, rows an expert, n, k; "
                 "attention_prefill, _backward, _decode: heads, KV heads, QK width, V width, sequences, tokens each; "
                 "norm, cast and the other memory-bound kinds: bytes); an example is in reports/kernels.md");
      f("calibration", p.calibration, "of the equations outside the table; default as for calibrated");
      f("sustained", p.sustained, "clock of the equations outside the table, as for calibrated");
    }
  };
  Table(Params p, const spec::Gpu& gpu)
      : KernelModel(gpu), file_(p.file.path), equation_(make_calibrated(p.calibration, p.sustained, gpu)) {
    read();
  }
  std::string source() const override {
    return fmt::format("{} rows of {}; elsewhere: {}", rows_, file_, equation_->source());
  }
  KernelError borrowed_error() const override { return equation_->borrowed_error(); }
  void prefer(const std::vector<ExpertLibrary>& experts) override { equation_->prefer(experts); }

 protected:
  Estimate estimate(const Kernel& kernel, GpuShare share) const override {
    const auto outside = [&] {
      const Cost cost = equation_->cost(kernel, share);
      return Estimate{seconds(cost.time), cost.from};
    };
    if (share.memory < 1) return outside();
    const auto point = point_of(kernel, share.sms > 0 ? share.sms : gpu().sms);
    if (!point) return outside();
    const auto at = curves_.find(point->place);
    if (at == curves_.end()) return outside();
    const Curve& curve = at->second;
    const auto above = curve.lower_bound(point->size);
    if (above == curve.end() || (above == curve.begin() && above->first != point->size)) return outside();
    if (above->first == point->size && point->exact) return {above->second.seconds, {Origin::measured, 1, false}};
    const double equation = seconds(equation_->cost(as_in_table(kernel), share).time);
    double ratio = above->second.ratio;
    if (above->first != point->size) {
      const auto below = std::prev(above);
      const double part = log_of(point->size / below->first) / log_of(above->first / below->first);
      ratio = pow_of(below->second.ratio, 1 - part) * pow_of(ratio, part);
    }
    return {equation * ratio, {Origin::interpolated, 1, false}};
  }

 private:
  struct Measured {
    double seconds = 0, ratio = 1;  // to the equation
  };
  using Curve = std::map<double, Measured>;  // by size

  void read() {
    const formats::CsvTable csv(file_, {"kernel", "precision", "shape", "gpu", "sms", "time"});
    const std::vector<std::string> catalogue = catalogue_names("hardware");
    for (std::size_t r = 0; r < csv.rows(); ++r) {
      const MeasuredKernel row = measured_kernel(csv, r);
      if (row.gpu == gpu().name)
        take(csv, r, row);
      else if (std::ranges::find(catalogue, row.gpu) == catalogue.end())
        csv.fail(r, fmt::format("gpu: \"{}\" is neither {} nor in the hardware catalogue", row.gpu, gpu().name));
    }
    if (rows_ == 0) throw ConfigError::placed(fmt::format("{}: has no row for GPU {}", file_, gpu().name));
  }
  void take(const formats::CsvTable& csv, std::size_t r, const MeasuredKernel& row) {
    if (row.sms > gpu().sms) csv.fail(r, fmt::format("sms: {} has {}, got {}", gpu().name, gpu().sms, row.sms));
    const GpuShare share{row.sms, 1};
    const double equation = equation_or_fail(csv, r, row.kernel, share);
    if (row.seconds < seconds(equation_->bound(row.kernel, share)) * (1 - 1e-9))
      csv.fail(r, fmt::format("time: {} us is less than the data sheet of {} allows, {:.3f} us", csv.text(r, "time"),
                              gpu().name, seconds(equation_->bound(row.kernel, share)) * 1e6));
    const auto point = point_of(row.kernel, row.sms);
    const auto [at, fresh] = curves_[point->place].emplace(point->size, Measured{row.seconds, row.seconds / equation});
    if (!fresh && std::abs(at->second.seconds / row.seconds - 1) > 1e-6)
      csv.fail(r, fmt::format("time: an earlier row gives {:.4g} us for the same kernel, this one {:.4g} us",
                              at->second.seconds * 1e6, row.seconds * 1e6));
    rows_ += fresh;
  }
  double equation_or_fail(const formats::CsvTable& csv, std::size_t r, const Kernel& kernel, GpuShare share) const {
    try {
      return seconds(equation_->cost(kernel, share).time);
    } catch (const ConfigError& e) {
      csv.fail(r, e.what());
    }
  }
  std::string file_;
  std::unique_ptr<KernelModel> equation_;
  std::map<TablePlace, Curve> curves_;
  int rows_ = 0;
};
}  // namespace

Strategy<KernelModel, const spec::Gpu&> table() {
  return strategy<Table, KernelModel, const spec::Gpu&>("table",
                                                        "measured times from a CSV, interpolated; equations elsewhere");
}
}  // namespace moesim::compute
