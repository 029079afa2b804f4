// Tables of attention: whole prompts and one new token a sequence, of heads that share keys and of MLA.
#include <fmt/format.h>

#include <algorithm>

#include "compute/fitting/measured_rows.h"
#include "compute/layers/inventory.h"

namespace moesim::compute {
namespace {
constexpr double kLargePrompt = 1e10;  // FLOPs from which a prompt's attention is no matter of launches

spec::Dtype format_of(const formats::CsvTable& csv, std::size_t r, std::string_view column) {
  const std::string_view name = csv.text(r, column);
  if (name == "bfloat16") return spec::Dtype::bf16;
  if (name == "fp8") return spec::Dtype::fp8;
  csv.fail(r, fmt::format("{}: expected bfloat16 or fp8, got \"{}\"", column, name));
}

// What a kernel really reads of the window that a row names, as its times show: Triton's prompts run over everything,
// TensorRT-LLM's decoding reads all keys under windows of 8192, and SGLang's FlashAttention-3 takes a width of 8192
// for the chunks of Llama 4.
spec::KeysRead window_of(std::string_view kernel, bool decode, std::int64_t width) {
  constexpr std::int64_t kChunk = 8192;
  using Span = spec::KeysRead::Span;
  const bool ignored = (kernel == "triton" && !decode) || (kernel == "trtllm_mha" && decode && width == kChunk);
  if (width == 0 || ignored) return {};
  return {kernel == "fa3" && width == kChunk ? Span::chunk : Span::sliding, width};
}

/// Storing the new tokens' keys and values: read in 16 bits, written as the cache holds them.
MemoryOp stored(double elements, spec::Dtype cache) {
  return moved(MemoryKind::copy, elements * (cache == spec::Dtype::fp8 ? 3 : 4));
}

AttentionWork prompt_work(const Sequences& s, spec::KeysRead window) {
  Batch batch;
  add_prefill(batch, window, s.fresh, s.cached, s.batch);
  return window.bounded() && s.cached + s.fresh > window.width ? batch.window_prefill : batch.prefill;
}

AttentionWork decode_work(const Sequences& s, spec::KeysRead window) {
  const std::int64_t keys = (window.bounded() ? std::min(window.seen(s.cached), s.cached) : s.cached) + s.fresh;
  return {.sequences = s.batch,
          .queries = s.batch * s.fresh,
          .keys = s.batch * keys,
          .longest = keys,
          .pairs = double(s.batch) * double(s.fresh) * double(keys)};
}

// The kernels that no library takes by default where it has others: reported, not fitted.
bool is_fitted(std::string_view kernel) { return kernel != "triton" && kernel != "flashinfer"; }

void name_prompt(Measurement& s, const Kernel& kernel) {
  s.groups.push_back(flops_of(kernel).v >= kLargePrompt ? "from 0.01 TFLOP" : "smaller");
}
}  // namespace

KernelTable read_attention(const TableFile& table) {
  const formats::CsvTable csv(table.file, {"gpu", "library", "kernel", "batch", "new_tokens", "cached_tokens", "heads",
                                           "kv_heads", "head_dim", "window", "compute", "kv_cache", "time_us"});
  const bool decode = table.kind == "attention_decode";
  RowReader reader(csv);
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    const spec::Dtype compute = format_of(csv, r, "compute"), cache = format_of(csv, r, "kv_cache");
    const auto heads = int(csv.integer(r, "heads", 1, 100'000)), kv_heads = int(csv.integer(r, "kv_heads", 1, heads)),
               width = int(csv.integer(r, "head_dim", 1, 100'000));
    const AttentionHeads h{
        heads > kv_heads ? spec::AttentionKind::gqa : spec::AttentionKind::mha, heads, kv_heads, width, width, false};
    const Sequences sequences = sequences_of(csv, r);
    const std::int64_t named = csv.integer(r, "window", 0, kMostRows);
    const spec::KeysRead window = window_of(csv.text(r, "kernel"), decode, named);
    Measurement s = reader.start(r, decode ? "attention decode" : "attention prefill",
                                 csv.text(r, decode ? "kv_cache" : "compute"));
    s.known = is_fitted(s.library);
    s.shape = fmt::format("{} sequences of {} after {}, {} heads over {} of {}, window {}, cache {}", sequences.batch,
                          sequences.fresh, sequences.cached, heads, kv_heads, width, named, name_of(cache));
    const double fresh = double(sequences.batch * sequences.fresh) * 2 * kv_heads * width;
    s.sequences.push_back({stored(fresh, cache)});
    if (decode) {
      const AttentionDecode kernel{h, decode_work(sequences, window), spec::Dtype::bf16, cache};
      s.walked = double(bytes_of(kernel).v);
      const double whole = double(sequences.batch * (sequences.cached + 1)) * double(cached_token_bytes(h, cache).v);
      s.groups.push_back(named > 0 ? "window" : whole > reader.l2(r) ? "cache over the L2" : "cache in the L2");
      s.sequences[0].push_back(kernel);
    } else {
      const AttentionPrefill kernel{h, prompt_work(sequences, window), compute};
      name_prompt(s, kernel);
      s.walked = 1;  // bound by arithmetic: what the cache holds is not told apart
      s.sequences[0].push_back(kernel);
    }
    reader.finish(r, std::move(s));
  }
  return reader.take();
}

// MLA: prompts on expanded heads of 192 / 128, decoding on the latent of 512 + 64.
KernelTable read_latent_attention(const TableFile& table) {
  const formats::CsvTable csv(
      table.file, {"gpu", "library", "kernel", "batch", "new_tokens", "cached_tokens", "heads", "kv_cache", "time_us"});
  const bool decode = table.kind == "mla_decode_core";
  RowReader reader(csv);
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    const spec::Dtype cache = format_of(csv, r, "kv_cache");
    const auto heads = int(csv.integer(r, "heads", 1, 100'000));
    const Sequences sequences = sequences_of(csv, r);
    Measurement s = reader.start(r, decode ? "mla decode core" : "mla prefill core", csv.text(r, "kv_cache"));
    s.shape =
        fmt::format("{} sequences of {} after {}, {} heads", sequences.batch, sequences.fresh, sequences.cached, heads);
    const double tokens = double(sequences.batch * sequences.fresh);
    if (decode) {
      const AttentionHeads h{spec::AttentionKind::mla, heads, 1, 576, 512, true};
      const AttentionDecode kernel{h, decode_work(sequences, {}), spec::Dtype::bf16, cache};
      s.walked = double(bytes_of(kernel).v);
      const double whole = double(sequences.batch * (sequences.cached + 1)) * double(cached_token_bytes(h, cache).v);
      s.groups.push_back(whole > reader.l2(r) ? "cache over the L2" : "cache in the L2");
      s.sequences.push_back({stored(tokens * 576, cache), kernel});
    } else {
      const AttentionHeads h{spec::AttentionKind::mla, heads, heads, 192, 128, false};
      const AttentionPrefill kernel{h, prompt_work(sequences, {}), cache};
      name_prompt(s, kernel);
      s.walked = 1;
      s.sequences.push_back({stored(tokens * heads * (192 + 128), cache), kernel});
    }
    reader.finish(r, std::move(s));
  }
  return reader.take();
}
}  // namespace moesim::compute
