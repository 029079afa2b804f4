#include "compute/fitting/measurements.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "compute/fitting/expert_loads.h"
#include "compute/fitting/measured_rows.h"
#include "core/random.h"
#include "formats/csv.h"

namespace moesim::compute {
namespace {
constexpr std::int64_t kMost = 10'000'000;  // of sizes in a table: no product overflows

MemoryOp move(MemoryKind kind, double bytes) { return {kind, Bytes{std::int64_t(bytes)}, is_tuned_for_serving(kind)}; }

std::vector<std::int64_t> uniform_rows(const ExpertShape& s, bool decode) {
  const std::int64_t each = s.tokens * s.top_k / s.experts;
  if (!decode) {  // packed without padding: each tile of 128 rows is computed with one expert's weights
    const std::int64_t tiles = (each * s.local() + 127) / 128;
    if (each % 128 == 0) return std::vector<std::int64_t>(std::size_t(s.local()), each);
    return std::vector<std::int64_t>(std::size_t(tiles), 128);
  }
  if (each > 0) return std::vector<std::int64_t>(std::size_t(s.local()), each);
  std::vector<std::int64_t> rows(std::size_t(s.local()), 0);
  for (std::int64_t i = 0; i < s.tokens * s.top_k / s.groups; ++i) rows[std::size_t(i)] = 1;
  return rows;
}

GroupedGemm grouped(std::span<const std::int64_t> rows, std::int64_t n, std::int64_t k, GroupLayout layout) {
  return {.rows = rows, .n = n, .k = k, .dtype = spec::Dtype::fp8, .layout = layout};
}

std::vector<Kernel> decode_sequence(const ExpertShape& s, std::span<const std::int64_t> rows) {
  const double sum = double(group_rows(rows).rows);
  return {grouped(rows, 2 * s.width, s.hidden, GroupLayout::masked),
          move(MemoryKind::swiglu, sum * double(s.width) * 5.03),
          grouped(rows, s.hidden, s.width, GroupLayout::masked)};
}

// Every token of the group is read, those chosen here written in expert order; product, activation, cast, product, and
// the weighted sum of rows for all of the group's tokens.  Before each product the scales are copied column by column.
std::vector<Kernel> prefill_sequence(const ExpertShape& s, std::span<const std::int64_t> rows, double chosen) {
  const double sum = double(group_rows(rows).rows), width = double(s.width), hidden = double(s.hidden);
  const double tokens = double(s.tokens);
  return {move(MemoryKind::permute, (tokens + chosen) * hidden * 1.03 + tokens * double(s.top_k) * 4),
          move(MemoryKind::copy, sum * hidden / 128 * 8),
          grouped(rows, 2 * s.width, s.hidden, GroupLayout::contiguous),
          move(MemoryKind::swiglu, sum * width * 6),
          move(MemoryKind::cast, sum * width * 3.03),
          move(MemoryKind::copy, sum * width / 128 * 8),
          grouped(rows, s.hidden, s.width, GroupLayout::contiguous),
          move(MemoryKind::unpermute, (chosen + tokens) * hidden * 2)};
}
}  // namespace

std::vector<Measurement> read_gemm_table(const std::string& file) {
  const formats::CsvTable csv(file, {"layout", "groups", "m_per_group", "n", "k", "tflops"});
  std::vector<Measurement> out;
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    const std::int64_t groups = csv.integer(r, "groups", 1, kMostExperts), m = csv.integer(r, "m_per_group", 1, kMost),
                       n = csv.integer(r, "n", 1, kMost), k = csv.integer(r, "k", 1, kMost);
    if (!(csv.number(r, "tflops") > 0)) csv.fail(r, "tflops: expected a rate above 0");
    const std::string layout(csv.text(r, "layout"));
    Measurement s;
    s.kind = s.bench = layout == "dense" ? "gemm" : layout;
    s.group = "uniform";
    s.seconds = 2.0 * double(groups * m) * double(n * k) / (csv.number(r, "tflops") * 1e12);
    s.shape = fmt::format("{} x {} x {} x {}", groups, m, n, k);
    if (layout == "dense") {
      s.sequences = {{Gemm{.m = m, .n = n, .k = k, .dtype = spec::Dtype::fp8}}};
    } else if (layout == "contiguous" || layout == "masked") {
      s.rows = {std::vector<std::int64_t>(std::size_t(groups), m)};
      s.sequences = {{grouped(s.rows[0], n, k, layout == "masked" ? GroupLayout::masked : GroupLayout::contiguous)}};
    } else {
      csv.fail(r, "layout: expected dense, contiguous or masked, got \"" + layout + "\"");
    }
    out.push_back(std::move(s));
  }
  return out;
}

