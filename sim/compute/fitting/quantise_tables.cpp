// Tables of quantising kernels, BF16 to FP8: columns gpu, library, rows, cols, static_us (one scale, given) and
// dynamic_us (a scale a row, found first; may be empty).
#include <fmt/format.h>

#include "compute/fitting/measured_rows.h"

namespace moesim::compute {
KernelTable read_quantising(const TableFile& table) {
  constexpr double kLarge = 1e6;                              // bytes from which the time is no matter of launches
  constexpr double kBeyondCaches = 60e6;                      // bytes
  constexpr std::int64_t kNarrowest = 2048, kWidest = 16384;  // of models' activations
  const formats::CsvTable csv(table.file, {"gpu", "library", "rows", "cols", "static_us", "dynamic_us"});
  RowReader reader(csv);
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    const std::int64_t rows = csv.integer(r, "rows", 1, kMostRows), columns = csv.integer(r, "cols", 1, kMostRows);
    for (const auto& [way, time] : {std::pair("static", "static_us"), std::pair("dynamic", "dynamic_us")}) {
      if (csv.text(r, time).empty()) continue;
      Measurement s = reader.start(r, "quantise", way, csv.text(r, "library"), time);
      s.shape = fmt::format("{} x {}, {}", rows, columns, way);
      const double bytes = double(rows) * double(columns) * 3;
      // A block of threads takes a row: narrow ones are too little for it, of wide ones it keeps too much.  Rates show
      // where neither launches nor caches do.
      const bool usual = columns >= kNarrowest && columns <= kWidest;
      s.known = usual && bytes > kBeyondCaches;
      s.groups.push_back(!usual ? "other widths" : s.known ? "over 60 MB" : bytes > kLarge ? "over 1 MB" : "smaller");
      s.bench = "quantise";
      // A given scale needs no look at the data before: such rows tell of what streams.
      s.sequences.push_back({moved(way == std::string_view("static") ? MemoryKind::copy : MemoryKind::cast, bytes)});
      reader.finish(r, std::move(s));
    }
  }
  return reader.take();
}
}  // namespace moesim::compute
