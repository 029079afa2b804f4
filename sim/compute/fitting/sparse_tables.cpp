// Tables of single kernels of newer attention: an indexer's scores and choice, attention over picks and entries
// (columns gpu, library, kernel, batch, new_tokens, cached_tokens, heads, scores, time_us); hyper-connections (gpu,
// library, op, tokens, streams, hidden, sites, time_us); encoders (gpu, library, kernel, batch, seq, heads, head_dim,
// compute, time_us).
#include <fmt/format.h>

#include <algorithm>

#include "compute/fitting/measured_rows.h"
#include "compute/layers/index_kernels.h"
#include "core/ceil_div.h"

namespace moesim::compute {
namespace {
constexpr int kIndexColumns = 128;  // of an indexer's head: DeepSeek-V3.2, V4 and GLM-5
constexpr int kDsaPicks = 2048;     // of a query, in these models

/// A row's work: tokens before each query, and those of them that `picks` leave.
Batch sparse_batch(const Sequences& s, std::int64_t picks, bool decode) {
  Batch batch;
  const spec::KeysRead picked{spec::KeysRead::Span::picked, picks};
  add_prefill(batch, picked, s.fresh, s.cached, s.batch);
  if (decode) batch.decode = batch.prefill, batch.window_decode = batch.window_prefill;
  return batch;
}

/// An indexer's scores or choice among entries of 4 tokens, as DeepSeek-V4's layers ask for them.
Kernel of_entries(const Sequences& s, int heads, bool scores) {
  constexpr int kEntry = 4;
  const bool decode = s.fresh == 1;
  const std::int64_t picks = scores ? 512 : heads;
  const Batch batch = sparse_batch(s, picks * kEntry, decode);
  const AttentionWork all = in_entries(batch.prefill, kEntry), picked = in_entries(batch.window_prefill, kEntry);
  if (scores) return IndexScores{heads, kIndexColumns, all, true, kEntry};
  IndexTopK best = index_top_k(int(picks), all, picked, decode);
  best.entry = kEntry;
  return best;
}

/// Attention to a window of 128 tokens and all entries of 128, of a cache in FP8.
Kernel of_windows(const Sequences& s, int heads) {
  constexpr EntryReach kReach{128, 128, 0};
  const bool decode = s.fresh == 1;
  const Batch batch = sparse_batch(s, 1, decode);
  const AttentionHeads on_one_key{spec::AttentionKind::compressed, heads, 1, 512, 512, true, 64};
  const AttentionWork work = entry_work(batch, decode, kReach);
  if (decode) {
    AttentionDecode out{on_one_key, work, spec::Dtype::bf16, spec::Dtype::fp8};
    out.reach = kReach;
    return out;
  }
  const auto most = int(kReach.window + batch.prefill.longest / kReach.entry);
  return SparsePrefill{on_one_key, work, most, spec::Dtype::fp8};
}

/// The kernel of one row; none if the row does not serve, by the reason.
std::optional<Kernel> sparse_kernel(const formats::CsvTable& csv, std::size_t r, std::string& reason) {
  const std::string_view name = csv.text(r, "kernel"), scores = csv.text(r, "scores");
  const Sequences s = sequences_of(csv, r);
  const auto heads = int(csv.integer(r, "heads", 1, 4096));
  const bool choice = name.ends_with("_topk");
  if (choice && scores.ends_with("flat")) {
    reason = "equal scores, the worst case of a choice";
    return std::nullopt;
  }
  if (choice && !scores.ends_with("top_last"))
    csv.fail(r, fmt::format("scores: expected flat or top_last, got \"{}\"", scores));
  const Batch batch = sparse_batch(s, name == "dsa_topk" ? heads : kDsaPicks, false);
  if (name == "dsa_indexer_scores") return IndexScores{heads, kIndexColumns, batch.prefill};
  if (name == "dsa_topk") return index_top_k(heads, batch.prefill, batch.window_prefill, false);
  if (name == "dsa_sparse_mla")
    return SparsePrefill{{spec::AttentionKind::mla, heads, 1, 576, 512, true}, batch.window_prefill, kDsaPicks};
  // SGLang decodes with the second version of the choice among entries, and takes prompts by the first.
  if (name == "csa_topk" && scores.starts_with("v2") != (s.fresh == 1)) {
    reason = "a version of the choice that SGLang does not take for such rows";
    return std::nullopt;
  }
  if (name == "csa_indexer_scores" || name == "csa_topk") return of_entries(s, heads, name == "csa_indexer_scores");
  if (name == "hca_attention") return of_windows(s, heads);
  csv.fail(r, fmt::format("kernel: expected dsa_indexer_scores, dsa_topk, dsa_sparse_mla, csa_indexer_scores, csa_topk "
                          "or hca_attention, got \"{}\"",
                          name));
}

/// Whether a row's sequences share one cache that stays in the L2, where those of real ones would be read.
bool shares_cache(const Kernel& kernel, const spec::Gpu& gpu, double measured) {
  constexpr double kShare = 0.1;  // of the row's time, from which it matters
  double bytes = 0;
  if (const auto* x = std::get_if<IndexScores>(&kernel); x && x->paged) bytes = double(x->work.keys) * x->dim;
  if (const auto* a = std::get_if<AttentionDecode>(&kernel))
    bytes = double(a->work.keys) * double(cached_token_bytes(a->heads, a->cache).v);
  return bytes / gpu.memory_bandwidth.v > kShare * measured;
}

/// Columns that a head is computed with: FlashAttention-3 has kernels of these widths, FlashAttention-4 of multiples of
/// 16.  Source: flash-attention, hopper/flash_api.cpp round_up_headdim, flash_attn/cute/flash_fwd_sm100.py.
int computed_width(std::string_view kernel, int width) {
  if (kernel.ends_with("fa4")) return ceil_div(width, 16) * 16;
  if (!kernel.ends_with("fa3")) return width;
  for (const int own : {64, 96, 128, 192})
    if (width <= own) return own;
  return std::max(width, 256);
}
}  // namespace

KernelTable read_sparse_kernels(const TableFile& table) {
  const formats::CsvTable csv(
      table.file, {"gpu", "library", "kernel", "batch", "new_tokens", "cached_tokens", "heads", "scores", "time_us"});
  RowReader reader(csv);
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    std::string reason;
    const std::optional<Kernel> kernel = sparse_kernel(csv, r, reason);
    if (!kernel) {
      reader.leave_out(reason);
      continue;
    }
    const std::string_view name = csv.text(r, "kernel");
    const bool eight = std::holds_alternative<IndexScores>(*kernel) || name == "hca_attention";
    Measurement s = reader.start_simulated(r, name, eight ? "fp8" : name.ends_with("_topk") ? "fp32" : "bf16");
    if (shares_cache(*kernel, reader.gpu(r), s.seconds)) {
      reader.leave_out("one cache for all sequences, which stays in the L2: no traffic");
      continue;
    }
    const Sequences sequences = sequences_of(csv, r);
    s.shape = fmt::format("{} sequences of {} after {}, {} heads or picks", sequences.batch, sequences.fresh,
                          sequences.cached, csv.text(r, "heads"));
    s.groups.push_back(sequences.fresh == 1 ? "decode" : "prefill");
    s.known = false;  // all queries pick the same keys: what is read is less than the kernels' bytes
    s.sequences.push_back({*kernel});
    reader.finish(r, std::move(s));
  }
  return reader.take();
}

