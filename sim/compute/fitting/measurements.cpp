#include "compute/fitting/measurements.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "core/random.h"
#include "formats/csv.h"

namespace moesim::compute {
namespace {
constexpr std::int64_t kMost = 10'000'000, kMostExperts = 100'000;  // of sizes in a table: no product overflows

MemoryOp move(MemoryKind kind, double bytes) { return {kind, Bytes{std::int64_t(bytes)}, is_tuned_for_serving(kind)}; }

struct ExpertShape {
  std::int64_t tokens, hidden, width, top_k, experts, groups;
  std::int64_t local() const { return experts / groups; }
};

// Rows of each expert under the benchmark's power law: shares x^-alpha drawn between two bounds, scaled to all rows.
std::vector<std::int64_t> draw_power_law(const ExpertShape& s, double alpha, Random& random) {
  const bool many = s.tokens * s.top_k > s.experts;
  const double low = many ? 1 : 0.01, high = many ? double(s.tokens) * 0.8 : 2, power = 1 - alpha;
  const auto n = std::size_t(s.experts);
  std::vector<double> weight(n);
  double sum = 0;
  for (double& w : weight) {
    w = std::pow((std::pow(high, power) - std::pow(low, power)) * random.uniform() + std::pow(low, power), 1 / power);
    sum += w;
  }
  std::vector<std::int64_t> rows(n);
  std::int64_t missing = s.tokens * s.top_k;
  for (std::size_t i = 0; i < n; ++i) missing -= rows[i] = std::llround(weight[i] / sum * double(s.tokens * s.top_k));
  // Rounding is made good at the ends: rows are added to the fullest experts and taken from the emptiest, equal ones in
  // any order.
  std::vector<std::size_t> order(n);
  for (std::size_t i = 0; i < n; ++i) order[i] = i;
  random.shuffle(std::span(order));
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return rows[a] > rows[b]; });
  for (std::size_t i = 0; missing > 0; ++i, --missing) ++rows[order[i % n]];
  for (std::size_t i = 0; missing < 0; ++i, ++missing) {
    std::int64_t& emptiest = rows[order[n - 1 - i % n]];
    --(emptiest > 0 ? emptiest : rows[order[0]]);
  }
  return rows;
}

// The local experts of the group member with most rows.
std::vector<std::int64_t> most_loaded(const std::vector<std::int64_t>& rows, std::int64_t local) {
  std::size_t best = 0;
  std::int64_t most = -1;
  for (std::size_t first = 0; first < rows.size(); first += std::size_t(local)) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < std::size_t(local); ++i) sum += rows[first + i];
    if (sum > most) most = sum, best = first;
  }
  return {rows.begin() + std::ptrdiff_t(best), rows.begin() + std::ptrdiff_t(best) + local};
}

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
ExpertShape expert_shape(const formats::CsvTable& csv, std::size_t r) {
  ExpertShape s{};
  s.tokens = csv.integer(r, "num_tokens", 1, kMost);
  s.hidden = csv.integer(r, "hidden_size", 1, kMost);
  s.width = csv.integer(r, "inter_size", 1, kMost);
  s.experts = csv.integer(r, "num_experts", 1, kMostExperts);
  s.top_k = csv.integer(r, "topk", 1, s.experts);
  s.groups = csv.integer(r, "moe_ep_size", 1, s.experts);
  if (s.experts % s.groups != 0)
    csv.fail(r, fmt::format("moe_ep_size: must divide the {} experts, got {}", s.experts, s.groups));
  return s;
}

/// The exponent of "power_law_1.2".
double alpha_of(const formats::CsvTable& csv, std::size_t r, std::string_view law) {
  const std::string_view text = law.substr(law.rfind('_') + 1);
  double out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  constexpr double kSteepest = 10;  // beyond, all rows go to one expert
  if (error != std::errc{} || end != text.data() + text.size() || !(out > 0 && out <= kSteepest) || out == 1)
    csv.fail(r, fmt::format("distribution: expected power_law_ALPHA, ALPHA above 0, at most {} and not 1, got \"{}\"",
                            kSteepest, law));
  return out;
}
}  // namespace

std::vector<Measurement> read_expert_table(const std::string& file, bool decode, int draws, std::uint64_t seed) {
  const formats::CsvTable csv(file, {"num_tokens", "hidden_size", "inter_size", "topk", "num_experts", "moe_ep_size",
                                     "distribution", "latency"});
  std::vector<Measurement> out;
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    const ExpertShape s = expert_shape(csv, r);
    const std::string law(csv.text(r, "distribution"));
    Measurement sample;
    sample.kind = sample.bench = decode ? "expert decode" : "expert prefill";
    sample.experts = double(s.local());
    sample.repeats = decode ? 1 : 13;
    sample.group = "uniform";
    sample.seconds = csv.number(r, "latency") * 1e-3;
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
        std::vector<std::int64_t> rows = most_loaded(draw_power_law(s, alpha_of(csv, r, law), random), s.local());
        chosen.push_back(double(group_rows(rows).rows));
        if (!decode)
          for (std::int64_t& x : rows) x = (x + 127) / 128 * 128;
        sample.rows.push_back(std::move(rows));
      }
    } else {
      csv.fail(r, "distribution: expected uniform or power_law_ALPHA, got \"" + law + "\"");
    }
    for (std::size_t i = 0; i < sample.rows.size(); ++i)
      sample.sequences.push_back(decode ? decode_sequence(s, sample.rows[i])
                                        : prefill_sequence(s, sample.rows[i], chosen[i]));
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

std::vector<Measurement> read_mla_table(const std::string& file, bool decode) {
  constexpr std::int64_t kHidden = 7168, kQ = 1536, kRank = 512, kRope = 64, kNope = 128, kV = 128;
  const formats::CsvTable csv(file, {"kernel_source", "num_heads", "batch_size", "isl", "latency"});
  std::vector<Measurement> out;
  std::vector<MlaShape> shapes;
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    const std::int64_t heads = csv.integer(r, "num_heads", 1, kMostExperts),
                       batch = csv.integer(r, "batch_size", 1, kMost), length = csv.integer(r, "isl", 1, kMost),
                       tokens = decode ? batch : batch * length;
    Measurement s;
    s.kind = decode ? "mla decode" : "mla prefill";
    s.group = csv.text(r, "kernel_source");
    s.seconds = csv.number(r, "latency") * 1e-3;
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
    out.push_back(std::move(s));
    shapes.push_back({heads, batch, length});
  }
  if (!decode) forget_stalls(out, shapes);
  return out;
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
