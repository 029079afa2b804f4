// Tables of fused expert layers on one GPU: columns gpu, library, kernel, precision, tokens, hidden, width, top_k,
// experts, tp, ep, load, time_us.  A row times everything from hidden states to hidden states: choosing experts,
// sorting rows, both products, activation, weighted sum.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "compute/fitting/expert_loads.h"
#include "compute/fitting/measured_rows.h"
#include "core/elementary.h"

namespace moesim::compute {
namespace {

struct ExpertPrecision {
  std::string_view name;
  spec::Dtype dtype;
  std::optional<spec::Dtype> weights;
  Scales scales = Scales::blocks;
};
constexpr ExpertPrecision kExpertPrecisions[] = {{"bfloat16", spec::Dtype::bf16, {}},
                                                 {"fp8_block", spec::Dtype::fp8, {}},
                                                 {"fp8", spec::Dtype::fp8, {}, Scales::tokens},
                                                 {"nvfp4", spec::Dtype::nvfp4, {}},
                                                 {"w4a8_mxfp4_mxfp8", spec::Dtype::fp8, spec::Dtype::fp4},
                                                 {"w4a16_mxfp4", spec::Dtype::bf16, spec::Dtype::fp4},
                                                 {"int4_wo", spec::Dtype::bf16, spec::Dtype::int4}};

const ExpertPrecision& precision_of(const formats::CsvTable& csv, std::size_t r) {
  const std::string_view name = csv.text(r, "precision");
  std::string known;
  for (const ExpertPrecision& f : kExpertPrecisions) {
    if (f.name == name) return f;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", f.name);
  }
  csv.fail(r, fmt::format("precision: expected one of {}, got \"{}\"", known, name));
}

// By words in the kernel's name: the first that fits.
constexpr std::pair<std::string_view, ExpertLibrary> kLibraries[] = {
    {"marlin", ExpertLibrary::marlin},          {"trtllm", ExpertLibrary::trtllm},
    {"min_latency", ExpertLibrary::trtllm},     {"triton", ExpertLibrary::triton},
    {"deep_gemm", ExpertLibrary::deep_gemm},    {"cutlass", ExpertLibrary::cutlass},
    {"moe_torch_flow", ExpertLibrary::cutlass}, {"wideep_moe", ExpertLibrary::cutlass}};
ExpertLibrary library_of(RowReader& reader, const formats::CsvTable& csv, std::size_t r, std::string_view kernel) {
  for (const auto& [word, library] : kLibraries) {
    if (kernel.find(word) == std::string_view::npos) continue;
    if (!reader.has(r, library))
      csv.fail(r, fmt::format("kernel: \"{}\": no products of {} on {}", kernel, name_of(library), reader.gpu(r).name));
    return library;
  }
  csv.fail(r, fmt::format("kernel: \"{}\" names no library: marlin, trtllm, triton, deep_gemm, cutlass", kernel));
}

struct Layer {
  ExpertShape shape;
  ExpertPrecision format;
};

// Tokens choose each expert once: what a draw gives an expert beyond one row a token goes to those with least.
void cap_rows(std::vector<std::int64_t>& rows, std::int64_t tokens) {
  std::int64_t over = 0;
  for (std::int64_t& r : rows) over += std::max<std::int64_t>(r - tokens, 0), r = std::min(r, tokens);
  for (; over > 0; --over) ++*std::ranges::min_element(rows);
}

// Rows of this GPU's experts, spread evenly over all: within one of the mean, or one row each for as many as there are.
std::vector<std::int64_t> even_rows(const ExpertShape& s) {
  const std::int64_t all = s.tokens * s.top_k, each = all / s.experts, more = all % s.experts;
  const std::int64_t more_here = (more + s.groups - 1) / s.groups;
  std::vector<std::int64_t> out(std::size_t(s.local()), each);
  for (std::int64_t i = 0; i < std::min(more_here, s.local()); ++i) ++out[std::size_t(i)];
  return out;
}

// Choosing the experts of all tokens; the rows of those held here, through both products and back.
std::vector<Kernel> layer_kernels(const Layer& l, std::span<const std::int64_t> rows) {
  const ExpertShape& s = l.shape;
  const double sum = double(group_rows(rows).rows), hidden = double(s.hidden), width = double(s.width);
  const double moved_width = spec::element_bytes(l.format.dtype);
  const bool scaled = spec::block_scaled(l.format.dtype);  // all of the group's tokens are quantised first
  const auto grouped = [&](std::int64_t n, std::int64_t k) {
    return GroupedGemm{.rows = rows,
                       .n = n,
                       .k = k,
                       .dtype = l.format.dtype,
                       .layout = GroupLayout::masked,
                       .weights = l.format.weights,
                       .scales = l.format.scales};
  };
  return {SmallChain{4, true},  // scores and ids, then rows sorted into tiles
          moved(MemoryKind::top_k, double(s.tokens * s.experts) * 4),
          moved(MemoryKind::cast, scaled ? double(s.tokens) * hidden * (2 + moved_width) : 0),
          moved(MemoryKind::permute, sum * hidden * 2 * moved_width),
          grouped(2 * s.width, s.hidden),
          moved(MemoryKind::swiglu, sum * width * (4 + moved_width)),
          grouped(s.hidden, s.width),
          moved(MemoryKind::unpermute, (sum + double(s.tokens)) * hidden * 2)};
}

void set_loads(Measurement& s, const formats::CsvTable& csv, std::size_t r, const ExpertShape& shape) {
  const std::string_view law = csv.text(r, "load");
  if (law == "balanced" || law.ends_with("_eplb")) {  // copies of hot experts even the loads out
    s.rows = {even_rows(shape)};
  } else if (law.starts_with("power_law_")) {
    const double alpha = law_exponent(csv, r, "load");
    Random random(1, s.shape);
    for (int i = 0; i < kDraws; ++i) {
      std::vector<std::int64_t> rows = draw_power_law(shape, alpha, random);
      cap_rows(rows, shape.tokens);
      s.rows.push_back(most_loaded(rows, shape.local()));
    }
  } else {
    csv.fail(r, fmt::format("load: expected balanced or power_law_ALPHA, got \"{}\"", law));
  }
}

void finish(RowReader& reader, std::size_t r, Measurement s, const Layer& l) {
  double walked = 0;
  for (const std::vector<std::int64_t>& rows : s.rows) {
    s.sequences.push_back(layer_kernels(l, rows));
    for (const Kernel& kernel : s.sequences.back())
      if (std::holds_alternative<GroupedGemm>(kernel)) walked += double(bytes_of(kernel).v);
  }
  s.bench = fmt::format("expert layer {} {}", s.library, s.precision);
  s.repeats = int(20 * s.rows.size());  // the benchmark's draws, one after the other
  s.walked = walked / double(s.rows.size());
  s.groups.push_back(!s.known ? "choice unknown" : l.shape.tokens > kFewTokens ? "over 64 tokens" : "fewer tokens");
  reader.finish(r, std::move(s));
}

ExpertShape shape_of(const formats::CsvTable& csv, std::size_t r, std::string_view experts_column) {
  ExpertShape s{};
  s.tokens = csv.integer(r, "tokens", 1, kMostRows);
  s.hidden = csv.integer(r, "hidden", 1, kMostRows);
  s.width = csv.integer(r, "width", 1, kMostRows);
  s.experts = csv.integer(r, experts_column, 1, kMostExperts);
  s.top_k = csv.integer(r, "top_k", 1, s.experts);
  s.groups = csv.integer(r, "ep", 1, s.experts);
  if (s.experts % s.groups != 0)
    csv.fail(r, fmt::format("ep: must divide the {} experts, got {}", s.experts, s.groups));
  return s;
}
}  // namespace

KernelTable read_expert_layers(const TableFile& table) {
  // DeepSeek's experts: a grouped gate, under whose even scores few experts are chosen.
  constexpr std::int64_t kGrouped = 256;
  const formats::CsvTable csv(table.file, {"gpu", "library", "kernel", "precision", "tokens", "hidden", "width",
                                           "top_k", "experts", "tp", "ep", "load", "time_us"});
  RowReader reader(csv);
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    Layer l{shape_of(csv, r, "experts"), precision_of(csv, r)};
    const std::int64_t tp = csv.integer(r, "tp", 1, l.shape.width);
    if (l.shape.width % tp != 0) csv.fail(r, fmt::format("tp: must divide the width {}, got {}", l.shape.width, tp));
    Measurement s = reader.start(r, "expert layer", csv.text(r, "precision"));
    s.shape = fmt::format("{} tokens, {} of {} experts of {} x {}, tp {}, ep {}, {}", l.shape.tokens, l.shape.top_k,
                          l.shape.experts, l.shape.hidden, l.shape.width, tp, l.shape.groups, csv.text(r, "load"));
    s.expert_library = library_of(reader, csv, r, s.library);
    l.shape.width /= tp;
    if (l.shape.experts == kGrouped)
      s.experts = double(l.shape.tokens * l.shape.experts) * 1e-6;  // scores, in millions
    s.known = l.shape.experts != kGrouped || l.shape.tokens > kFewTokens || csv.text(r, "load") != "balanced";
    set_loads(s, csv, r, l.shape);
    finish(reader, r, std::move(s), l);
  }
  return reader.take();
}

