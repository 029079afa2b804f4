// Tables of kernels of layers that keep a state: gated DeltaNet and KDA (columns gpu, library, kernel, phase, batch,
// seq, k_heads, v_heads, k_dim, v_dim, time_us) and Mamba-2 (gpu, library, kernel, phase, batch, seq, heads, head_dim,
// d_state, groups, time_us).
#include <fmt/format.h>

#include "compute/fitting/measured_rows.h"

namespace moesim::compute {
namespace {
constexpr int kTaps = 4;  // of the short convolutions of all three
constexpr std::int64_t kScanHeads = 4096, kScanColumns = 1024;

ScanLibrary scans_of(const formats::CsvTable& csv, std::size_t r) {
  const std::string_view library = csv.text(r, "library");
  if (library.starts_with("sglang")) return ScanLibrary::triton;
  if (library.starts_with("vllm")) return ScanLibrary::flashinfer;
  if (library.starts_with("trtllm")) return ScanLibrary::trtllm;
  csv.fail(r, fmt::format("library: expected a name that begins with sglang, vllm or trtllm, got \"{}\"", library));
}

struct ScanRow {
  std::string_view kernel, phase;
  std::int64_t sequences, each;
  std::int64_t tokens() const { return sequences * each; }
  bool prompt() const { return phase == "prefill"; }
};
ScanRow scan_row(const formats::CsvTable& csv, std::size_t r) {
  const ScanRow out{csv.text(r, "kernel"), csv.text(r, "phase"), csv.integer(r, "batch", 1, kMostRows),
                    csv.integer(r, "seq", 1, kMostRows)};
  if (out.tokens() > kMostRows)
    csv.fail(r, fmt::format("seq: expected at most {} tokens of all sequences, got {}", kMostRows, out.tokens()));
  if (out.phase != "prefill" && out.phase != "decode" && out.phase != "verify")
    csv.fail(r, fmt::format("phase: expected prefill, decode or verify, got \"{}\"", out.phase));
  return out;
}

StateScan with_tokens(const ScanRow& row, StateScan s) {
  s.sequences = row.sequences, s.tokens = row.tokens(), s.longest = row.each;
  s.decode = !row.prompt();
  return s;
}

/// Whether a row's states stay in the L2 cache from one replay to the next, as no request's do.
bool is_warm(const StateScan& s, Bytes l2) {
  constexpr std::int64_t kSmall = 4'000'000;  // bytes, up to which the time is no matter of memory
  constexpr std::int64_t kNumber = 4;         // bytes, FP32
  const std::int64_t states = s.tokens > s.sequences ? s.sequences + s.tokens : s.sequences;  // one for each token
  const std::int64_t bytes = kNumber * s.state() * states;
  return s.decode && bytes > kSmall && bytes < l2.v;
}

constexpr std::string_view kWarm = "states that stay in the L2 cache from one replay to the next";

void keep_scan(RowReader& reader, const formats::CsvTable& csv, std::size_t r, std::string_view kind,
               const ScanRow& row, std::vector<Kernel> kernels) {
  Measurement s = reader.start_simulated(r, kind, "bf16");
  s.scans = scans_of(csv, r);
  s.shape = fmt::format("{} sequences of {}, {}", row.sequences, row.each, describe(kernels.front()));
  if (kernels.size() > 1) s.shape += fmt::format(" x {}", kernels.size());
  s.groups.push_back(std::string(row.phase));
  s.sequences.push_back(std::move(kernels));
  reader.finish(r, std::move(s));
}
}  // namespace

KernelTable read_delta_scans(const TableFile& table) {
  const formats::CsvTable csv(table.file, {"gpu", "library", "kernel", "phase", "batch", "seq", "k_heads", "v_heads",
                                           "k_dim", "v_dim", "time_us"});
  const bool kimi = table.kind == "kda";
  const Recurrence kind = kimi ? Recurrence::kimi_delta : Recurrence::gated_delta;
  RowReader reader(csv);
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    const ScanRow row = scan_row(csv, r);
    StateScan s{.kind = kind,
                .key_heads = int(csv.integer(r, "k_heads", 1, kScanHeads)),
                .value_heads = int(csv.integer(r, "v_heads", 1, kScanHeads)),
                .key_dim = int(csv.integer(r, "k_dim", 1, kScanColumns)),
                .value_dim = int(csv.integer(r, "v_dim", 1, kScanColumns))};
    s = with_tokens(row, s);
    const std::int64_t keys = std::int64_t{s.key_heads} * s.key_dim, values = std::int64_t{s.value_heads} * s.value_dim;
    if (row.kernel.starts_with("causal_conv1d")) {
      const ShortConvolution conv{2 * keys + values, kTaps, row.sequences, row.tokens(), !row.prompt(), kind};
      std::vector<Kernel> kernels{conv};
      if (row.kernel.ends_with("_qkv3")) {  // a call each for queries, keys and values
        kernels.assign(3, conv);
        for (int i = 0; i < 3; ++i)
          std::get<ShortConvolution>(kernels[std::size_t(i)]).channels = i < 2 ? keys : values;
      }
      keep_scan(reader, csv, r, fmt::format("{} convolution", table.kind), row, std::move(kernels));
      continue;
    }
    if (row.kernel.ends_with("_dspark")) {
      reader.leave_out("a kernel for drafts of one system, which no layer asks for");
      continue;
    }
    // The whole step in one kernel: convolution, recurrence, norm of the output.
    if (row.kernel == "kda_fused_decode" || row.kernel == "fused_kda_decode") s.taps = kTaps;
    if (is_warm(s, reader.gpu(r).l2))
      reader.leave_out(std::string(kWarm));
    else
      keep_scan(reader, csv, r,
                fmt::format("{} {}", table.kind,
                            s.taps > 0 ? "fused step"
                            : s.decode ? "recurrence"
                                       : "scan"),
                row, {s});
  }
  return reader.take();
}

KernelTable read_mamba_scans(const TableFile& table) {
  const formats::CsvTable csv(table.file, {"gpu", "library", "kernel", "phase", "batch", "seq", "heads", "head_dim",
                                           "d_state", "groups", "time_us"});
  RowReader reader(csv);
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    const ScanRow row = scan_row(csv, r);
    StateScan s{.kind = Recurrence::mamba2,
                .key_heads = int(csv.integer(r, "groups", 1, kScanHeads)),
                .value_heads = int(csv.integer(r, "heads", 1, kScanHeads)),
                .key_dim = int(csv.integer(r, "d_state", 1, kScanColumns)),
                .value_dim = int(csv.integer(r, "head_dim", 1, kScanColumns))};
    s = with_tokens(row, s);
    const std::int64_t channels = std::int64_t{s.value_heads} * s.value_dim + 2 * std::int64_t{s.key_heads} * s.key_dim;
    if (row.kernel.starts_with("causal_conv1d"))
      keep_scan(reader, csv, r, "mamba2 convolution", row,
                {ShortConvolution{channels, kTaps, row.sequences, row.tokens(), !row.prompt()}});
    else if (is_warm(s, reader.gpu(r).l2))
      reader.leave_out(std::string(kWarm));
    else
      keep_scan(reader, csv, r, s.decode ? "mamba2 recurrence" : "mamba2 scan", row, {s});
  }
  return reader.take();
}
}  // namespace moesim::compute
