// Published rates of single kernels beside what a calibration gives for them.
#include <algorithm>

#include "compute/fitting/calibrate.h"
#include "compute/kernels/equation_model.h"

namespace moesim::compute {
namespace {
constexpr GpuShare kTraining{112, 1};  // 20 SMs communicate beside

// Rates are of the kernel alone, without the gap before it, at the sustained clock; `besides`: seconds of the kernels
// around it that the equation includes.
class Checks {
 public:
  Checks(const Calibration& c, const spec::Gpu& gpu) : calibration_(c), gpu_(gpu) {}

  void flops(std::string_view source, std::string_view use, const Kernel& kernel, double low, double high,
             GpuShare share = {}, double besides = 0) {
    const double time = seconds_of(kernel, share) - besides;
    out_.push_back({std::string(source), std::string(use), describe(kernel), low, high,
                    flops_of(kernel).v / time * 1e-12, "TFLOP/s"});
  }
  void bytes(std::string_view source, std::string_view use, const Kernel& kernel, double low, double high,
             GpuShare share = {}) {
    out_.push_back({std::string(source), std::string(use), describe(kernel), low, high,
                    double(bytes_of(kernel).v) / seconds_of(kernel, share) * 1e-9, "GB/s"});
  }
  std::vector<RateCheck> take() { return std::move(out_); }

 private:
  double seconds_of(const Kernel& kernel, GpuShare share) const {
    const Equations equations(gpu_, calibration_, Heat::sustained);
    return equations.seconds(kernel, share) - seconds(calibration_.gap);
  }
  const Calibration& calibration_;
  const spec::Gpu& gpu_;
  std::vector<RateCheck> out_;
};

// DeepSeek's published V3 training profile: 4096 tokens, 4 experts of 8192 rows.
void add_training(Checks& checks) {
  constexpr std::string_view source = "V3 training profile";
  const auto fp8 = [](std::int64_t n, std::int64_t k) {
    return Gemm{.m = 4096, .n = n, .k = k, .dtype = spec::Dtype::fp8};
  };
  for (const Gemm& g : {fp8(7168, 16384), fp8(16384, 7168), fp8(4096, 7168), fp8(1536, 24576), fp8(512, 32768)})
    checks.flops(source, "compared", g, 830, 1100, kTraining);
  for (const Gemm& g : {fp8(576, 7168), fp8(32768, 512)}) checks.flops(source, "compared", g, 560, 630, kTraining);
  const std::vector<std::int64_t> rows(4, 8192);
  GroupedGemm grouped;
  grouped.rows = rows, grouped.n = 4096, grouped.k = 7168, grouped.dtype = spec::Dtype::fp8;
  checks.flops(source, "compared", grouped, 900, 1100, kTraining);
  grouped.n = 7168, grouped.k = 2048;
  checks.flops(source, "compared", grouped, 900, 1100, kTraining);
  Gemm gradient{.m = 7168, .n = 16384, .k = 4096, .dtype = spec::Dtype::fp8, .fp32_accumulate = true};
  checks.flops(source, "solved", gradient, 620, 670, kTraining);
  gradient.m = 24576, gradient.n = 1536;
  checks.flops(source, "compared", gradient, 620, 670, kTraining);
  const AttentionHeads heads{spec::AttentionKind::mla, 128, 128, 192, 128, false};
  const AttentionWork causal{1, 4096, 4096, 4096, 4096.0 * 4096 / 2};
  checks.flops(source, "compared", AttentionPrefill{heads, causal}, 556, 556, kTraining);
  checks.flops(source, "solved", AttentionBackward{heads, causal}, 473, 473, kTraining, 0.5e-3);
  const auto move = [&](MemoryKind kind, double gigabytes, double low, double high) {
    checks.bytes(source, "set", MemoryOp{kind, Bytes{std::int64_t(gigabytes * 1e9)}}, low, high, kTraining);
  };
  move(MemoryKind::norm, 0.117, 1000, 1200);           // 4096 x 7168 read and written in BF16
  move(MemoryKind::norm_backward, 0.176, 1200, 1200);  // and the gradient read
  move(MemoryKind::cast, 0.2, 1700, 1700);             // 4096 x 16384, BF16 to FP8
  move(MemoryKind::cast_transpose, 0.4, 1200, 1500);
  move(MemoryKind::swiglu, 0.34, 2400, 2400);
  move(MemoryKind::permute, 0.47, 1300, 1500);
  move(MemoryKind::unpermute, 0.53, 1700, 1700);
  move(MemoryKind::copy, 0.2, 1000, 2000);
}
}  // namespace

std::vector<RateCheck> published_rates(const Calibration& calibration, const spec::Gpu& gpu) {
  Checks checks(calibration, gpu);
  add_training(checks);
  const AttentionWork decoding{128, 128, 128 * 16384, 16384, 128.0 * 16384};
  checks.flops("FlashMLA README", "at most",
               AttentionDecode{{spec::AttentionKind::mla, 128, 1, 576, 512, true}, decoding}, 0, 660);
  checks.bytes("FlashMLA README", "at most",
               AttentionDecode{{spec::AttentionKind::mla, 16, 1, 576, 512, true}, decoding}, 0, 3000);
  // H100, FP16, forward, not causal, 16 heads of 128, 16384 tokens in all: pytorch/benchmark, pull request 2391.
  const std::pair<std::int64_t, double> rows[] = {{512, 430.32},  {1024, 517.1},  {2048, 565.54},
                                                  {4096, 590.23}, {8192, 614.23}, {16384, 620.73}};
  for (const auto& [length, rate] : rows) {
    AttentionWork work{16384 / length, 16384, 16384, length, 16384.0 * double(length)};
    work.edges = 0;  // nothing is masked
    checks.flops("FlashAttention-3 on H100", "compared",
                 AttentionPrefill{{spec::AttentionKind::mha, 16, 16, 128, 128, false}, work}, rate, rate);
  }
  return checks.take();
}

double RateCheck::error() const {
  if (predicted > high) return predicted / high - 1;
  return predicted < low ? predicted / low - 1 : 0;
}
}  // namespace moesim::compute