// The experts of GPU 0 of a wide group: `rank0_tokens` tokens chose one of them or more.  Copies of an expert (slots)
// share its rows.
KernelTable read_wide_fp4_experts(const TableFile& table) {
  const formats::CsvTable csv(table.file, {"gpu", "library", "op", "tokens", "rank0_tokens", "hidden", "width", "top_k",
                                           "experts", "slots", "ep", "load", "time_us"});
  RowReader reader(csv);
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    Layer l{shape_of(csv, r, "slots"), kExpertPrecisions[3]};
    const std::int64_t here = csv.integer(r, "rank0_tokens", 0, l.shape.tokens),
                       experts = csv.integer(r, "experts", 1, l.shape.experts);
    Measurement s = reader.start(r, "wide expert layer", "nvfp4", csv.text(r, "op"), "time_us");
    s.shape = fmt::format("{} tokens, {} here, {} of {} experts in {} slots of {} x {}, ep {}, {}", l.shape.tokens,
                          here, l.shape.top_k, experts, l.shape.experts, l.shape.hidden, l.shape.width, l.shape.groups,
                          csv.text(r, "load"));
    s.expert_library = library_of(reader, csv, r, s.library);
    const double chance = 1 - pow_of(1 - 1 / double(l.shape.groups), double(l.shape.top_k));
    const double picks = double(l.shape.top_k) / double(l.shape.groups) / chance;  // of a token with any here
    ExpertShape mine = l.shape;
    mine.tokens = std::max<std::int64_t>(here, 1), mine.experts = l.shape.local(), mine.groups = 1;
    mine.top_k = std::clamp<std::int64_t>(std::llround(picks), 1, mine.experts);
    l.shape.tokens = mine.tokens;
    set_loads(s, csv, r, mine);
    finish(reader, r, std::move(s), l);
  }
  return reader.take();
}
}  // namespace moesim::compute
