// Shapes of a table's kernels, as sizes joined by "x":
//   gemm                                   m x n x k
//   grouped_contiguous, grouped_masked     experts x rows an expert x n x k
//   attention_prefill, attention_backward  heads x KV heads x QK width x V width x sequences x tokens a sequence
//   (causal) attention_decode                       heads x KV heads x QK width x V width x sequences x keys a sequence
//   a memory-bound kind (norm, cast ...)   bytes read and written
// Absorbed MLA has one KV head whose keys hold the values: 128x1x576x512x...  The precision is that of the arithmetic,
// of attention_decode the cache's; memory-bound kinds say bf16.
#include "compute/kernels/table_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/config.h"

namespace moesim::compute {
namespace {
constexpr std::int64_t kMostSize = 1'000'000'000'000, kMostInTable = 100'000, kMostHeads = 100'000;
constexpr double kMostWork = 1e16;          // multiply-adds: hours on a single SM
constexpr double kMostMicroseconds = 1e12;  // two weeks

struct PointOf {
  int sms;
  std::optional<TablePoint> operator()(const Gemm& g) const {
    if (g.fp32_accumulate || g.batch != 1 || g.weights) return {};
    return TablePoint{{"gemm", g.dtype, sms, {g.n, g.k}}, double(g.m)};
  }
  std::optional<TablePoint> operator()(const GroupedGemm& g) const {
    if (g.weight_gradient || g.weights) return {};
    const GroupRows rows = group_rows(g);
    if (rows.used == 0) return {};
    const double mean = double(rows.rows) / double(rows.used);
    const bool even = std::ranges::all_of(g.rows, [&](std::int64_t r) { return r == 0 || double(r) == mean; });
    return TablePoint{{fmt::format("grouped_{}", name_of(g.layout)), g.dtype, sms, {rows.used, g.n, g.k}}, mean, even};
  }
  std::optional<TablePoint> operator()(const AttentionPrefill& a) const {
    return prompt("attention_prefill", a.heads, a.work, a.dtype);
  }
  std::optional<TablePoint> operator()(const AttentionBackward& a) const {
    return prompt("attention_backward", a.heads, a.work, a.dtype);
  }
  std::optional<TablePoint> operator()(const AttentionDecode& a) const {
    const AttentionWork& w = a.work;
    if (w.queries != w.sequences || w.pairs != double(w.keys)) return {};
    const bool even = w.longest * w.sequences == w.keys;
    return TablePoint{place("attention_decode", a.heads, w, a.cache), double(w.keys) / double(w.sequences), even};
  }
  std::optional<TablePoint> operator()(const MemoryOp& m) const {
    return TablePoint{{std::string(name_of(m.kind)), spec::Dtype::bf16, sms, {}}, double(m.bytes.v)};
  }
  std::optional<TablePoint> operator()(const SmallChain&) const { return {}; }
  std::optional<TablePoint> operator()(const IndexScores&) const { return {}; }
  std::optional<TablePoint> operator()(const IndexTopK&) const { return {}; }
  std::optional<TablePoint> operator()(const SparsePrefill&) const { return {}; }
  std::optional<TablePoint> operator()(const ShortConvolution&) const { return {}; }
  std::optional<TablePoint> operator()(const StateScan&) const { return {}; }
  std::optional<TablePoint> operator()(const StreamMix&) const { return {}; }

