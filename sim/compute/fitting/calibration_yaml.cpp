// Writes a calibration as a catalogue file, each value with its source.
#include <fmt/format.h>

#include "compute/fitting/calibrate.h"

namespace moesim::compute {
namespace {
constexpr std::string_view kGemm = "DeepGEMM README, 2025-03 (H800)";
constexpr std::string_view kExperts = "NVIDIA aiconfigurator tables, SGLang 0.5.10 on H100 SXM, expert layers";
constexpr std::string_view kMla = "NVIDIA aiconfigurator tables, SGLang 0.5.10 on H100 SXM, MLA";
constexpr std::string_view kQuantising = "fitted: 62 rows of h100, vllm 0.24.0";
constexpr std::string_view kProfile = "DeepSeek's published V3 training profile, 112 of 132 SMs";

class Writer {
 public:
  void comment(std::string_view text) { out_ += fmt::format("# {}\n", text); }
  void section(std::string_view name) {
    out_ += fmt::format("{}:\n", name);
    indent_ = "  ";
  }
  void end() { indent_ = ""; }
  void text(std::string_view key, std::string_view value) { out_ += fmt::format("{}{}: {}\n", indent_, key, value); }
  void share(std::string_view key, double value, std::string_view source) {
    line(key, fmt::format("{:.4g}", value), source);
  }
  void time(std::string_view key, Time value, std::string_view source) {
    line(key, fmt::format("{:.4g} us", seconds(value) * 1e6), source);
  }
  void range(const FittedRange& r) {
    out_ += fmt::format(
        "{}fitted: {{m_min: {:.6g}, m_max: {:.6g}, n_min: {:.6g}, n_max: {:.6g}, k_min: {:.6g}, k_max: {:.6g}}}\n",
        indent_, r.m_min, r.m_max, r.n_min, r.n_max, r.k_min, r.k_max);
  }
  std::string take() { return std::move(out_); }

 private:
  void line(std::string_view key, const std::string& value, std::string_view source) {
    out_ += fmt::format("{:<30}# {}\n", fmt::format("{}{}: {}", indent_, key, value), source);
  }
  std::string out_, indent_;
};

void gemm(Writer& w, std::string_view name, const GemmEquation& e, const std::string& fit) {
  w.section(name);
  w.share("tensor", e.tensor, "assumed: at peak within a step; what is lost is the step's fixed time");
  w.time("step", e.step, fit);
  w.time("tile", e.tile, fit);
  w.share("hbm", e.hbm, fit);
  w.share("write", e.write, fit);
  w.time("launch", e.launch, fit);
  w.share("overlap", e.overlap, "assumed: the longer of the two, rounded where they are close");
  w.share("accumulate", e.accumulate, fmt::format("solved: 645 TFLOP/s of an FP32 weight gradient, {}", kProfile));
  w.range(e.fitted);
  w.end();
}

void attention(Writer& w, std::string_view name, const AttentionEquation& e, std::string_view tensor,
               std::string_view rest) {
  w.section(name);
  w.share("tensor", e.tensor, tensor);
  const bool prompt = e.chunk <= 0;  // bound by arithmetic: its rows say nothing of the memory or of the start
  w.share("hbm", e.hbm, prompt ? "assumed" : rest);
  w.time("launch", e.launch, prompt ? "assumed" : rest);
  w.time("tile", e.tile, rest);
  w.share("overlap", e.overlap, rest);
  w.share("edge", e.edge, rest);
  if (e.chunk > 0) {
    w.share("chunk", e.chunk, rest);
    w.time("combine", e.combine, rest);
  }
  w.range(e.fitted);
  w.end();
}

void memory(Writer& w, const MemoryEquation& m, std::string_view graph) {
  const std::string profile = fmt::format("middle of the rates in {}", kProfile);
  w.section("memory");
  w.share("norm", m.norm, profile);
  w.share("norm_backward", m.norm_backward, profile);
  w.share("cast", m.cast, profile);
  w.share("cast_transpose", m.cast_transpose, profile);
  w.share("transpose", m.transpose, "assumed: as cast_transpose");
  w.share("swiglu", m.swiglu, profile);
  w.share("swiglu_backward", m.swiglu_backward, "assumed: between SwiGLU and a copy, 2 TB/s");
  w.share("rope", m.rope, "assumed: as copy");
  w.share("permute", m.permute, profile);
  w.share("unpermute", m.unpermute, profile);
  w.share("top_k", m.top_k, fmt::format("a gather of 65 us over 4096 x 256 FP32 scores, {}", kProfile));
  w.share("copy", m.copy, profile);
  w.share("add", m.add, "assumed: as SwiGLU's backward");
  w.share("optimizer", m.optimizer, "assumed: long streams, nothing but bandwidth");
  w.time("floor", m.floor, graph);
  w.time("launched", m.launched, fmt::format("below about 5 us nothing is bandwidth, {}", kProfile));
  w.time("replayed", m.replayed, "gap + floor");
  w.range(m.fitted);
  w.end();
}
}  // namespace

std::string calibration_yaml(const CalibrationResult& result, const CalibrationInput& input) {
  const Calibration& c = result.fit.calibration;
  Writer w;
  w.comment(fmt::format("Efficiencies of single kernels on {} GPUs: written by `moesim calibrate --seed {}`.",
                        c.generation, input.seed));
  w.comment("Relative errors of kernels: median and worst of all rows; median of the rows held out in turn.");
  for (const auto& [key, r] : result.all) {
    const auto held = result.held_out.find(key);
    w.comment(fmt::format("  {:<32} {:>4} rows {:>5.1f} % {:>6.1f} %; held out {:>5.1f} %", key, r.rows, r.median * 100,
                          r.worst * 100, held == result.held_out.end() ? 0 : held->second.median * 100));
  }
  w.text("type", "kernel_calibration");
  w.text("title", c.title);
  w.text("generation", c.generation);
  const std::string mla = fmt::format("fitted: {}", kMla);
  w.share("sustained_clock", c.sustained_clock,
          "FlashMLA write-up: practical 865 of 989.4 TFLOP/s under sustained load");
  w.time("gap", c.gap, mla);
  w.share("sm_bandwidth", c.sm_bandwidth, "assumed: half of the SMs saturate the HBM");
  gemm(w, "gemm", c.gemm, fmt::format("fitted: {}", kGemm));
  gemm(w, "contiguous", c.contiguous, fmt::format("fitted: {}; {}", kGemm, kExperts));
  gemm(w, "masked", c.masked, fmt::format("fitted: {}; {}", kGemm, kExperts));
  attention(w, "prefill", c.prefill, mla, mla);
  attention(w, "backward", c.backward, fmt::format("solved: 473 TFLOP/s of the main kernel, {}", kProfile),
            "as prefill");
  attention(w, "decode", c.decode, mla, mla);
  memory(w, c.memory, mla);
  w.section("serving_moves");
  w.share("stream", c.serving_moves.stream, kQuantising);
  w.share("cast", c.serving_moves.cast, kQuantising);
  w.range(c.serving_moves.fitted);
  w.end();
  return w.take();
}
}  // namespace moesim::compute
