// Kernel model `table`: times the user measured, interpolated between their shapes; the equations elsewhere.
//
// The CSV has the columns kernel, precision, shape, gpu, sms, time (us); shapes are sizes joined by "x":
//   gemm                                 m x n x k
//   grouped_contiguous, grouped_masked   experts x rows an expert x n x k
//   attention_prefill, attention_backward  heads x QK width x V width x sequences x tokens a sequence (causal)
//   attention_decode                     heads x QK width x V width x sequences x keys a sequence; precision: the
//   cache's a memory-bound kind (norm, cast...)  bytes
// Between two rows that differ only in m, rows, tokens, keys or bytes the ratio of measured to equation is interpolated
// in the logarithm of that size, so that the equation's steps (tiles, waves) remain.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "compute/csv.h"
#include "compute/kernel_model.h"

namespace moesim {
namespace {
/// What two rows of one curve share; `size` is what they differ in.
struct Place {
  std::string kernel;
  Dtype precision = Dtype::bf16;
  int sms = 0;
  std::vector<std::int64_t> shape;  // without the size
  auto operator<=>(const Place&) const = default;
};
struct Point {
  Place place;
  double size = 0;
};
using Curve = std::map<double, double>;  // size to seconds

std::int64_t mean_rows(const GroupedGemm& g) {
  const GroupRows rows = group_rows(g);
  return rows.used > 0 ? rows.rows / rows.used : 0;
}

/// Where a kernel would be in the table; nothing for kernels a table cannot hold (chains, weight gradients,
/// windows, weights narrower than the arithmetic).
struct Find {
  int sms;
  std::optional<Point> operator()(const Gemm& g) const {
    if (g.fp32_accumulate || g.batch != 1 || g.weights) return {};
    return Point{{"gemm", g.dtype, sms, {g.n, g.k}}, double(g.m)};
  }
  std::optional<Point> operator()(const GroupedGemm& g) const {
    if (g.weight_gradient || g.weights) return {};
    const std::string kind = fmt::format("grouped_{}", name_of(g.layout));
    return Point{{kind, g.dtype, sms, {group_rows(g).used, g.n, g.k}}, double(mean_rows(g))};
  }
  std::optional<Point> operator()(const AttentionPrefill& a) const {
    return prompt("attention_prefill", a.heads, a.work, a.dtype);
  }
  std::optional<Point> operator()(const AttentionBackward& a) const {
    return prompt("attention_backward", a.heads, a.work, a.dtype);
  }
  std::optional<Point> operator()(const AttentionDecode& a) const {
    if (a.work.queries != a.work.sequences) return {};
    return Point{{"attention_decode", a.cache, sms, {a.heads.heads, a.heads.qk_dim, a.heads.v_dim, a.work.sequences}},
                 double(a.work.keys) / double(a.work.sequences)};
  }
  std::optional<Point> operator()(const MemoryOp& m) const {
    return Point{{std::string(name_of(m.kind)), Dtype::bf16, sms, {}}, double(m.bytes.v)};
  }
  std::optional<Point> operator()(const SmallChain&) const { return {}; }