  TablePlace place(const char* kind, const AttentionHeads& h, const AttentionWork& w, spec::Dtype dtype) const {
    return {kind, dtype, sms, {h.heads, h.kv_heads, h.qk_dim, h.v_dim, w.sequences}};
  }
  std::optional<TablePoint> prompt(const char* kind, const AttentionHeads& h, const AttentionWork& w,
                                   spec::Dtype dtype) const {
    const double tokens = double(w.queries) / double(w.sequences);
    if (w.keys != w.queries || std::abs(w.pairs / (double(w.queries) * tokens / 2) - 1) > 1e-9) return {};
    return TablePoint{place(kind, h, w, dtype), tokens, w.longest * w.sequences == w.keys};
  }
};

/// One row's cells.
class Cells {
 public:
  Cells(const formats::CsvTable& csv, std::size_t row) : csv_(csv), row_(row), kind_(csv.text(row, "kernel")) {
    read_sizes();
    const std::string_view word = csv.text(row, "precision");
    std::vector<std::string_view> names;
    for (const auto& [name, value] : enum_names(spec::Dtype{})) {
      names.push_back(name);
      if (name == word) precision_ = value;
    }
    if (std::ranges::find(names, word) == names.end())
      fail(fmt::format("precision: \"{}\" is not known{}", word, suggestion(word, names, "there are")));
  }
  /// rows: of a grouped kernel, kept by the caller.
  Kernel kernel(std::vector<std::int64_t>& rows) const {
    if (kind_ == "gemm") {
      expect(3);
      return Gemm{.m = s_[0], .n = s_[1], .k = s_[2], .dtype = precision_};
    }
    if (kind_ == "grouped_contiguous" || kind_ == "grouped_masked") return grouped(rows);
    if (kind_ == "attention_prefill" || kind_ == "attention_backward" || kind_ == "attention_decode")
      return attention();
    for (const auto& [name, kind] : enum_names(MemoryKind{}))
      if (name == kind_) {
        expect(1);
        if (precision_ != spec::Dtype::bf16)
          fail(fmt::format("precision: {} is a memory-bound kind, expected bf16", kind_));
        return MemoryOp{kind, {s_[0]}};
      }
    std::vector<std::string_view> names{
        "gemm", "grouped_contiguous", "grouped_masked", "attention_prefill", "attention_backward", "attention_decode"};
    for (const auto& [name, kind] : enum_names(MemoryKind{})) names.push_back(name);
    fail(fmt::format("kernel: no kernel is called \"{}\"{}", kind_, suggestion(kind_, names, "there are")));
  }
  int sms() const {
    const std::int64_t sms = csv_.integer(row_, "sms");
    if (sms < 1 || sms > 100'000) fail(fmt::format("sms: expected at least 1, got {}", sms));
    return int(sms);
  }
  double seconds() const {
    const double time = csv_.number(row_, "time");
    if (!(time > 0 && time <= kMostMicroseconds))
      fail(fmt::format("time: expected microseconds above 0, got {}", csv_.text(row_, "time")));
    return time * 1e-6;
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const { csv_.fail(row_, problem); }
  void read_sizes() {
    const std::string_view text = csv_.text(row_, "shape");
    const char *at = text.data(), *end = at + text.size();
    for (;; ++at) {
      std::int64_t value = 0;
      const auto [next, error] = std::from_chars(at, end, value);
      if (error != std::errc{} || value <= 0 || value > kMostSize || (next != end && *next != 'x'))
        fail(fmt::format("shape: expected sizes above 0 joined by x, got \"{}\"", text));
      s_.push_back(value);
      if (next == end) return;
      at = next;
    }
  }
  Kernel grouped(std::vector<std::int64_t>& rows) const {
    expect(4);
    if (s_[0] > kMostInTable) fail(fmt::format("shape: expected at most {} experts, got {}", kMostInTable, s_[0]));
    rows.assign(std::size_t(s_[0]), s_[1]);
    return GroupedGemm{.rows = rows,
                       .n = s_[2],
                       .k = s_[3],
                       .dtype = precision_,
                       .layout = kind_ == "grouped_masked" ? GroupLayout::masked : GroupLayout::contiguous};
  }
  Kernel attention() const {
    expect(6);
    if (*std::ranges::max_element(s_.begin(), s_.begin() + 4) > kMostHeads || s_[0] % s_[1] != 0)
      fail("shape: heads must be a multiple of the KV heads, and these and widths at most 100000");
    AttentionHeads h{spec::AttentionKind::gqa, int(s_[0]), int(s_[1]), int(s_[2]), int(s_[3]), false};
    const std::int64_t n = s_[4], tokens = s_[5];
    if (kind_ == "attention_decode") {
      if (h.kv_heads == 1 && h.qk_dim > h.v_dim) h.kind = spec::AttentionKind::mla, h.absorbed = true;
      if (precision_ != spec::Dtype::bf16 && precision_ != spec::Dtype::fp8)
        fail(fmt::format("precision: of a cache is bf16 or fp8, got {}", name_of(precision_)));
      return AttentionDecode{h, {n, n, n * tokens, tokens, double(n * tokens)}, spec::Dtype::bf16, precision_};
    }
    const AttentionWork work{n, n * tokens, n * tokens, tokens, double(n) * double(tokens) * double(tokens) / 2};
    if (kind_ == "attention_prefill") return AttentionPrefill{h, work, precision_};
    return AttentionBackward{h, work, precision_};
  }
  void expect(std::size_t n) const {
    if (s_.size() != n) fail(fmt::format("shape: {} has {} sizes, found {}", kind_, n, s_.size()));
    double work = 1;
    for (const std::int64_t size : s_) work *= double(size);
    if (kind_.starts_with("attention_")) work *= double(s_[5]) / double(std::min(s_[2], s_[3]) * s_[1]);
    if (work > kMostWork) fail(fmt::format("shape: too large, got \"{}\"", csv_.text(row_, "shape")));
  }
  const formats::CsvTable& csv_;
  std::size_t row_;
  std::string kind_;
  std::vector<std::int64_t> s_;
  spec::Dtype precision_ = spec::Dtype::bf16;
};
}  // namespace

std::optional<TablePoint> point_of(const Kernel& kernel, int sms) { return std::visit(PointOf{sms}, kernel); }

Kernel as_in_table(const Kernel& kernel) {
  Kernel out = kernel;
  if (auto* g = std::get_if<Gemm>(&out)) g->out = spec::Dtype::bf16;
  if (auto* g = std::get_if<GroupedGemm>(&out)) g->out = spec::Dtype::bf16;
  if (auto* m = std::get_if<MemoryOp>(&out)) m->serving = false;
  return out;
}

MeasuredKernel measured_kernel(const formats::CsvTable& csv, std::size_t row) {
  const Cells cells(csv, row);
  MeasuredKernel out;
  out.kernel = cells.kernel(out.rows);
  out.gpu = csv.text(row, "gpu");
  out.sms = cells.sms();
  out.seconds = cells.seconds();
  return out;
}
}  // namespace moesim::compute
