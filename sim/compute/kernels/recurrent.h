// Kernels of layers that keep a state: the short convolution before it, and the scan over tokens.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "core/units.h"

namespace moesim::compute {

/// Whose kernels scan whole prompts.
enum class ScanLibrary {
  usual,  ///< what the engine runs; triton where none says
  triton,
  flashinfer,  ///< KDA's prompts by FlashKDA
  trtllm       ///< convolutions of its own; gated DeltaNet and KDA as triton
};
constexpr auto enum_names(ScanLibrary) {
  return std::to_array<std::pair<std::string_view, ScanLibrary>>({{"usual", ScanLibrary::usual},
                                                                  {"triton", ScanLibrary::triton},
                                                                  {"flashinfer", ScanLibrary::flashinfer},
                                                                  {"trtllm", ScanLibrary::trtllm}});
}

/// What is done to a state for each token.
enum class Recurrence {
  gated_delta,
  mamba2,     ///< value heads are its heads, a key head is a group of them, key_dim the columns of a head's state
  kimi_delta  ///< as many key heads as value heads, a decay a column of a key
};
constexpr auto enum_names(Recurrence) {
  return std::to_array<std::pair<std::string_view, Recurrence>>(
      {{"gated delta", Recurrence::gated_delta}, {"Mamba-2", Recurrence::mamba2}, {"KDA", Recurrence::kimi_delta}});
}

/// A causal convolution of each channel with its last tokens, and the SiLU of the result, in BF16.
struct ShortConvolution {
  std::int64_t channels = 0;
  int taps = 0;
  std::int64_t sequences = 0, tokens = 0;  // tokens: of all sequences
  bool decode = false;  // the inputs of the last tokens are read from a sequence's state and moved on
  Recurrence of =
      Recurrence::gated_delta;  // whose kernel: KDA's queries, keys and values are convolved apart in prompts
  bool operator==(const ShortConvolution&) const = default;
};

inline constexpr std::int64_t kScanChunk = 64;    // tokens that prompts are scanned by at a time
inline constexpr std::int64_t kMambaChunk = 128;  // of Mamba-2: chunk_size of Nemotron-3's config.json

/// The heads of one GPU between the convolution and the norm of their output; states in FP32.
struct StateScan {
  Recurrence kind = Recurrence::gated_delta;
  int key_heads = 0, value_heads = 0, key_dim = 0, value_dim = 0;
  std::int64_t sequences = 0, tokens = 0;
  std::int64_t longest = 0;  // tokens of the longest sequence
  bool resumed = false;      // prompts go on from a state
  bool decode = false;       // token by token, from a state that is read and one written for each
  bool backward = false;     // gradients of a prompt's scan, which is done again on the way
  int taps = 0;              // KDA's next tokens: convolution, scan and gated norm are one kernel; 0: the scan alone
  bool operator==(const StateScan&) const = default;
  /// Numbers of one sequence's state.
  std::int64_t state() const { return std::int64_t{value_heads} * key_dim * value_dim; }
};

/// What the gradients of a scan take of its own time: the scan again, and its transpose, which has twice the products.
inline constexpr double kBackwardScans = 3;
double flops_of(const StateScan& s);
/// Of Mamba-2 alone.
double mamba_flops(const StateScan& s);
Bytes bytes_of(const ShortConvolution& c);
Bytes bytes_of(const StateScan& s);
std::string describe(const ShortConvolution& c);
std::string describe(const StateScan& s);
}  // namespace moesim::compute
