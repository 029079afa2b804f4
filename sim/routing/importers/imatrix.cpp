// llama.cpp importance matrices (GGUF): how many tokens used each expert.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <map>
#include <numeric>

#include "formats/gguf.h"
#include "routing/importers/import_layers.h"

namespace moesim::routing {
namespace {
/// The layer of "blk.<l>.ffn_<part>_exps.weight.counts", or -1.
int layer_of(std::string_view name) {
  if (!name.starts_with("blk.") || name.find(".ffn_") == std::string_view::npos ||
      !name.ends_with("_exps.weight.counts"))
    return -1;
  int out = -1;
  const auto [end, error] = std::from_chars(name.data() + 4, name.data() + name.size(), out);
  return error == std::errc() && *end == '.' && out >= 0 && out < kMostLayers ? out : -1;
}

double number(const formats::GgufFile& file, const char* key) {
  const auto at = file.values.find(key);
  return at == file.values.end() ? 0 : std::strtod(at->second.c_str(), nullptr);
}

void read(const ImportContext& context) {
  if (context.files.size() > 1) throw ConfigError(fmt::format("{}: expected one importance matrix", context.files[1]));
  const std::string& name = context.files[0];
  const formats::GgufFile file = formats::read_gguf(name);
  if (const auto type = file.values.find("general.type"); type == file.values.end() || type->second != "imatrix")
    throw ConfigError(fmt::format("{}: is a GGUF file but no importance matrix (general.type)", name));
  std::map<int, const formats::ArraySource*> counts;
  for (const auto& [tensor, array] :
       file.tensors)  // gate, up and down count alike; the first in name order stands for them
    if (const int layer = layer_of(tensor); layer >= 0) counts.emplace(layer, &array);
  if (counts.empty())
    throw ConfigError(fmt::format("{}: counts no experts; legacy files and dense models do not", name));
  CountedSource s;
  s.name = "llama.cpp importance matrix";
  s.file = name;
  s.axis = LayerAxis::numbered;
  s.axis_size = int(counts.size());
  s.passes.resize(1);
  const formats::ArraySource& first = *counts.begin()->second;
  s.experts = int(std::min<std::int64_t>(first.elements(), INT16_MAX + 1));
  if (s.experts == 0) throw ConfigError(fmt::format("{}: counts no experts", first.where));
  check_sizes(name, s.axis_size, s.experts);
  for (const auto& [layer, array] : counts) {
    s.layers.push_back(layer);
    if (array->elements() != s.experts || array->shape.empty())
      throw ConfigError(
          fmt::format("{}: expected counts of {} experts, got {}", array->where, s.experts, array->shape_text()));
    std::vector<double> row;
    array->read_reals(0, array->shape[0], row);
    s.passes[0].counts.insert(s.passes[0].counts.end(), row.begin(), row.end());
  }
  const double tokens = number(file, "imatrix.chunk_count") * number(file, "imatrix.chunk_size");
  const double rows = std::accumulate(s.passes[0].counts.begin(), s.passes[0].counts.begin() + s.experts, 0.0);
  if (const double k = tokens > 0 ? rows / tokens : 0; k >= 1 && k == std::floor(k) && k <= s.experts) s.top_k = int(k);
  import_counts(context, s);
}

bool recognise(const std::string&, std::string_view head) { return head.starts_with("GGUF"); }
}  // namespace

Importer imatrix_importer() {
  return {"imatrix", "llama.cpp importance matrix (GGUF): tokens by expert", recognise, read};
}
}  // namespace moesim::routing
