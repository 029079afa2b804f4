// The JSON lines that `moesim trace export --format jsonl` writes: one object a token.
#include <algorithm>
#include <charconv>
#include <set>

#include "routing/importers/import.h"
#include "routing/importers/json_input.h"

namespace moesim {
namespace {
constexpr std::size_t kPiece = 1024;

template <class Use>
void for_each(const std::vector<std::string>& files, Use&& use) {
  for (const std::string& f : files) {
    LineFile file(f);
    for (std::string line; file.next(line);) {
      const Json json = parse_json_line(line, file);
      const auto layers = json.find("layers");
      if (layers == json.end() || !layers->is_object()) file.fail("\"layers\": expected an object");
      use(json, *layers, fmt::format("{}:{}", f, file.number()));
    }
  }
}
int layer_number(const std::string& key, const std::string& where) {
  int out = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), out);
  if (error != std::errc() || *end != '\0' || out < 0 || out > 10'000)
    throw ConfigError(fmt::format("{}: expected a layer number, got \"{}\"", where, key));
  return out;
}
std::int32_t known(const Json& json, const char* key, const std::string& where) {
  const auto at = json.find(key);
  return at == json.end() || at->is_null() ? -1 : std::int32_t(integer_at(json, key, -1, INT32_MAX, where));
}

void read(const ImportContext& context) {
  RoutedSource s;
  s.name = "JSON lines by token";
  s.file = context.files[0];
  s.axis = LayerAxis::numbered;
  s.token_ids = s.requests = s.phases = true;
  std::set<int> layers;
  for_each(context.files, [&](const Json& json, const Json& list, const std::string& where) {
    for (const auto& [key, value] : list.items()) {
      layers.insert(layer_number(key, where));
      if (!value.is_object() || !value.contains("experts") || !value["experts"].is_array())
        throw ConfigError(fmt::format("{}: layer {}: expected \"experts\"", where, key));
      const int k = int(value["experts"].size());
      if (s.top_k == 0) s.top_k = k, s.weights = value.contains("weights");
      if (k != s.top_k || k == 0)
        throw ConfigError(fmt::format("{}: layer {} has {} experts, the lines before {}", where, key, k, s.top_k));
    }
    s.token_ids = s.token_ids && known(json, "token", where) >= 0;
    s.requests = s.requests && known(json, "sequence", where) >= 0 && known(json, "position", where) >= 0;
    s.phases = s.phases && json.contains("phase");
  });
  if (layers.empty()) throw ConfigError(fmt::format("{}: holds no routing", s.file));
  s.layers.assign(layers.begin(), layers.end());
  s.axis_size = int(s.layers.size());
  s.notes.push_back("which tokens shared a pass is not recorded: all count as one");
  const std::size_t k = std::size_t(s.top_k), axis = s.layers.size();
  s.blocks = [&](const auto& take) {
    TokenBlock b;
    for_each(context.files, [&](const Json& json, const Json& list, const std::string& where) {
      if (b.tokens.empty()) b.where = where;
      const std::string phase = json.value("phase", "prefill");
      if (phase != "prefill" && phase != "decode")
        throw ConfigError(fmt::format("{}: \"phase\": expected prefill or decode, got \"{}\"", where, phase));
      b.tokens.push_back({0, known(json, "sequence", where), known(json, "position", where),
                          known(json, "token", where), phase == "decode" ? TracePhase::decode : TracePhase::prefill,
                          0});
      const std::size_t at = b.ids.size();
      b.ids.resize(at + axis * k, -1);
      if (s.weights) b.weights.resize(b.ids.size(), 0);
      for (const auto& [key, value] : list.items()) {
        const std::size_t a = std::size_t(std::lower_bound(s.layers.begin(), s.layers.end(), layer_number(key, where)) -
                                          s.layers.begin());
        std::vector<std::int32_t> ids;
        append_integers(value["experts"], -1, INT16_MAX, where + ": experts", ids);
        std::copy(ids.begin(), ids.end(), b.ids.begin() + std::ptrdiff_t(at + a * k));
        if (!s.weights) continue;
        std::vector<float> weights;
        append_reals(value.value("weights", Json()), where + ": weights", weights);
        if (weights.size() != k)
          throw ConfigError(fmt::format("{}: layer {}: expected {} weights, got {}", where, key, k, weights.size()));
        std::copy(weights.begin(), weights.end(), b.weights.begin() + std::ptrdiff_t(at + a * k));
      }
      if (b.tokens.size() < kPiece) return;
      take(b);
      b = {};
    });
    if (!b.tokens.empty()) take(b);
  };
  import_routing(context, s);
}

bool recognise(const std::string&, std::string_view head) {
  return head.find("\"sequence\"") != std::string_view::npos && head.find("\"layers\"") != std::string_view::npos;
}
}  // namespace

Importer plain_tokens_importer() {
  return {"jsonl", "JSON lines by token, as trace export writes them", recognise, read};
}
}  // namespace moesim