  std::optional<Point> prompt(const char* kind, const AttentionHeads& h, const AttentionWork& w, Dtype dtype) const {
    const double tokens = double(w.queries) / double(w.sequences);
    if (w.keys != w.queries || std::abs(w.pairs / (double(w.queries) * tokens / 2) - 1) > 1e-9) return {};
    return Point{{kind, dtype, sms, {h.heads, h.qk_dim, h.v_dim, w.sequences}}, tokens};
  }
};

std::vector<std::int64_t> sizes_of(const Csv& csv, std::size_t row) {
  std::vector<std::int64_t> out;
  const std::string& text = csv.text(row, "shape");
  for (const char *at = text.data(), *end = at + text.size();;) {
    std::int64_t value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc{} || value <= 0)
      csv.fail(row, fmt::format("shape: expected sizes above 0 joined by x, got \"{}\"", text));
    out.push_back(value);
    if (next == end) return out;
    if (*next != 'x') csv.fail(row, fmt::format("shape: expected sizes above 0 joined by x, got \"{}\"", text));
    at = next + 1;
  }
}

/// A row's kernel, so that its time can be held to the data sheet and to the equation.
class Row {
 public:
  Row(const Csv& csv, std::size_t row) : csv_(csv), row_(row), kind_(csv.text(row, "kernel")), s_(sizes_of(csv, row)) {
    const std::string& word = csv.text(row, "precision");
    std::vector<std::string_view> names;
    for (const auto& [name, value] : EnumNames<Dtype>::table) {
      names.push_back(name);
      if (name == word) precision_ = value;
    }
    if (std::find(names.begin(), names.end(), word) == names.end())
      csv.fail(row, fmt::format("precision: \"{}\" is not known{}", word, suggestion(word, names, "there are")));
  }
  /// rows: storage for a grouped kernel's rows.
  Kernel kernel(std::vector<std::int64_t>& rows) const {
    if (kind_ == "gemm") {
      expect(3);
      return Gemm{.m = s_[0], .n = s_[1], .k = s_[2], .dtype = precision_};
    }
    if (kind_ == "grouped_contiguous" || kind_ == "grouped_masked") {
      expect(4);
      rows.assign(std::size_t(s_[0]), s_[1]);
      GroupedGemm g;
      g.rows = rows, g.n = s_[2], g.k = s_[3], g.dtype = precision_;
      g.layout = kind_ == "grouped_masked" ? GroupLayout::masked : GroupLayout::contiguous;
      return g;
    }
    if (kind_.starts_with("attention_")) return attention();
    for (const auto& [name, kind] : EnumNames<MemoryKind>::table)
      if (name == kind_) {
        expect(1);
        return MemoryOp{kind, {s_[0]}};
      }
    csv_.fail(row_, fmt::format("kernel: no kernel is called \"{}\"; there are: gemm, grouped_contiguous, "
                                "grouped_masked, attention_prefill, attention_backward, attention_decode and the "
                                "memory-bound kinds",
                                kind_));
  }

 private:
  Kernel attention() const {
    expect(5);
    AttentionHeads h{AttentionKind::mha, int(s_[0]), int(s_[0]), int(s_[1]), int(s_[2]), false};
    const std::int64_t n = s_[3], tokens = s_[4];
    if (kind_ == "attention_decode") {
      // Wider keys than a head has are MLA's latent, which all heads share and which holds the values too.
      if (h.qk_dim > 256) h.kind = AttentionKind::mla, h.kv_heads = 1, h.absorbed = true;
      return AttentionDecode{h, {n, n, n * tokens, tokens, double(n * tokens)}, Dtype::bf16, precision_};
    }
    const AttentionWork work{n, n * tokens, n * tokens, tokens, double(n) * double(tokens) * double(tokens) / 2};
    if (kind_ == "attention_prefill") return AttentionPrefill{h, work, precision_};
    if (kind_ == "attention_backward") return AttentionBackward{h, work, precision_};
    csv_.fail(row_, fmt::format("kernel: no kernel is called \"{}\"", kind_));
  }
  void expect(std::size_t n) const {
    if (s_.size() != n) csv_.fail(row_, fmt::format("shape: {} has {} sizes, found {}", kind_, n, s_.size()));
  }
  const Csv& csv_;
  std::size_t row_;
  std::string kind_;
  std::vector<std::int64_t> s_;
  Dtype precision_ = Dtype::bf16;
};

class Table final : public KernelModel {
 public:
  struct Params {
    std::string file;
    std::string calibration;
    bool sustained = true;
    static void fields(auto& f, auto& p) {
      f.required("file", p.file, "CSV: kernel,precision,shape,gpu,sms,time (us); shapes as 4096x7168x2048");
      f("calibration", p.calibration, "of the equations outside the table; default as for calibrated");
      f("sustained", p.sustained, "clock of the equations outside the table, as for calibrated");
    }
  };
  Table(Params p, const Gpu& gpu) : KernelModel(gpu), file_(p.file), equation_(fallback(p, gpu)) { read(); }
  std::string source() const override {
    return fmt::format("{} rows of {}; elsewhere: {}", rows_, file_, equation_->source());
  }

