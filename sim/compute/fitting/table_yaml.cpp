// Writes what was fitted to tables as a catalogue entry, each value with its source.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "compute/fitting/tables.h"

namespace moesim::compute {
namespace {
/// Visits an equation's fields and writes those that are not as in an equation nobody fitted.
class SectionWriter {
 public:
  explicit SectionWriter(std::string source, std::string indent = "  ")
      : source_(std::move(source)), indent_(std::move(indent)) {}
  void operator()(std::string_view key, double value, std::string_view) { line(key, fmt::format("{:.4g}", value)); }
  void operator()(std::string_view key, Time value, std::string_view) {
    line(key, fmt::format("{:.4g} us", seconds(value) * 1e6));
  }
  /// The lines of what has been visited, by key; read by a writer of the fitted values as those to leave out.
  const std::vector<std::string>& lines() const { return lines_; }
  void leave_out(const std::vector<std::string>& lines) { defaults_ = lines; }
  void operator()(std::string_view key, const FittedRange& r, std::string_view) {
    out_ += fmt::format(
        "{}{}: {{m_min: {:.6g}, m_max: {:.6g}, n_min: {:.6g}, n_max: {:.6g}, k_min: {:.6g}, k_max: {:.6g}}}\n", indent_,
        key, r.m_min, r.m_max, r.n_min, r.n_max, r.k_min, r.k_max);
  }
  std::string take() { return std::move(out_); }

 private:
  void line(std::string_view key, const std::string& value) {
    const std::string text = fmt::format("{}{}: {}", indent_, key, value);
    lines_.push_back(text);
    if (std::ranges::find(defaults_, text) != defaults_.end()) return;
    out_ += fmt::format("{:<30}# {}\n", text, source_of(key));
  }
  // What no row of a table tells.
  std::string source_of(std::string_view key) const {
    if (key == "accumulate") return "assumed: as of scaled blocks on Hopper";
    if (key == "rows") return "assumed: of one multiplication of the kernel's tensor cores";
    return source_;
  }
  std::string out_, source_, indent_;
  std::vector<std::string> lines_, defaults_;
};

/// Visits the sections and writes those that were fitted.
class FitWriter {
 public:
  FitWriter(const TableFitResult& fit, const spec::Gpu& gpu, const std::vector<Measurement>& rows)
      : fit_(fit), gpu_(gpu), rows_(rows) {}
  template <class E>
  void operator()(std::string_view section, const E& e, std::string_view) {
    for (const auto& [name, bench] : kSectionBenches)
      if (name == section && std::ranges::find(fit_.fitted, bench) != fit_.fitted.end() && is_fitted(section)) {
        SectionWriter plain(""), writer(source_of(bench));
        const E nobodys{};
        E::fields(plain, nobodys);
        writer.leave_out(plain.lines());
        E::fields(writer, e);
        out_ += fmt::format("{}:\n{}", section, writer.take());
      }
  }
  template <class E>
  void operator()(std::string_view section, const std::optional<E>& e, std::string_view help) {
    if (e) (*this)(section, *e, help);
  }
  std::string take() { return std::move(out_); }
  /// The kernels of experts whose benches were fitted.
  std::string experts() const {
    std::string out;
    for (const ExpertEquation& e : fit_.calibration.experts) {
      const auto row = std::ranges::find_if(rows_, [&](const Measurement& s) {
        return s.library == e.kernel && s.expert_library == e.library && is_of_format(s, e.format);
      });
      if (row == rows_.end() || std::ranges::find(fit_.fitted, row->bench) == fit_.fitted.end()) continue;
      SectionWriter plain("", "      "), writer(source_of(row->bench), "      ");
      const GemmEquation nobodys{};
      GemmEquation::fields(plain, nobodys);
      writer.leave_out(plain.lines());
      GemmEquation::fields(writer, e.product);
      out += fmt::format("  - library: {}\n    format: {}\n    kernel: {}\n    product:\n{}", name_of(e.library),
                         name_of(e.format), e.kernel, writer.take());
    }
    return out.empty() ? "" : "experts:\n" + out;
  }

 private:
  static bool is_of_format(const Measurement& s, ExpertFormat format) {
    for (const Kernel& kernel : s.sequences.front())
      if (const auto* g = std::get_if<GroupedGemm>(&kernel)) return format_of(*g) == format;
    return false;
  }
  // Of two sections for one bench, the one that the fit turns (fit_tables.cpp).
  bool is_fitted(std::string_view section) const {
    if (section == "gemm") return gpu_.generation != "hopper";
    return section != "gemm_2026" || gpu_.generation == "hopper";
  }
  std::string source_of(std::string_view bench) const {
    std::string libraries;
    std::size_t n = 0;
    for (const Measurement& s : rows_) {
      if (s.bench != bench || !s.known) continue;
      ++n;
      if (libraries.find(s.library) == std::string::npos) libraries += (libraries.empty() ? "" : ", ") + s.library;
    }
    return fmt::format("fitted: {} rows of {}, {}", n, gpu_.name, libraries);
  }
  const TableFitResult& fit_;
  const spec::Gpu& gpu_;
  const std::vector<Measurement>& rows_;
  std::string out_;
};
}  // namespace

namespace {
/// What most benchmarks do not add.
std::string rarely_added(const Benchmark& b) {
  std::string out;
  const std::pair<const char*, Time> times[] = {
      {"floor", b.floor}, {"sequence", b.sequence}, {"expert", b.expert}, {"warm", b.warm}};
  for (const auto& [key, time] : times)
    if (time > Time{}) out += fmt::format(", {}: {:.4g} us", key, seconds(time) * 1e6);
  for (const auto& [key, factor] : {std::pair("library", b.library), std::pair("moves", b.moves)})
    if (factor != 1) out += fmt::format(", {}: {:.4g}", key, factor);
  return out;
}
}  // namespace

std::string table_fit_yaml(const TableFitResult& fit, const spec::Gpu& gpu, const std::vector<Measurement>& rows) {
  std::string out = fmt::format(
      "# Efficiencies of single kernels of {}: written by `moesim calibrate`.\ntype: kernel_calibration\n"
      "title: single kernels on {}\ngeneration: {}\nfrom: kernels-{}\n",
      gpu.name, gpu.name, gpu.generation, gpu.generation);
  const KernelError error = mean_error(residuals_of(fit, gpu, rows, [](const Measurement& s) { return s.known; }));
  if (error.median > 0)
    out += fmt::format("error_median: {:.3g}  # mean over the classes of these rows, by rows\nerror_p90: {:.3g}\n",
                       error.median, error.ninetieth);
  FitWriter writer(fit, gpu, rows);
  Calibration::sections(writer, fit.calibration);
  out += writer.take();
  out += writer.experts();
  out += "benchmarks:  # what the tables' benchmarks add to the kernels; fitted beside them, used for nothing else\n";
  for (const std::string& bench : fit.fitted) {
    const Benchmark& b = fit.benchmarks.at(bench);
    out += fmt::format("  - {{of: {}, cache: {:.3g}, cached: {:.3g}, burst: {:.3g} ms, offset: {:.3g} us{}}}\n",
                       bench.find(',') == std::string::npos ? bench : fmt::format("\"{}\"", bench), b.cache, b.cached,
                       seconds(b.burst) * 1e3, seconds(b.offset) * 1e6, rarely_added(b));
  }
  return out;
}
}  // namespace moesim::compute
