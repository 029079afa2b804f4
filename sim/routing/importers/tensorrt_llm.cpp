// TensorRT-LLM expert statistics: a folder with meta_info.json and rank<r>.safetensors (counts) or
// rank<r>_raw.safetensors (selections).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>

#include "formats/json.h"
#include "formats/safetensors.h"
#include "routing/importers/import_layers.h"

namespace moesim::routing {
namespace {
namespace fs = std::filesystem;

struct Meta {
  int experts = 0, top_k = 0;
  std::vector<std::string> missing{};  // notes
};
/// Values by iteration and layer.
struct Cell {
  const formats::StoredTensor* tensor;
  const formats::SafetensorsFile* file;
  std::string key;
};
using Iterations = std::map<int, std::map<int, std::vector<Cell>>>;

std::vector<std::string> rank_files(const ImportContext& context, std::string& folder) {
  std::vector<std::string> out;
  std::error_code unknown;
  for (const std::string& f : context.files) {
    if (fs::path(f).filename() == "meta_info.json" || fs::is_directory(f, unknown)) {
      folder = fs::is_directory(f, unknown) ? f : fs::path(f).parent_path().string();
      if (folder.empty()) folder = ".";
      std::vector<std::string> counts, raw;
      fs::directory_iterator at(folder, unknown);
      if (unknown) throw ConfigError(fmt::format("{}: cannot be read: {}", folder, unknown.message()));
      for (const fs::directory_iterator end; at != end && !unknown; at.increment(unknown)) {
        const std::string name = at->path().filename().string();
        if (!name.starts_with("rank") || !name.ends_with(".safetensors")) continue;
        (name.ends_with("_raw.safetensors") ? raw : counts).push_back(at->path().string());
      }
      if (unknown) throw ConfigError(fmt::format("{}: cannot be read: {}", folder, unknown.message()));
      const std::vector<std::string>& found = raw.empty() ? counts : raw;  // selections say all that counts say
      out.insert(out.end(), found.begin(), found.end());
    } else {
      folder = fs::path(f).parent_path().string();
      if (folder.empty()) folder = ".";
      out.push_back(f);
    }
  }
  std::sort(out.begin(), out.end());
  if (out.empty()) throw ConfigError(fmt::format("{}: holds no rank<r>.safetensors", folder));
  return out;
}

/// What of the ranks' files is missing, as far as it can be told: ranks below the highest, and tables that some files
/// have and others lack.
std::vector<std::string> missing(const std::vector<std::string>& files, const Iterations& iterations) {
  std::vector<std::string> notes;
  std::set<int> ranks;
  for (const std::string& file : files) {
    const std::string name = fs::path(file).filename().string();
    int rank = -1;
    std::from_chars(name.data() + std::min<std::size_t>(4, name.size()), name.data() + name.size(), rank);
    if (rank >= 0) ranks.insert(rank);
  }
  std::string absent;
  for (int r = 0; !ranks.empty() && r < *ranks.rbegin() && absent.size() < 60; ++r)
    if (!ranks.contains(r)) absent += fmt::format("{}{}", absent.empty() ? "" : ", ", r);
  if (!absent.empty())
    notes.push_back(fmt::format("the files of ranks {} are missing (up to {} there are others): so are their tokens",
                                absent, *ranks.rbegin()));
  std::size_t tables = 0, partial = 0;
  for (const auto& [iteration, layers] : iterations)
    for (const auto& [layer, cells] : layers) ++tables, partial += cells.size() < files.size();
  if (partial > 0)
    notes.push_back(
        fmt::format("{} of {} tables by iteration and layer are not in all {} files: the others' tokens are "
                    "missing in them",
                    partial, tables, files.size()));
  return notes;
}

Meta read_meta(const std::string& folder) {
  const std::string file = folder + "/meta_info.json";
  const formats::JsonValue document = formats::read_json(file);
  const formats::JsonObject json(document, file);
  return {int(json.integer("num_experts", 1, INT16_MAX)), int(json.integer("num_experts_per_token", 1, 64))};
}

Iterations iterations_of(const std::vector<std::unique_ptr<formats::SafetensorsFile>>& files) {
  Iterations out;
  for (const auto& file : files)
    for (const auto& [key, tensor] : file->tensors()) {
      int iteration = -1, layer = -1;
      const char *from = key.data(), *end = from + key.size();
      auto [middle, error] = std::from_chars(from, end, iteration);
      if (error == std::errc() && middle != end && *middle == '_') {
        const auto [last, error2] = std::from_chars(middle + 1, end, layer);
        if (error2 != std::errc() || last != end) layer = -1;
      }
      if (iteration < 0 || layer < 0 || layer > kMostLayers)
        throw ConfigError(fmt::format("{}: tensor \"{}\": expected a name ITERATION_LAYER", file->file(), key));
      out[iteration][layer].push_back({&tensor, file.get(), key});
    }
  if (out.empty()) throw ConfigError(fmt::format("{}: holds no tensor", files[0]->file()));
  return out;
}

/// The numbers of a tensor of rank `rank`; row size checked.
std::vector<std::int32_t> numbers(const Cell& c, std::size_t rank, std::int64_t row) {
  const auto fail = [&](const std::string& expected) {
    throw ConfigError(fmt::format("{}: tensor {}: expected {}, got {} {}", c.file->file(), c.key, expected,
                                  name_of(c.tensor->type), formats::shape_text(c.tensor->shape)));
  };
  c.file->check_whole();
  if (c.tensor->shape.size() != rank || c.tensor->shape.back() != row)
    fail(rank == 1 ? fmt::format("[{}]", row) : fmt::format("[tokens, {}]", row));
  const formats::ArraySource array = formats::array_of(*c.tensor, fmt::format("{}: tensor {}", c.file->file(), c.key));
  if (!formats::is_integer(array.type)) fail("integers");
  std::vector<std::int32_t> out;
  array.read_integers(0, array.shape[0], out);
  for (std::size_t i = 0; i < out.size(); ++i)
    if (out[i] < -1) throw ConfigError(fmt::format("{}: element {} is {}", array.where, i, out[i]));
  return out;
}

std::vector<int> all_layers(const Iterations& iterations) {
  std::vector<int> out;
  for (const auto& [iteration, layers] : iterations)
    for (const auto& [layer, ranks] : layers) out.push_back(layer);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}
std::size_t row_of(const std::vector<int>& layers, int layer) {
  return std::size_t(std::lower_bound(layers.begin(), layers.end(), layer) - layers.begin());
}

/// What counts and selections tell alike.
template <class Source>
Source source_of(const char* name, const std::string& file, const Iterations& iterations, const Meta& meta) {
  Source s;
  s.name = name;
  s.file = file;
  s.axis = LayerAxis::numbered;
  s.layers = all_layers(iterations);
  s.axis_size = int(s.layers.size());
  s.experts = meta.experts;
  s.top_k = meta.top_k;
  s.notes = meta.missing;
  return s;
}

void read_counts(const ImportContext& context, const Iterations& iterations, const Meta& meta,
                 const std::string& file) {
  auto s = source_of<CountedSource>("TensorRT-LLM expert statistics", file, iterations, meta);
  check_sizes(file, s.axis_size, s.experts);
  std::int64_t cells = 0;
  for (const auto& [iteration, layers] : iterations) cells += std::int64_t(layers.size());
  check_filled(file, cells * s.experts, std::int64_t(iterations.size()) * s.axis_size * s.experts);
  for (const auto& [iteration, layers] : iterations) {
    CountedPass pass;
    pass.counts.resize(s.layers.size() * std::size_t(meta.experts));
    for (const auto& [layer, ranks] : layers)
      for (const Cell& c : ranks) {
        const std::vector<std::int32_t> counts = numbers(c, 1, meta.experts);
        for (std::size_t e = 0; e < counts.size(); ++e)
          pass.counts[row_of(s.layers, layer) * counts.size() + e] += counts[e];
      }
    if (std::any_of(pass.counts.begin(), pass.counts.end(), [](double n) { return n != 0; }))
      s.passes.push_back(std::move(pass));
  }
  import_counts(context, s);
}

/// One rank's tokens of an iteration, in blocks.
void hand_out(const RoutedSource& s, const std::map<int, const Cell*>& cells, std::int32_t pass,
              const std::string& where, const std::function<void(const TokenBlock&)>& take) {
  const std::size_t k = std::size_t(s.top_k), axis = s.layers.size();
  std::map<std::size_t, std::vector<std::int32_t>> ids;  // by place on the layer axis
  for (const auto& [layer, c] : cells) {
    std::vector<std::int32_t>& own = ids[row_of(s.layers, layer)] = numbers(*c, 2, s.top_k);
    if (own.size() != ids.begin()->second.size())
      throw ConfigError(fmt::format("{}: tensor {}: has {} tokens, other layers of the iteration have {}",
                                    c->file->file(), c->key, own.size() / k, ids.begin()->second.size() / k));
  }
  const std::size_t tokens = ids.begin()->second.size() / k, piece = std::size_t(block_tokens(s.axis_size, s.top_k));
  for (std::size_t first = 0; first < tokens; first += piece) {
    const std::size_t n = std::min(piece, tokens - first);
    TokenBlock b;
    b.where = where;
    b.tokens.assign(n, {pass, -1, -1, -1, TracePhase::prefill, 0});
    b.ids.assign(n * axis * k, -1);
    for (const auto& [a, own] : ids)
      for (std::size_t t = 0; t < n; ++t) std::copy_n(&own[(first + t) * k], k, &b.ids[(t * axis + a) * k]);
    take(b);
  }
}

void read_raw(const ImportContext& context, const Iterations& iterations, const Meta& meta, const std::string& file) {
  auto s = source_of<RoutedSource>("TensorRT-LLM raw expert selections", file, iterations, meta);
  s.notes.push_back("requests, positions and phases are not in these files");
  s.blocks = [&](const auto& take) {
    std::int32_t pass = -1;
    for (const auto& [iteration, layers] : iterations) {
      ++pass;
      std::map<std::string, std::map<int, const Cell*>> ranks;  // by file, so that blocks come in the order of names
      for (const auto& [layer, list] : layers)
        for (const Cell& c : list) ranks[c.file->file()].emplace(layer, &c);
      for (const auto& [rank_file, cells] : ranks)
        hand_out(s, cells, pass, fmt::format("{}: iteration {}", rank_file, iteration), take);
    }
  };
  import_routing(context, s);
}

void read(const ImportContext& context) {
  std::string folder;
  std::vector<std::unique_ptr<formats::SafetensorsFile>> files;
  const std::vector<std::string> names = rank_files(context, folder);
  for (const std::string& f : names) files.push_back(std::make_unique<formats::SafetensorsFile>(f));
  Meta meta = read_meta(folder);
  const Iterations iterations = iterations_of(files);
  meta.missing = missing(names, iterations);
  const bool raw = iterations.begin()->second.begin()->second.front().tensor->shape.size() == 2;
  (raw ? read_raw : read_counts)(context, iterations, meta, files[0]->file());
}

bool recognise(const std::string& file, std::string_view head) {
  return head.empty() || fs::path(file).filename() == "meta_info.json" || file.ends_with(".safetensors");
}
}  // namespace

Importer tensorrt_llm_importer() {
  return {"tensorrt-llm", "TensorRT-LLM expert statistics: the folder with meta_info.json and rank files (safetensors)",
          recognise, read};
}
}  // namespace moesim::routing