namespace {
/// What one collection of tables calls its columns, and the unit of its times.
struct ExpertColumns {
  std::string_view tokens, hidden, width, experts, top_k, groups, law, time;
  double unit;
};
constexpr ExpertColumns kPublishedExperts{"num_tokens",  "hidden_size",  "inter_size", "num_experts", "topk",
                                          "moe_ep_size", "distribution", "latency",    1e-3};
constexpr ExpertColumns kFolderExperts{"tokens", "hidden", "width", "experts", "top_k", "ep", "load", "time_us", 1e-6};
struct MlaColumns {
  std::string_view library, heads, batch, length, time;
  double unit;
};
constexpr MlaColumns kPublishedMla{"kernel_source", "num_heads", "batch_size", "isl", "latency", 1e-3};
constexpr MlaColumns kFolderMla{"kernel", "heads", "batch", "tokens", "time_us", 1e-6};
/// Whose times a table holds: of the GPU in its column, of a named one, or (neither) of one that the caller knows.
struct MeasuredGpu {
  std::string name;
  bool in_column = false;
  void note(const formats::CsvTable& csv, std::size_t r, Measurement& s) const {
    if (!in_column && name.empty()) return;
    const spec::Gpu gpu = load_measured_gpu(csv, r, in_column ? csv.text(r, "gpu") : std::string_view(name));
    s.gpu = gpu.name;
    check_rates(csv, r, gpu, s);
  }
};

double positive_time(const formats::CsvTable& csv, std::size_t r, std::string_view column, double unit) {
  const double seconds = csv.number(r, column) * unit;
  if (!(seconds > 0)) csv.fail(r, fmt::format("{}: expected a time above 0", column));
  return seconds;
}

ExpertShape expert_shape(const formats::CsvTable& csv, std::size_t r, const ExpertColumns& c) {
  ExpertShape s{};
  s.tokens = csv.integer(r, c.tokens, 1, kMost);
  s.hidden = csv.integer(r, c.hidden, 1, kMost);
  s.width = csv.integer(r, c.width, 1, kMost);
  s.experts = csv.integer(r, c.experts, 1, kMostExperts);
  s.top_k = csv.integer(r, c.top_k, 1, s.experts);
  s.groups = csv.integer(r, c.groups, 1, s.experts);
  if (s.experts % s.groups != 0)
    csv.fail(r, fmt::format("{}: must divide the {} experts, got {}", c.groups, s.experts, s.groups));
  return s;
}

std::vector<Measurement> read_experts(const std::string& file, const ExpertColumns& columns, bool decode, int draws,
                                      std::uint64_t seed, const MeasuredGpu& gpu) {
  std::vector<std::string_view> names{columns.tokens,  columns.hidden, columns.width, columns.top_k,
                                      columns.experts, columns.groups, columns.law,   columns.time};
  if (gpu.in_column) names.push_back("gpu");
  const formats::CsvTable csv(file, names);
  std::vector<Measurement> out;
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    const ExpertShape s = expert_shape(csv, r, columns);
    const std::string law(csv.text(r, columns.law));
    Measurement sample;
    sample.kind = sample.bench = decode ? "expert decode" : "expert prefill";
    sample.experts = double(s.local());
    sample.repeats = decode ? 1 : 13;
    sample.group = "uniform";
    sample.seconds = positive_time(csv, r, columns.time, columns.unit);
    sample.shape = fmt::format("{} tokens over {} GPUs, {}", s.tokens, s.groups, law);
    sample.harness = decode ? Harness::graph : Harness::eager;
    std::vector<double> chosen;
    if (law == "uniform") {
      sample.rows = {uniform_rows(s, decode)};
      chosen = {double(s.tokens * s.top_k) / double(s.groups)};
    } else if (law.starts_with("power_law_")) {
      sample.known = s.tokens * s.top_k > s.experts;
      sample.group = sample.known ? "power law" : "power law, < 1 row";
      sample.repeats *= 5;  // draws, one after the other
      Random random(seed, sample.shape);
      for (int i = 0; i < draws; ++i) {
        std::vector<std::int64_t> rows =
            most_loaded(draw_power_law(s, law_exponent(csv, r, columns.law), random), s.local());
        chosen.push_back(double(group_rows(rows).rows));
        if (!decode)
          for (std::int64_t& x : rows) x = (x + 127) / 128 * 128;
        sample.rows.push_back(std::move(rows));
      }
    } else {
      csv.fail(r, fmt::format("{}: expected uniform or power_law_ALPHA, got \"{}\"", columns.law, law));
    }
    for (std::size_t i = 0; i < sample.rows.size(); ++i)
      sample.sequences.push_back(decode ? decode_sequence(s, sample.rows[i])
                                        : prefill_sequence(s, sample.rows[i], chosen[i]));
    sample.library = "deepep_moe", sample.precision = "fp8_block", sample.groups = {sample.group};
    gpu.note(csv, r, sample);
    out.push_back(std::move(sample));
  }
  return out;
}

