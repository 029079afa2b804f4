// What a GPU can be asked to compute, as plain shapes: one struct a kind of kernel, no times.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "compute/kernels/recurrent.h"
#include "core/units.h"
#include "spec/model.h"

namespace moesim::compute {

/// What one FP8 or FP4 scale of a product's inputs covers.
enum class Scales {
  blocks,    ///< 1x128 of the activations, 128x128 of the weights: sums are rescaled as K is walked (DeepGEMM)
  tokens,    ///< a row of the activations, a column of the result: scales are applied at the end (CUTLASS)
  tensor,    ///< the whole of each: applied at the end, sums stay in the tensor cores
  promoted,  ///< the same, but partial sums leave the tensor cores as K is walked, for precision
  groups     ///< 32 numbers (NVFP4: 16) along K: the tensor cores multiply them in
};
/// Whether sums of a product whose K is the tokens have to be rescaled on the way.
constexpr bool rescales(Scales s) { return s == Scales::blocks || s == Scales::tokens; }
/// Bytes of `elements` numbers that a product reads, with the scales that go with them.
Bytes operand_bytes(std::int64_t elements, spec::Dtype dtype, Scales scales);

/// `batch` products (m, k) x (k, n) -> (m, n) of one shape.
struct Gemm {
  std::int64_t m = 0, n = 0, k = 0;
  spec::Dtype dtype = spec::Dtype::bf16;  // of both inputs; fp8 has a scale per 1x128 of A and per 128x128 of B
  spec::Dtype out = spec::Dtype::bf16;    // of the result
  bool fp32_accumulate = false;  // a weight gradient: the result is added to an FP32 matrix that is read and written
  std::int64_t batch = 1;        // MLA's per-head products
  std::optional<spec::Dtype>
      weights{};  // of B as stored where narrower than `dtype`: widened on its way to the tensor cores
  Scales scales = Scales::blocks;
  bool operator==(const Gemm&) const = default;
};

/// How the rows of a GPU's experts lie in memory.
enum class GroupLayout {
  contiguous,  ///< one after the other, each padded to whole tiles: training and prefill
  masked       ///< a fixed buffer an expert, only the filled rows are computed: decode under CUDA graphs
};
constexpr auto enum_names(GroupLayout) {
  return std::to_array<std::pair<std::string_view, GroupLayout>>(
      {{"contiguous", GroupLayout::contiguous}, {"masked", GroupLayout::masked}});
}

/// All that matters of a grouped product's rows: sums over its experts.
struct GroupRows {
  std::int64_t rows = 0, used = 0;         // rows; experts with any
  std::int64_t tiles64 = 0, tiles128 = 0;  // row tiles, each expert's last one counted whole
  std::int64_t blocks16 = 0;               // the same in blocks of 16 rows, if asked for
  bool negative = false;                   // an expert has fewer than no rows: nothing above means anything
};

/// One product an expert held by the GPU, in one launch: (rows[e], k) x (k, n) -> (rows[e], n).  As a weight gradient:
/// (n, rows[e]) x (rows[e], k), added to the expert's FP32 (n, k); n and k stay the forward product's.
struct GroupedGemm {
  std::span<const std::int64_t> rows;  // actual rows of each local expert; not owned: must outlive the kernel
  std::int64_t n = 0, k = 0;
  spec::Dtype dtype = spec::Dtype::bf16;
  spec::Dtype out = spec::Dtype::bf16;
  GroupLayout layout = GroupLayout::contiguous;
  bool weight_gradient = false;
  std::optional<spec::Dtype> weights{};  // as of Gemm
  Scales scales = Scales::blocks;
  std::optional<GroupRows> counted{};  // of `rows`, where a cost model has counted them already; leave it empty
};
GroupRows group_rows(std::span<const std::int64_t> rows, bool with_blocks = false);
inline GroupRows group_rows(const GroupedGemm& g) {
  return g.counted ? *g.counted : group_rows(g.rows, g.weights.has_value());
}

/// The heads one GPU computes.
struct AttentionHeads {
  spec::AttentionKind kind = spec::AttentionKind::mha;
  int heads = 0;              // query heads on this GPU
  int kv_heads = 0;           // 1 for absorbed MLA, `heads` for expanded MLA
  int qk_dim = 0, v_dim = 0;  // as computed: 192/128 for V3 expanded, 576/512 absorbed
  bool absorbed = false;      // MLA on the cached latent: K and V are the same memory
  int rotated = 0;            // columns of a compressed head that an FP8 cache keeps in BF16
  bool operator==(const AttentionHeads&) const = default;
};

inline constexpr std::int64_t kQueryTile = 128;  // queries a tile of whole prompts computes at a time

/// The attention work of a set of sequences, summed: all that the equations need of ragged lengths.
struct AttentionWork {
  std::int64_t sequences = 0;
  std::int64_t queries = 0;  // new tokens, all sequences together
  std::int64_t keys = 0;     // tokens attended to (kept context and new ones), all sequences together
  std::int64_t longest = 0;  // keys of the longest sequence; under a sliding window, of its fullest tile
  double pairs = 0;          // query-key pairs computed: half of them if causal, fewer under a window
  double tiles = 0;          // of 128 queries, each sequence's last one counted whole; 0: as if all were as long
  double tiled_pairs = 0;    // pairs if those tiles were full; 0 with `tiles`
  int edges = 1;             // where a tile's keys are masked in part: the diagonal, and the far end of a window
  int parts = 1;             // that each sequence's new tokens are cut into, `queries` and `pairs` being those of one
  bool operator==(const AttentionWork&) const = default;
};

/// What a layer of DeepSeek-V4 reads: the last `window` tokens, and entries that stand for `entry` tokens each, `picks`
/// of them at most.
struct EntryReach {
  std::int64_t window = 0;
  int entry = 0;  // 0: the window alone
  int picks = 0;  // 0: every entry
  bool operator==(const EntryReach&) const = default;
};

/// Forward attention of whole prompts or chunks of them: queries against expanded keys and values.
struct AttentionPrefill {
  AttentionHeads heads;
  AttentionWork work;
  spec::Dtype dtype = spec::Dtype::bf16;
  bool operator==(const AttentionPrefill&) const = default;
};

/// Backward of AttentionPrefill: recomputes the scores, gives dQ, dK, dV (its pre- and post-kernels included).
struct AttentionBackward {
  AttentionHeads heads;
  AttentionWork work;
  spec::Dtype dtype = spec::Dtype::bf16;
  int picks = 0;  // keys of a query at most, which lie anywhere; 0: all in turn
  bool operator==(const AttentionBackward&) const = default;
};

/// Attention of a few new tokens a sequence (one, or several when speculating) against its cache.
struct AttentionDecode {
  AttentionHeads heads;
  AttentionWork work;
  spec::Dtype dtype = spec::Dtype::bf16;  // of the arithmetic
  spec::Dtype cache = spec::Dtype::bf16;  // of the stored keys and values
  int picks = 0;                          // DSA: keys a query attends to at most, which lie anywhere; 0: all in turn
  EntryReach reach{};                     // DeepSeek-V4: what `work` was worked out for
  bool operator==(const AttentionDecode&) const = default;
};

/// Scores of an indexer (DSA) in FP8: each new token's against every key before it, over heads that share the key; one
/// FP32 number a pair is written.  Of blocks of keys (block-sparse GQA) in BF16: the best score of each block and head,
/// and the choice of blocks with it.
struct IndexScores {
  int heads = 0, dim = 0;
  AttentionWork work;
  bool paged = false;  // of a few new tokens a sequence against its cache
  int entry = 1;       // tokens that a key stands for; `work` counts keys
  int block = 0;       // keys that share one score; 0: each has its own
  spec::Dtype dtype() const { return block > 0 ? spec::Dtype::bf16 : spec::Dtype::fp8; }
  bool operator==(const IndexScores&) const = default;
};

/// The `picks` best scores of each row.
struct IndexTopK {
  int picks = 0;
  std::int64_t rows = 0, longest = 0;  // of the row with most scores
  double ranked = 0, scores = 0;       // rows with more scores than picks, and all their scores
  int entry = 1;                       // as of IndexScores
  bool operator==(const IndexTopK&) const = default;
};

/// Forward attention of whole prompts in MLA's latent space over picked keys: each query has its own, which its heads
/// share; or on heads over picked blocks of keys.
struct SparsePrefill {
  AttentionHeads heads;
  AttentionWork work;                     // its pairs are picked ones
  int picks = 0;                          // a query's at most
  spec::Dtype cache = spec::Dtype::bf16;  // of the latent that is read
  bool operator==(const SparsePrefill&) const = default;
};

/// Hyper-connections (DeepSeek-V4): the streams of `rows` tokens to one input of `hidden` numbers, by weights that they
/// give themselves; or a result back to all of them, which are mixed on the way.
struct StreamMix {
  std::int64_t rows = 0, hidden = 0;
  int streams = 0;
  bool out = false;
  bool backward = false;
  bool operator==(const StreamMix&) const = default;
};

enum class MemoryKind {
  norm,
  norm_backward,
  cast,
  cast_transpose,
  transpose,
  swiglu,
  swiglu_backward,
  rope,
  permute,
  unpermute,
  top_k,
  copy,
  add,
  optimizer
};
constexpr auto enum_names(MemoryKind) {
  return std::to_array<std::pair<std::string_view, MemoryKind>>({{"norm", MemoryKind::norm},
                                                                 {"norm_backward", MemoryKind::norm_backward},
                                                                 {"cast", MemoryKind::cast},
                                                                 {"cast_transpose", MemoryKind::cast_transpose},
                                                                 {"transpose", MemoryKind::transpose},
                                                                 {"swiglu", MemoryKind::swiglu},
                                                                 {"swiglu_backward", MemoryKind::swiglu_backward},
                                                                 {"rope", MemoryKind::rope},
                                                                 {"permute", MemoryKind::permute},
                                                                 {"unpermute", MemoryKind::unpermute},
                                                                 {"top_k", MemoryKind::top_k},
                                                                 {"copy", MemoryKind::copy},
                                                                 {"add", MemoryKind::add},
                                                                 {"optimizer", MemoryKind::optimizer}});
}

/// A kernel whose time is the bytes it reads and writes.
struct MemoryOp {
  MemoryKind kind = MemoryKind::copy;
  Bytes bytes{};         // read and written
  bool serving = false;  // a serving system's kernel; false: a training system's
  bool operator==(const MemoryOp&) const = default;
};
/// Whether serving systems have a kernel of their own of this kind; moving routed rows and choosing experts is the same
/// work in both.
constexpr bool is_tuned_for_serving(MemoryKind kind) {
  return kind != MemoryKind::permute && kind != MemoryKind::unpermute && kind != MemoryKind::top_k;
}

/// Kernels too small for bandwidth to matter, one after the other.
struct SmallChain {
  int count = 0;
  bool graph = false;  // replayed from a CUDA graph
  bool operator==(const SmallChain&) const = default;
};

using Kernel = std::variant<Gemm, GroupedGemm, AttentionPrefill, AttentionBackward, AttentionDecode, MemoryOp,
                            SmallChain, IndexScores, IndexTopK, SparsePrefill, ShortConvolution, StateScan, StreamMix>;

/// Bytes of `elements` numbers with the scales that go with them: fp8 4 bytes per 128 (a 1x128 tile), fp4 1 byte per 32
/// (MXFP4).
Bytes tensor_bytes(std::int64_t elements, spec::Dtype dtype);
/// Bytes of a (n, k) weight with its scales: fp8 4 bytes per 128x128 block, fp4 1 byte per 32 of a row; blocks at the
/// edges counted whole.
Bytes weight_bytes(std::int64_t n, std::int64_t k, spec::Dtype dtype);
/// Bytes of one token in a layer's cache for the KV heads here.  MLA's latent in fp8: 656 (FlashMLA).
Bytes cached_token_bytes(const AttentionHeads& heads, spec::Dtype cache);

/// Arithmetic the kernel executes: 2 a multiply-add, actual rows (no padding), AttentionBackward's recomputed scores
/// included; 0 for memory-bound kernels.
Flops flops_of(const Kernel& kernel);
/// The least HBM traffic of the kernel: each operand read once, each result written once.
Bytes bytes_of(const Kernel& kernel);
/// The kernel in words: "gemm 4096 x 7168 x 16384 fp8".
std::string describe(const Kernel& kernel);
}  // namespace moesim::compute
