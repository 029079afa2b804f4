// Tables of dense products: columns gpu, library, kernel, precision, m, n, k, time_us.
#include <fmt/format.h>

#include "compute/fitting/measured_rows.h"

namespace moesim::compute {
namespace {
constexpr double kFewRows = 64, kNarrow = 3072;  // products that leave most SMs idle
constexpr int kMatrices = 6;                     // weights that the benchmark multiplies with in turn

struct ProductPrecision {
  std::string_view name;
  spec::Dtype dtype;
  Scales scales;
  double weight;  // bytes of one, with its scales
};
// FP8 scaled in 128 x 128 blocks or by token; FP4 in blocks of 16 with a scale of one byte.
constexpr ProductPrecision kProductPrecisions[] = {{"bfloat16", spec::Dtype::bf16, Scales::blocks, 2},
                                                   {"fp8_block", spec::Dtype::fp8, Scales::blocks, 1},
                                                   {"fp8", spec::Dtype::fp8, Scales::tokens, 1},
                                                   {"nvfp4", spec::Dtype::nvfp4, Scales::blocks, 0.5625}};

const ProductPrecision& product_precision(const formats::CsvTable& csv, std::size_t r) {
  const std::string_view name = csv.text(r, "precision");
  for (const ProductPrecision& f : kProductPrecisions)
    if (f.name == name) return f;
  csv.fail(r, fmt::format("precision: expected bfloat16, fp8_block, fp8 or nvfp4, got \"{}\"", name));
}
}  // namespace

KernelTable read_products(const TableFile& table) {
  const formats::CsvTable csv(table.file, {"gpu", "library", "kernel", "precision", "m", "n", "k", "time_us"});
  RowReader reader(csv);
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    const ProductPrecision& format = product_precision(csv, r);
    const Gemm g{.m = csv.integer(r, "m", 1, kMostRows),
                 .n = csv.integer(r, "n", 1, kMostRows),
                 .k = csv.integer(r, "k", 1, kMostRows),
                 .dtype = format.dtype,
                 .scales = format.scales};
    Measurement s = reader.start(r, "product", csv.text(r, "precision"));
    s.shape = fmt::format("{} x {} x {}", g.m, g.n, g.k);
    s.products = ProductLibrary::deep_gemm_2026;
    std::vector<Kernel> list;
    if (format.dtype != spec::Dtype::bf16)  // the activations' quantising is timed with the product
      list.push_back(moved(MemoryKind::cast, double(g.m) * double(g.k) * (2 + format.weight)));
    list.push_back(g);
    const double weights = double(g.n) * double(g.k) * format.weight;
    s.walked = kMatrices * weights;
    const bool few = double(g.m) <= kFewRows && double(g.n) <= kNarrow, from_hbm = s.walked > 4 * reader.l2(r);
    if (from_hbm) s.groups.push_back("weights from HBM");
    if (few) s.groups.push_back("few rows");
    if (!few && !from_hbm) s.groups.push_back("others");
    s.sequences.push_back(std::move(list));
    reader.finish(r, std::move(s));
  }
  return reader.take();
}
}  // namespace moesim::compute
