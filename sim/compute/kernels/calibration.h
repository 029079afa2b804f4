// The few physical parameters of the kernel equations.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "compute/kernels/expert_library.h"
#include "compute/kernels/fitted_range.h"
#include "compute/kernels/kernel_model.h"
#include "compute/kernels/recurrent_equations.h"
#include "compute/kernels/sparse_equation.h"
#include "core/config.h"
#include "core/units.h"

namespace moesim::compute {

/// Products on tensor cores.  Tiles of rows x columns run in waves over the SMs; each tile walks K in steps of 128
/// bytes a row, and a step is its tensor time and a fixed time for barriers and for promoting FP8 partial sums.
struct GemmEquation {
  double tensor = 1;     // share of the data-sheet peak within a step
  Time step{};           // fixed time of a step
  Time tile{};           // filling and draining the pipeline of one tile, storing its result
  double hbm = 1;        // share of the data-sheet bandwidth reached by reads
  double write = 1;      // bytes written, as bytes read that take as long
  Time launch{};         // start of the kernel, first load
  double overlap = 64;   // p of the p-norm that joins tensor and HBM time: 1 adds them, large takes the longer
  Time reduce{};         // joining the parts of a product whose K is split over idle SMs; 0: it never is
  double sustained = 0;  // clock under sustained load of this kind, relative; 0: the calibration's
  double padding =
      -1;  // grouped: of the rows that no row fills in an expert's last tile, the share computed; -1: by layout
  double draw = 0;        // grouped: HBM bandwidth one SM draws, over its even share; 0: never the limit
  double accumulate = 1;  // FP8 and FP4: rate of a weight gradient that adds into FP32, over the same product without
  FittedRange fitted;
  bool borrowed = false;  // of another generation
  static void fields(auto& f, auto& p) {
    f("tensor", p.tensor, "share of the tensor peak within a step");
    f("step", p.step, "fixed time of one step of 128 bytes of K");
    f("tile", p.tile, "filling, draining and storing one tile");
    f("hbm", p.hbm, "share of the HBM bandwidth reached by reads");
    f("write", p.write, "bytes written, as bytes read that take as long");
    f("launch", p.launch, "start of the kernel, first load");
    f("overlap", p.overlap, "p of the norm that joins tensor and HBM time (1 adds, large takes the longer)");
    f("reduce", p.reduce, "joining the parts of a product whose K is split; 0: it never is");
    f("sustained", p.sustained, "clock under sustained load of this kind, relative; 0: the calibration's");
    f("padding", p.padding, "grouped: share of an expert's last tile computed though empty; -1: by layout");
    f("draw", p.draw, "grouped: HBM bandwidth one SM draws, over its even share; 0: never the limit");
    f("accumulate", p.accumulate, "rate of FP8 and FP4 weight gradients into FP32, relative");
    f("fitted", p.fitted, "shapes the parameters were fitted on");
  }
};

struct AttentionEquation {
  double tensor = 1;     // share of the data-sheet peak in full tiles
  double hbm = 1;        // share of the data-sheet bandwidth reached
  Time launch{};         // start of the kernel, scheduling; decode: combining split sequences
  Time tile{};           // start and end of one tile of queries of one head (decode: of one sequence)
  double overlap = 64;   // as above
  double edge = 0;       // pairs computed and masked away: prefill a query, at the diagonal; decode a sequence
  double narrow = 0;     // the same, times 128 over the width of a head: narrow heads have longer tiles of keys
  double draw = 0;       // decode: HBM bandwidth one SM draws, over its even share; 0: never the limit
  Time odd_width{};      // more kernels where the width of a head is no power of two
  double tail = 0;       // prefill: of the time of the tile with most keys, spent while other SMs are done
  double exponents = 0;  // 1e9/s an SM takes for the softmax, in full tiles; 0: never the limit
  double soft = 3;       // p of the norm that joins tensor cores and exponentials
  double rows = 64;      // of a decode tile: heads x queries that share keys
  double sustained = 0;  // clock under sustained load of this kind, relative; 0: the calibration's
  double chunk = 0;      // decode: keys of the smallest part a sequence is split into
  Time combine{};        // decode: joining the parts of split sequences
  FittedRange fitted;
  bool borrowed = false;  // of another generation
  static void fields(auto& f, auto& p) {
    f("tensor", p.tensor, "share of the tensor peak in full tiles");
    f("hbm", p.hbm, "share of the HBM bandwidth reached");
    f("launch", p.launch, "launch, scheduling, combining of split sequences");
    f("tile", p.tile, "start and end of one tile of queries of one head");
    f("overlap", p.overlap, "p of the norm that joins tensor and HBM time");
    f("edge", p.edge, "pairs computed and masked away, a query (decode: a sequence)");
    f("narrow", p.narrow, "the same, times 128 over the width of a head");
    f("draw", p.draw, "decode: HBM bandwidth one SM draws, over its even share; 0: never the limit");
    f("odd_width", p.odd_width, "more kernels where the width of a head is no power of two");
    f("tail", p.tail, "prefill: share of the longest tile's time in which other SMs are done");
    f("exponents", p.exponents, "1e9/s an SM takes for the softmax; 0: never the limit");
    f("soft", p.soft, "p of the norm that joins tensor cores and exponentials");
    f("rows", p.rows, "of a decode tile");
    f("sustained", p.sustained, "clock under sustained load of this kind, relative; 0: the calibration's");
    f("chunk", p.chunk, "decode: keys of the smallest part a sequence is split into");
    f("combine", p.combine, "decode: joining the parts of split sequences");
    f("fitted", p.fitted, "shapes the parameters were fitted on");
  }
};

/// Rates of memory-bound kernels as shares of the data-sheet bandwidth when they have the whole GPU.
struct MemoryEquation {
  double norm = 1, norm_backward = 1, cast = 1, cast_transpose = 1, transpose = 1, swiglu = 1, swiglu_backward = 1;
  double rope = 1, permute = 1, unpermute = 1, top_k = 1, copy = 1, add = 1, optimizer = 1;
  Time floor{};     // launch and latency of a kernel too small for bandwidth to matter
  Time launched{};  // of a kernel in a chain launched one by one
  Time replayed{};  // of a kernel in a chain replayed from a CUDA graph
  FittedRange fitted;
  bool borrowed = false;  // of another generation
  static void fields(auto& f, auto& p) {
    f("norm", p.norm, "RMSNorm"), f("norm_backward", p.norm_backward, "its backward");
    f("cast", p.cast, "quantise in 1x128 tiles"), f("cast_transpose", p.cast_transpose, "the same, transposed");
    f("transpose", p.transpose, "transpose FP8 data");
    f("swiglu", p.swiglu, "SwiGLU, cast included"), f("swiglu_backward", p.swiglu_backward, "its backward");
    f("rope", p.rope, "rotary embedding"), f("permute", p.permute, "rows to experts");
    f("unpermute", p.unpermute, "rows back, summed"), f("top_k", p.top_k, "expert choice");
    f("copy", p.copy, "plain copy"), f("add", p.add, "residual add"), f("optimizer", p.optimizer, "AdamW update");
    f("floor", p.floor, "launch and latency of one kernel");
    f("launched", p.launched, "one small kernel of a chain, launched");
    f("replayed", p.replayed, "one small kernel of a chain, replayed from a CUDA graph");
    f("fitted", p.fitted, "sizes the rates were measured on, bytes as m");
  }
};

/// Memory-bound kernels of serving systems, as shares of the data-sheet bandwidth: those that stream their bytes
/// through (norms, SwiGLU, rotary embedding, copies, sums, quantising by given scales), and those that quantise by
/// scales they find first, held back by their own instructions.
struct ServingMoves {
  double stream = 1, cast = 1;
  FittedRange fitted;
  bool borrowed = false;  // of another generation
  static void fields(auto& f, auto& p) {
    f("stream", p.stream, "share of the bandwidth of kernels that stream their bytes");
    f("cast", p.cast, "of those that find the scales by which they quantise");
    f("fitted", p.fitted, "sizes the shares were measured on, bytes as m");
  }
};

/// Number formats of routed experts: of activations and weights.
enum class ExpertFormat { bf16, fp8_block, fp8, nvfp4, mxfp4_fp8, mxfp4_bf16, int4_bf16 };
constexpr auto enum_names(ExpertFormat) {
  return std::to_array<std::pair<std::string_view, ExpertFormat>>({{"bf16", ExpertFormat::bf16},
                                                                   {"fp8_block", ExpertFormat::fp8_block},
                                                                   {"fp8", ExpertFormat::fp8},
                                                                   {"nvfp4", ExpertFormat::nvfp4},
                                                                   {"mxfp4_fp8", ExpertFormat::mxfp4_fp8},
                                                                   {"mxfp4_bf16", ExpertFormat::mxfp4_bf16},
                                                                   {"int4_bf16", ExpertFormat::int4_bf16}});
}

/// Grouped products of one library's kernel in one number format.
struct ExpertEquation {
  ExpertLibrary library = ExpertLibrary::triton;
  ExpertFormat format = ExpertFormat::bf16;
  std::string kernel;  // as the measured system calls it
  GemmEquation product;
  static void fields(auto& f, auto& p) {
    f.required("library", p.library, "whose products");
    f.required("format", p.format, "of activations and weights");
    f.required("kernel", p.kernel, "as the measured system calls it");
    f.required("product", p.product, "the equation's parameters");
  }
};

/// A calibration entry: hardware/kernels-GENERATION.yaml, type kernel_calibration.  Kinds of kernel that only some
/// generations' tables hold are optional; `choice.h` says what stands in for one that is absent.
struct Calibration {
  std::string type = "kernel_calibration", title;
  std::string generation;      // of the GPUs measured
  std::string from;            // another entry, whose sections hold where this one has none; read: its generation
  double sustained_clock = 1;  // clock under sustained tensor load over the clock of short measurements
  Time gap{};                  // between two kernels of a stream
  KernelError error;           // over the rows of kernels this was held against
  KernelError lent;            // of rows of other generations that took these efficiencies: how far borrowing was off
  double sm_bandwidth = 1;     // HBM bandwidth one SM can draw, over its even share of the GPU's
  GemmEquation gemm, contiguous, masked;
  std::optional<GemmEquation> gemm_2026, gemm_bf16, gemm_tokens, gemm_fp4;
  AttentionEquation prefill, backward, decode;
  std::optional<AttentionEquation> prefill_latent_fp8, prefill_heads, prefill_heads_fp8, decode_latent_fp8,
      decode_heads, decode_heads_fp8;
  MemoryEquation memory;
  ServingMoves serving_moves;
  SparseEquation sparse;
  StateEquation convolution, convolution_update, recurrence;
  ScanEquation scan;
  std::optional<ScanEquation> scan_flashinfer;
  MambaScan mamba_scan;
  ScanEquation kda_scan;
  std::optional<ScanEquation> kda_scan_flash;
  StateEquation kda_convolution, kda_update, kda_recurrence, kda_decode;
  std::optional<StateEquation> kda_update_vllm, kda_recurrence_vllm, kda_decode_vllm;
  std::optional<BlockConvolution> convolution_trtllm;
  std::optional<StateEquation> convolution_update_trtllm;
  std::optional<SparseEquation> entries;
  std::optional<AttentionEquation> decode_entries;
  std::optional<SparseEquation> blocks;
  std::optional<AttentionEquation> decode_blocks;
  StateEquation streams_in, streams_out;
  std::optional<StateEquation> streams_in_trtllm, streams_out_trtllm;
  std::vector<ExpertEquation> experts;  // a library's first of a format is its usual one
  static void fields(auto& f, auto& p) {
    f.required("type", p.type, "kernel_calibration");
    f("title", p.title, "what was measured");
    f.required("generation", p.generation, "GPU generation it is for");
    f("from", p.from, "entry whose sections hold where this one has none");
    f("sustained_clock", p.sustained_clock, "clock under sustained tensor load, relative");
    f("gap", p.gap, "between two kernels of a stream");
    f("error_median", p.error.median, "median error of rows measured, mean over classes by rows");
    f("error_p90", p.error.ninetieth, "90th percentile of the errors, likewise");
    f("lent_median", p.lent.median, "the same where other generations took these efficiencies and were measured");
    f("lent_p90", p.lent.ninetieth, "and of their 90th percentiles");
    f("sm_bandwidth", p.sm_bandwidth, "HBM bandwidth one SM can draw, over its even share");
    f.skip("experts");     // a list, its own entries before those lent
    f.skip("benchmarks");  // what the tables' benchmarks add: read where rows are held against this
    sections(f, p);
  }
  /// The equations' parameters, by kind of kernel.
  static void sections(auto& f, auto& p) {
    f("gemm", p.gemm, "dense products, FP8 in scaled blocks (DeepGEMM of 2025-03 on Hopper)");
    f("gemm_2026", p.gemm_2026, "the same by the library of 2026");
    f("gemm_bf16", p.gemm_bf16, "dense products in 16 bits");
    f("gemm_tokens", p.gemm_tokens, "dense products, FP8 scaled by token");
    f("gemm_fp4", p.gemm_fp4, "dense products in FP4");
    f("contiguous", p.contiguous, "grouped products, rows one expert after the other");
    f("masked", p.masked, "grouped products, a fixed buffer an expert");
    f("prefill", p.prefill, "attention forward, MLA on expanded heads");
    f("prefill_latent_fp8", p.prefill_latent_fp8, "the same in FP8");
    f("prefill_heads", p.prefill_heads, "attention forward of MHA and GQA");
    f("prefill_heads_fp8", p.prefill_heads_fp8, "the same in FP8");
    f("backward", p.backward, "attention backward");
    f("decode", p.decode, "absorbed MLA against a cache");
    f("decode_latent_fp8", p.decode_latent_fp8, "the same, FP8 cache");
    f("decode_heads", p.decode_heads, "MHA and GQA against a cache");
    f("decode_heads_fp8", p.decode_heads_fp8, "the same, FP8 cache");
    f("memory", p.memory, "memory-bound kernels");
    f("serving_moves", p.serving_moves, "memory-bound kernels of serving systems");
    f("sparse", p.sparse, "an indexer's scores and picks, attention over what it picks (DSA)");
    f("convolution", p.convolution, "short convolutions over prompts");
    f("convolution_update", p.convolution_update, "the same for next tokens");
    f("recurrence", p.recurrence, "next tokens of gated DeltaNet");
    f("scan", p.scan, "prompts of gated DeltaNet, Triton's chain of kernels");
    f("scan_flashinfer", p.scan_flashinfer, "the same in FlashInfer's kernel");
    f("mamba_scan", p.mamba_scan, "prompts of Mamba-2");
    f("kda_scan", p.kda_scan, "prompts of KDA, Triton's chain of kernels");
    f("kda_scan_flash", p.kda_scan_flash, "the same in FlashKDA's kernels");
    f("kda_convolution", p.kda_convolution,
      "short convolutions over prompts of KDA, of queries, keys and values apart");
    f("kda_update", p.kda_update, "the same for next tokens, all in one");
    f("kda_recurrence", p.kda_recurrence, "next tokens of KDA, the scan alone");
    f("kda_decode", p.kda_decode, "next tokens of KDA: convolution, scan and gated norm in one kernel");
    f("kda_update_vllm", p.kda_update_vllm, "short convolutions over next tokens of KDA in vLLM");
    f("kda_recurrence_vllm", p.kda_recurrence_vllm, "next tokens of KDA in vLLM, the scan alone");
    f("kda_decode_vllm", p.kda_decode_vllm, "the same in one kernel");
    f("convolution_trtllm", p.convolution_trtllm, "short convolutions over prompts, TensorRT-LLM's kernel");
    f("convolution_update_trtllm", p.convolution_update_trtllm, "the same for next tokens");
    f("entries", p.entries, "the kernels of `sparse` where keys stand for several tokens (DeepSeek-V4)");
    f("decode_entries", p.decode_entries, "attention over a window and such keys against a cache");
    f("blocks", p.blocks, "an indexer's scores of blocks, and attention over those it picks (block-sparse GQA)");
    f("decode_blocks", p.decode_blocks, "attention over such blocks against a cache");
    f("streams_in", p.streams_in, "hyper-connections: streams to one input");
    f("streams_out", p.streams_out, "hyper-connections: a result back to all streams");
    f("streams_in_trtllm", p.streams_in_trtllm, "streams to one input, TensorRT-LLM's kernel");
    f("streams_out_trtllm", p.streams_out_trtllm, "a result back to all streams, TensorRT-LLM's kernel");
  }
};

/// The entry `name` of the hardware catalogue (or a file), over the entry it is `from`.  Throws ConfigError if it is no
/// calibration or a share lies outside (0, 1].
Calibration load_calibration(const std::string& name, const std::string& beside = "");
/// Whether any of its kinds of kernel takes another generation's efficiencies.
bool borrows(const Calibration& calibration);
}  // namespace moesim::compute
