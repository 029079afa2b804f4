// Plain .npy arrays: expert ids [tokens, layers, top-k], top-1 ids [tokens, layers], loads [layers, experts].
#include <fmt/format.h>

#include <algorithm>

#include "formats/npy.h"
#include "routing/importers/import.h"

namespace moesim::routing {
namespace {
void read_ids(const ImportContext& context) {
  std::vector<formats::ArraySource> arrays;
  for (const std::string& f : context.files) arrays.push_back(formats::npy_array(f));
  RoutedSource s;
  s.name = "NumPy array of expert ids";
  s.file = context.files[0];
  for (const formats::ArraySource& a : arrays) {
    const std::size_t rank = a.shape.size();
    if ((rank != 2 && rank != 3) || !formats::is_integer(a.type) || a.elements() < 1)
      throw ConfigError(fmt::format("{}: expected integers [tokens, layers, top-k] or [tokens, layers], got {} {}",
                                    a.where, name_of(a.type), a.shape_text()));
    const std::int64_t k = rank == 3 ? a.shape[2] : 1;
    if (a.shape[1] > kMostLayers || k > 64)
      throw ConfigError(
          fmt::format("{}: expected up to {} layers and top-64, got {}", a.where, kMostLayers, a.shape_text()));
    if (s.axis_size == 0) s.axis_size = int(a.shape[1]), s.top_k = int(k);
    if (a.shape[1] != s.axis_size || k != s.top_k)
      throw ConfigError(fmt::format("{}: expected [tokens, {}, {}] like {}, got {}", a.where, s.axis_size, s.top_k,
                                    s.file, a.shape_text()));
    s.id_bits = std::min(s.id_bits, formats::element_bytes(a.type) * 8);
  }
  s.zero_is_empty = true;
  s.notes.push_back("the array holds expert ids alone: no token ids, requests, positions or phases");
  s.blocks = [&](const auto& take) {
    TokenBlock b;
    for (std::size_t f = 0; f < arrays.size(); ++f) {
      const formats::ArraySource& a = arrays[f];
      // Gathering a column-major array piece by piece would read it once a piece.
      const std::int64_t fit = block_tokens(s.axis_size, s.top_k), piece = a.row_major() ? fit : 16 * fit;
      for (std::int64_t first = 0; first < a.shape[0]; first += piece) {
        const std::int64_t n = std::min(piece, a.shape[0] - first);
        a.read_integers(first, n, b.ids);
        b.where = fmt::format("{}: tokens from {}", a.where, first);
        b.tokens.assign(std::size_t(n), {std::int32_t(f), -1, -1, -1, TracePhase::prefill, 0});
        take(b);
      }
    }
  };
  import_routing(context, s);
}

void read_loads(const ImportContext& context) {
  CountedSource s;
  s.name = "NumPy array of expert loads";
  s.file = context.files[0];
  s.axis = LayerAxis::open;
  for (const std::string& f : context.files) {
    const formats::ArraySource a = formats::npy_array(f);
    const std::size_t rank = a.shape.size();
    if ((rank != 2 && rank != 3) || a.shape[rank - 2] > kMostLayers || a.shape[rank - 1] > INT16_MAX ||
        a.elements() < 1)
      throw ConfigError(fmt::format("{}: expected loads [layers, experts] or [steps, layers, experts], got {}", a.where,
                                    a.shape_text()));
    if (s.experts == 0) s.axis_size = int(a.shape[rank - 2]), s.experts = int(a.shape[rank - 1]);
    if (a.shape[rank - 2] != s.axis_size || a.shape[rank - 1] != s.experts)
      throw ConfigError(fmt::format("{}: expected [{}, {}] like {}, got {}", a.where, s.axis_size, s.experts, s.file,
                                    a.shape_text()));
    std::vector<double> all;
    a.read_reals(0, a.shape[0], all);
    const std::size_t size = std::size_t(s.axis_size) * std::size_t(s.experts);
    for (std::size_t at = 0; at < all.size(); at += size)
      s.passes.push_back({{all.begin() + std::ptrdiff_t(at), all.begin() + std::ptrdiff_t(at + size)}});
  }
  import_counts(context, s);
}

/// Loads: floats, or a matrix with more columns (experts) than rows (layers).  Top-1 ids have more tokens than layers.
bool is_loads(const std::string& file) {
  const formats::ArraySource a = formats::npy_array(file);
  return !formats::is_integer(a.type) || (a.shape.size() == 2 && a.shape[0] <= a.shape[1]);
}
bool recognise_ids(const std::string& file, std::string_view head) { return formats::is_npy(head) && !is_loads(file); }
bool recognise_loads(const std::string& file, std::string_view head) { return formats::is_npy(head) && is_loads(file); }
}  // namespace

Importer npy_importer() {
  return {"npy", "expert ids [tokens, layers, top-k], or top-1 ids [tokens, layers] as ExFlow writes them (.npy)",
          recognise_ids, read_ids};
}
Importer npy_loads_importer() {
  return {"npy-loads", "tokens by expert [layers, experts] or [steps, layers, experts] (.npy)", recognise_loads,
          read_loads};
}
}  // namespace moesim::routing