namespace {
struct MlaShape {
  std::int64_t heads, batch, length;
  bool operator==(const MlaShape&) const = default;
};
// A row waited for its host if it took longer than one of the same heads with as many or more sequences, as long or
// longer (the GPU's own time only grows), or, where launching takes longer than the libraries differ, than the same
// shape under the other library.
void forget_stalls(std::vector<Measurement>& rows, const std::vector<MlaShape>& shapes) {
  constexpr double kNoise = 1.1, kLaunching = 3e-3;
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t j = 0; j < rows.size(); ++j)
      if ((rows[i].group == rows[j].group || (shapes[i] == shapes[j] && rows[i].seconds < kLaunching)) &&
          shapes[i].heads == shapes[j].heads && shapes[i].batch <= shapes[j].batch &&
          shapes[i].length <= shapes[j].length && rows[i].seconds > kNoise * rows[j].seconds)
        rows[i].known = false;
}
}  // namespace

std::vector<Measurement> read_mla(const std::string& file, const MlaColumns& columns, bool decode,
                                  const MeasuredGpu& gpu) {
  constexpr std::int64_t kHidden = 7168, kQ = 1536, kRank = 512, kRope = 64, kNope = 128, kV = 128;
  std::vector<std::string_view> names{columns.library, columns.heads, columns.batch, columns.length, columns.time};
  if (gpu.in_column) names.push_back("gpu");
  const formats::CsvTable csv(file, names);
  std::vector<Measurement> out;
  std::vector<MlaShape> shapes;
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    const std::int64_t heads = csv.integer(r, columns.heads, 1, kMostExperts),
                       batch = csv.integer(r, columns.batch, 1, kMost),
                       length = csv.integer(r, columns.length, 1, kMost), tokens = decode ? batch : batch * length;
    Measurement s;
    s.kind = decode ? "mla decode" : "mla prefill";
    s.group = csv.text(r, columns.library);
    s.seconds = positive_time(csv, r, columns.time, columns.unit);
    s.harness = decode ? Harness::graph : Harness::eager;
    s.bench = s.kind + ", " + s.group;
    s.sequences_in_batch = double(batch);
    s.repeats = decode ? 1 : 13;
    s.shape = fmt::format("{} heads, {} sequences of {}, {}", heads, batch, length, s.group);
    const auto fp8 = [&](std::int64_t n, std::int64_t k) {
      return Gemm{.m = tokens, .n = n, .k = k, .dtype = spec::Dtype::fp8};
    };
    const double t = double(tokens), h = double(heads);
    std::vector<Kernel> list{move(MemoryKind::copy, t * double(kQ + kRank + kRope) * 2),
                             move(MemoryKind::norm, t * double(kQ + kRank) * 4),
                             move(MemoryKind::cast, t * double(kQ) * 3.03), fp8(heads * (kNope + kRope), kQ)};
    const AttentionWork work{batch, tokens, decode ? batch * (length + 1) : tokens, decode ? length + 1 : length,
                             decode ? double(batch * (length + 1)) : double(batch) * double(length * length) / 2};
    if (decode) {
      const int n = int(heads);
      list.push_back(Gemm{.m = batch, .n = kRank, .k = kNope, .batch = heads});
      list.push_back(move(MemoryKind::rope, t * (h + 1) * double(kRope) * 4));
      list.push_back(move(MemoryKind::copy, t * double(kRank + kRope) * 4));
      list.push_back(AttentionDecode{{spec::AttentionKind::mla, n, 1, int(kRank + kRope), int(kRank), true}, work});
      list.push_back(Gemm{.m = batch, .n = kV, .k = kRank, .batch = heads});
    } else {
      list.push_back(move(MemoryKind::cast, t * double(kRank) * 3.03));
      list.push_back(fp8(heads * (kNope + kV), kRank));
      list.push_back(move(MemoryKind::rope, t * (h + 1) * double(kRope) * 4));
      list.push_back(move(MemoryKind::copy, t * h * double(2 * kNope + 2 * kRope) * 2));
      list.push_back(move(MemoryKind::copy, t * double(kRank + kRope) * 4));
      const int n = int(heads);
      list.push_back(AttentionPrefill{{spec::AttentionKind::mla, n, n, int(kNope + kRope), int(kV), false}, work});
    }
    list.push_back(move(MemoryKind::cast, t * h * double(kV) * 3.03));
    list.push_back(fp8(kHidden, heads * kV));
    s.sequences.push_back(std::move(list));
    s.library = s.group, s.precision = "fp8_block",
    s.groups = {tokens > kFewTokens ? "over 64 tokens" : "fewer tokens"};
    gpu.note(csv, r, s);
    out.push_back(std::move(s));
    shapes.push_back({heads, batch, length});
  }
  if (!decode) forget_stalls(out, shapes);
  return out;
}

}  // namespace

std::vector<Measurement> read_expert_table(const std::string& file, bool decode, int draws, std::uint64_t seed,
                                           const std::string& gpu) {
  return read_experts(file, kPublishedExperts, decode, draws, seed, {gpu, false});
}
std::vector<Measurement> read_wide_expert_table(const std::string& file, bool decode, int draws, std::uint64_t seed) {
  return read_experts(file, kFolderExperts, decode, draws, seed, {"", true});
}
std::vector<Measurement> read_mla_table(const std::string& file, bool decode, const std::string& gpu) {
  return read_mla(file, kPublishedMla, decode, {gpu, false});
}
std::vector<Measurement> read_wide_mla_table(const std::string& file, bool decode) {
  return read_mla(file, kFolderMla, decode, {"", true});
}

void hold_out(std::vector<Measurement>& measurements, std::uint64_t seed) {
  std::map<std::string, std::vector<Measurement*>> kinds;
  for (Measurement& s : measurements) kinds[s.kind].push_back(&s);
  for (auto& [kind, rows] : kinds) {
    Random random(seed, "held-out rows of " + kind);
    random.shuffle(std::span(rows));
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i]->fold = int(i % kFolds);
  }
}
}  // namespace moesim::compute