KernelTable read_hyper_connections(const TableFile& table) {
  const formats::CsvTable csv(table.file, {"gpu", "library", "op", "tokens", "streams", "hidden", "sites", "time_us"});
  RowReader reader(csv);
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    const std::string_view op = csv.text(r, "op"), library = csv.text(r, "library");
    if (op != "pre" && op != "post") csv.fail(r, fmt::format("op: expected pre or post, got \"{}\"", op));
    const StreamMix mix{csv.integer(r, "tokens", 1, kMostRows), csv.integer(r, "hidden", 1, 1'000'000),
                        int(csv.integer(r, "streams", 1, 64)), op == "post"};
    const std::int64_t sites = csv.integer(r, "sites", 1, 1000);
    Measurement s = reader.start_simulated(r, mix.out ? "streams out" : "streams in", "bf16");
    if (library.starts_with("trtllm")) s.scans = ScanLibrary::trtllm;
    s.shape = fmt::format("{} tokens, {} streams of {}, {} sites", mix.rows, mix.streams, mix.hidden, sites);
    s.groups.push_back("all");
    s.sequences.emplace_back(std::size_t(sites), mix);
    reader.finish(r, std::move(s));
  }
  return reader.take();
}

// Every query of an encoder sees every key: no tile is cut by a diagonal.
KernelTable read_encoder_attention(const TableFile& table) {
  const formats::CsvTable csv(table.file,
                              {"gpu", "library", "kernel", "batch", "seq", "heads", "head_dim", "compute", "time_us"});
  RowReader reader(csv);
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    const std::int64_t batch = csv.integer(r, "batch", 1, kMostRows), seq = csv.integer(r, "seq", 1, kMostRows);
    if (batch * seq > kMostRows)
      csv.fail(r, fmt::format("seq: expected at most {} tokens of all sequences, got {}", kMostRows, batch * seq));
    const auto heads = int(csv.integer(r, "heads", 1, 4096)), width = int(csv.integer(r, "head_dim", 1, 1024));
    const std::string_view compute = csv.text(r, "compute");
    if (compute != "bfloat16") csv.fail(r, fmt::format("compute: expected bfloat16, got \"{}\"", compute));
    AttentionWork work{batch, batch * seq, batch * seq, seq, double(batch) * double(seq) * double(seq)};
    work.tiles = double(batch * ceil_div(seq, kQueryTile));
    work.tiled_pairs = work.tiles * double(kQueryTile) * double(seq);
    work.edges = 0;
    Measurement s = reader.start_simulated(r, "encoder attention", compute);
    s.shape = fmt::format("{} sequences of {}, {} heads of {}", batch, seq, heads, width);
    s.groups.push_back("all");
    const int computed = computed_width(csv.text(r, "kernel"), width);
    const AttentionHeads all{spec::AttentionKind::mha, heads, heads, computed, computed, false};
    s.sequences.push_back({AttentionPrefill{all, work, spec::Dtype::bf16}});
    reader.finish(r, std::move(s));
  }
  return reader.take();
}
}  // namespace moesim::compute
