// Reads tables of measured kernels and says which kernels each row timed, so that the equations can be held to them.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "compute/kernels/choice.h"
#include "compute/kernels/kernel.h"
#include "spec/hardware.h"

namespace moesim::compute {

/// What a row was timed around, besides the kernels.
enum class Harness {
  kernel,    ///< the profiler's time of one kernel
  graph,     ///< kernels replayed from a CUDA graph
  eager,     ///< kernels launched one by one by a framework: never faster than the host issues them
  simulated  ///< kernels as a simulation times them, of a cold cache and a warm GPU; held to, not fitted
};

/// One measured row.
struct Measurement {
  std::string kind;   // "gemm", "contiguous", "masked", "expert decode", "expert prefill", "mla decode", "mla prefill"
  std::string group;  // "uniform", "power law"; attention: the library
  std::string shape;  // in words
  std::string gpu, precision, library;  // of a table of several: the catalogue's GPU, as the table names the others
  std::vector<std::string> groups;      // likewise: the classes its error counts in
  ProductLibrary products = ProductLibrary::deep_gemm_2025;  // of products in scaled FP8 blocks
  ExpertLibrary expert_library =
      ExpertLibrary::usual;                // of an expert layer: whose products, `library` being its kernel
  ScanLibrary scans = ScanLibrary::usual;  // whose, of layers that keep a state
  double walked = 0;                       // bytes the benchmark walks through again and again; 0: those of the kernels
  double seconds = 0;
  double ties = 0;  // seconds that were taken off it: what equal scores cost an indexer's choice
  Harness harness = Harness::kernel;
  std::string bench;                           // whose HarnessLimits: the kind, for attention with the library
  double sequences_in_batch = 0, experts = 0;  // what the harness' own work grows with
  int repeats = 1;    // runs back to back, warm-up included: long ones heat the GPU until its clock falls
  bool known = true;  // false: the loads behind the row are not; left out of the fits
  int fold = 0;       // of five, seeded: a draw of the held-out fifth
  /// Kernels one after the other; several lists if the row is a mean over draws of uneven loads.
  std::vector<std::vector<Kernel>> sequences;
  std::vector<std::vector<std::int64_t>> rows;  // what the grouped kernels' spans point to
};

/// The rows of one table; and of those left out, how many by the reason.
struct KernelTable {
  std::vector<Measurement> rows;
  std::map<std::string, std::size_t> left_out;
};

/// What the harness behind a table adds: nuisance parameters, fitted beside the equations and used for nothing else.
struct HarnessLimits {
  double floor = 0;     // seconds the host needs to issue a sequence of kernels
  double sequence = 0;  // seconds the GPU waits for it for each sequence of the batch
  double offset = 0;    // seconds of kernels the row's list leaves out
  double expert = 0;    // seconds an expert held, with rows or without (blocks of the masked activation)
  double cache = 50e6;  // bytes of the L2 cache that stay from one repetition to the next
  double cached = 1;    // speed-up of traffic that hits them
  double warm = 0;      // seconds that a kernel whose data is there starts sooner
  double library = 1;   // speed of products in the library version measured, over that of the published table
  double moves = 1;     // speed of its kernels that move routed rows, over the training profile's
  double burst = 1e9;   // seconds of work before the clock falls to its sustained value
};

/// Seconds the equations predict for a row.
double predict(const Measurement& sample, const spec::Gpu& gpu, const Calibration& calibration,
               const HarnessLimits& harness);
/// Seconds of the kernels alone, without the harness.
double predict_device(const Measurement& sample, const spec::Gpu& gpu, const Calibration& calibration,
                      const HarnessLimits& harness);

/// Dense and grouped FP8 products: columns layout, groups, m_per_group, n, k, tflops.
std::vector<Measurement> read_gemm_table(const std::string& file);
/// Expert layers of DeepSeek-V3 in SGLang on one GPU of an expert-parallel group: columns num_tokens (of the whole
/// group), hidden_size, inter_size, topk, num_experts, moe_ep_size, distribution, latency (ms).
/// Uniform prefill rows below a tile of 128 an expert were packed without padding: they touch one expert a tile.
/// Power-law rows are the mean of five draws of the most loaded GPU, unknown; `draws` own draws of the same law stand
/// in.
/// gpu: of the catalogue, against whose peaks the rows are checked; "": the caller's.
std::vector<Measurement> read_expert_table(const std::string& file, bool decode, int draws, std::uint64_t seed,
                                           const std::string& gpu = "");
/// The same with columns gpu, tokens, hidden, width, top_k, experts, ep, load, time_us.
std::vector<Measurement> read_wide_expert_table(const std::string& file, bool decode, int draws, std::uint64_t seed);
/// MLA of DeepSeek-V3 in SGLang, from the latents to the output projection: columns kernel_source, num_heads,
/// batch_size, isl, latency (ms).  The cache is BF16 whatever the label says: its bytes fit the bandwidth only so.
std::vector<Measurement> read_mla_table(const std::string& file, bool decode, const std::string& gpu = "");
/// The same with columns gpu, kernel, heads, batch, tokens, time_us.
std::vector<Measurement> read_wide_mla_table(const std::string& file, bool decode);

/// Deals the rows of each kind into five folds, seeded: each row is held out once.
inline constexpr int kFolds = 5;
void hold_out(std::vector<Measurement>& measurements, std::uint64_t seed);
}  // namespace moesim::compute
