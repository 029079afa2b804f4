// Expert loads as load balancers take them: {"logical_count": ...}, a bare JSON matrix, or CSV.
#include <fmt/format.h>

#include <algorithm>

#include "formats/csv.h"
#include "formats/json.h"
#include "routing/importers/import.h"

namespace moesim::routing {
namespace {
/// One matrix: rows of equal length, appended to the pass.
void add_matrix(const formats::JsonValue& matrix, const std::string& where, CountedSource& s) {
  CountedPass pass;
  if (!matrix.is_array() || matrix.empty() || matrix.size() > std::size_t(kMostLayers))
    throw ConfigError(fmt::format("{}: expected rows of numbers, one a layer", where));
  for (std::size_t l = 0; l < matrix.size(); ++l) {
    const formats::JsonValue& row = matrix[l];
    if (!row.is_array()) throw ConfigError(fmt::format("{}: layer {}: expected a list of numbers", where, l));
    if (s.experts == 0) s.experts = int(std::min<std::size_t>(row.size(), INT16_MAX + 1));
    if (row.size() != std::size_t(s.experts) || row.empty())
      throw ConfigError(fmt::format("{}: layer {} has {} experts, those before {}", where, l, row.size(), s.experts));
    for (const formats::JsonValue& v : row) {
      if (!v.is_number())
        throw ConfigError(fmt::format("{}: layer {}: expected numbers, got {}", where, l, formats::shown(v)));
      pass.counts.push_back(v.get<double>());
    }
  }
  if (s.axis_size == 0) s.axis_size = int(matrix.size());
  if (int(matrix.size()) != s.axis_size)
    throw ConfigError(fmt::format("{}: has {} layers, those before {}", where, matrix.size(), s.axis_size));
  s.passes.push_back(std::move(pass));
}

void add_json(const std::string& file, CountedSource& s) {
  const formats::JsonValue root = formats::read_json(file);
  const formats::JsonValue* matrix = &root;
  std::string where = file;
  if (root.is_object()) {
    if (!root.contains("logical_count"))
      throw ConfigError(fmt::format("{}: expected \"logical_count\" or a matrix", file));
    matrix = &root["logical_count"];
    where += ": logical_count";
  }
  const bool steps = matrix->is_array() && !matrix->empty() && (*matrix)[0].is_array() && !(*matrix)[0].empty() &&
                     (*matrix)[0][0].is_array();
  if (!steps) return add_matrix(*matrix, where, s);
  for (std::size_t i = 0; i < matrix->size(); ++i) add_matrix((*matrix)[i], fmt::format("{}[{}]", where, i), s);
}

/// Rows of numbers, after a heading of words if there is one; where its first name is `layer` or none (an index, as
/// pandas writes it), that column numbers the layers, and those left out are dense.
void add_csv(const std::string& file, CountedSource& s) {
  formats::CsvFile csv(file, ",;\t");
  CountedPass pass;
  int layers = 0;
  bool numbered = false;
  while (csv.next()) {
    std::size_t numbers = 0;
    for (std::size_t c = 0; c < csv.cells(); ++c) numbers += csv.is_number(c);
    if (numbers == 0 && layers == 0) {
      numbered = csv.text(0).empty() || csv.text(0) == "layer";
      for (std::size_t c = 0; c < csv.cells(); ++c)
        if (csv.text(c) == "expert") csv.fail("has a line for each count; expected one a layer, with all its experts");
      continue;
    }
    const std::size_t experts = csv.cells() - numbered;
    if (experts == 0) csv.fail("no counts");
    if (s.experts == 0) s.experts = int(std::min<std::size_t>(experts, INT16_MAX + 1));
    if (experts != std::size_t(s.experts))
      csv.fail(fmt::format("has {} numbers, the rows before {}", experts, s.experts));
    constexpr int kMostLayers = 10'000;
    if (numbered) {
      const std::int64_t layer = csv.integer(0);
      if (layer < layers || layer > kMostLayers)
        csv.fail(fmt::format("expected a layer number of at least {}, got {}", layers, layer));
      layers = int(layer);
      pass.counts.resize(std::size_t(layers) * experts, 0);
    }
    for (std::size_t c = numbered; c < csv.cells(); ++c) pass.counts.push_back(csv.number(c));
    ++layers;
  }
  if (layers == 0) throw ConfigError(fmt::format("{}: holds no numbers", file));
  if (s.axis_size == 0) s.axis_size = layers;
  if (layers != s.axis_size)
    throw ConfigError(fmt::format("{}: has {} layers, {} has {}", file, layers, s.file, s.axis_size));
  s.passes.push_back(std::move(pass));
}

bool looks_like_json(std::string_view head) {
  const std::size_t start = head.find_first_not_of(" \t\r\n");
  return start != std::string_view::npos && (head[start] == '{' || head[start] == '[');
}

void read(const ImportContext& context) {
  CountedSource s;
  s.name = "expert loads";
  s.file = context.files[0];
  s.axis = LayerAxis::open;
  for (const std::string& f : context.files)
    (looks_like_json(formats::ByteFile(f).head(4096)) ? add_json : add_csv)(f, s);
  import_counts(context, s);
}

bool recognise(const std::string& file, std::string_view head) {
  if (head.find("\"logical_count\"") != std::string_view::npos) return true;
  const std::size_t start = head.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return false;
  if (head[start] == '[') return head.find('{') == std::string_view::npos;
  return file.ends_with(".csv") && head[start] != '{';
}
}  // namespace

Importer loads_importer() {
  return {"loads", "tokens by expert: {\"logical_count\": [layers][experts]}, a JSON matrix, or CSV, one row a layer",
          recognise, read};
}
}  // namespace moesim::routing