 protected:
  Estimate estimate(const Kernel& kernel, GpuShare share) const override {
    const Cost cost = equation_->cost(kernel, share);
    const double equation = seconds(cost.time);
    const Estimate outside{equation, cost.from};
    if (share.memory < 1) return outside;
    const auto point = std::visit(Find{share.sms > 0 ? share.sms : gpu().sms}, kernel);
    if (!point) return outside;
    const auto at = curves_.find(point->place);
    if (at == curves_.end()) return outside;
    const Curve& ratios = at->second;
    const auto above = ratios.lower_bound(point->size);
    if (above == ratios.end()) return outside;
    if (above->first == point->size) return {equation * above->second, {Origin::measured, 1, false}};
    if (above == ratios.begin()) return outside;
    const auto below = std::prev(above);
    const double part = std::log(point->size / below->first) / std::log(above->first / below->first);
    return {equation * std::pow(below->second, 1 - part) * std::pow(above->second, part),
            {Origin::interpolated, 1, false}};
  }

 private:
  static std::unique_ptr<KernelModel> fallback(const Params& p, const Gpu& gpu) {
    const std::string calibration = p.calibration.empty() ? "" : ", calibration: " + p.calibration;
    return kernel_models().make(
        Config::from_text(fmt::format("{{kind: calibrated{}, sustained: {}}}", calibration, p.sustained), p.file), gpu);
  }
  void read() {
    const Csv csv(file_, {"kernel", "precision", "shape", "gpu", "sms", "time"});
    for (std::size_t r = 0; r < csv.rows(); ++r) {
      if (csv.text(r, "gpu") != gpu().name) continue;
      const std::int64_t sms = csv.integer(r, "sms");
      if (sms < 1 || sms > gpu().sms) csv.fail(r, fmt::format("sms: {} has {}, got {}", gpu().name, gpu().sms, sms));
      const double time = csv.number(r, "time") * 1e-6;
      if (!(time > 0)) csv.fail(r, "time: expected microseconds above 0");
      std::vector<std::int64_t> rows;
      const Kernel kernel = Row(csv, r).kernel(rows);
      const GpuShare share{int(sms), 1};
      const double equation = equation_or_fail(csv, r, kernel, share);
      if (time < seconds(equation_->bound(kernel, share)) * (1 - 1e-9))
        csv.fail(r, fmt::format("time: {} us is less than the data sheet of {} allows, {:.3f} us", csv.text(r, "time"),
                                gpu().name, seconds(equation_->bound(kernel, share)) * 1e6));
      const auto point = std::visit(Find{int(sms)}, kernel);
      const auto [at, fresh] = curves_[point->place].emplace(point->size, time / equation);
      if (!fresh && std::abs(at->second / (time / equation) - 1) > 1e-6)
        csv.fail(r, fmt::format("time: an earlier row gives {:.4g} us for the same kernel, this one {:.4g} us",
                                at->second * equation * 1e6, time * 1e6));
      rows_ += fresh;
    }
    if (rows_ == 0) throw ConfigError(fmt::format("{}: has no row for GPU {}", file_, gpu().name));
  }
  double equation_or_fail(const Csv& csv, std::size_t r, const Kernel& kernel, GpuShare share) const {
    try {
      return seconds(equation_->cost(kernel, share).time);
    } catch (const ConfigError& e) {
      csv.fail(r, e.what());
    }
  }
  std::string file_;
  std::unique_ptr<KernelModel> equation_;
  std::map<Place, Curve> curves_;  // size to measured over equation
  int rows_ = 0;
};
}  // namespace

Strategy<KernelModel, const Gpu&> table() {
  return strategy<Table, KernelModel, const Gpu&>("table",
                                                  "measured times from a CSV, interpolated; equations elsewhere");
}
}  // namespace moesim
