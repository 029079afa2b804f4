// The JSON lines that `moesim trace export --format jsonl` writes: one object a token.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "formats/json.h"
#include "routing/importers/import.h"

namespace moesim::routing {
namespace {
template <class Use>
void for_each(const std::vector<std::string>& files, Use&& use) {
  for (const std::string& f : files) {
    for (formats::LineFile file(f); file.next();) {
      const formats::JsonValue json = formats::parse_json(file);
      const formats::JsonObject object(json, file.where());
      if (!object.at("layers").is_object()) object.fail("layers", "expected an object");
      use(object, json["layers"]);
    }
  }
}
int layer_number(const std::string& key, const std::string& where) {
  int out = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), out);
  // written in one way only, or two keys would be one layer
  if (error != std::errc() || end != key.data() + key.size() || fmt::to_string(out) != key || out < 0 ||
      out > kMostLayers)
    throw ConfigError(fmt::format("{}: expected a layer number, got \"{}\"", where, key));
  return out;
}
std::int32_t known(const formats::JsonObject& json, const char* key) {
  return json.has(key) ? std::int32_t(json.integer(key, -1, INT32_MAX)) : -1;
}

/// What the files hold: layers, top-k, and what every token says of itself.
RoutedSource survey(const std::vector<std::string>& files) {
  RoutedSource s;
  s.name = "JSON lines by token";
  s.file = files[0];
  s.axis = LayerAxis::numbered;
  s.token_ids = s.requests = s.phases = true;
  std::set<int> layers;
  for_each(files, [&](const formats::JsonObject& json, const formats::JsonValue& list) {
    const std::string& where = json.where();
    for (const auto& [key, value] : list.items()) {
      layers.insert(layer_number(key, where));
      if (!value.is_object() || !value.contains("experts") || !value["experts"].is_array())
        throw ConfigError(fmt::format("{}: layer {}: expected \"experts\"", where, key));
      const int k = int(value["experts"].size());
      if (s.top_k == 0) s.top_k = k, s.weights = value.contains("weights");
      if (k != s.top_k || k == 0)
        throw ConfigError(fmt::format("{}: layer {} has {} experts, the lines before {}", where, key, k, s.top_k));
    }
    s.token_ids = s.token_ids && known(json, "token") >= 0;
    s.requests = s.requests && known(json, "sequence") >= 0 && known(json, "position") >= 0;
    s.phases = s.phases && json.has("phase");
  });
  if (layers.empty()) throw ConfigError(fmt::format("{}: holds no routing", s.file));
  s.layers.assign(layers.begin(), layers.end());
  s.axis_size = int(s.layers.size());
  s.notes.push_back("which tokens shared a pass is not recorded: all count as one");
  return s;
}

/// Appends one line's token.
void add_token(const RoutedSource& s, const formats::JsonObject& json, const formats::JsonValue& list, TokenBlock& b) {
  const std::string& where = json.where();
  const std::size_t k = std::size_t(s.top_k);
  if (b.tokens.empty()) b.where = where;
  const std::string phase = json.text_or("phase", "prefill");
  if (phase != "prefill" && phase != "decode")
    json.fail("phase", fmt::format("expected prefill or decode, got \"{}\"", phase));
  b.tokens.push_back({0, known(json, "sequence"), known(json, "position"), known(json, "token"),
                      phase == "decode" ? TracePhase::decode : TracePhase::prefill, 0});
  const std::size_t at = b.ids.size();
  b.ids.resize(at + s.layers.size() * k, -1);
  if (s.weights) b.weights.resize(b.ids.size(), 0);
  for (const auto& [key, value] : list.items()) {
    const std::size_t a =
        std::size_t(std::lower_bound(s.layers.begin(), s.layers.end(), layer_number(key, where)) - s.layers.begin());
    std::vector<std::int32_t> ids;
    formats::append_integers(value["experts"], -1, INT16_MAX, where + ": experts", ids);
    std::copy(ids.begin(), ids.end(), b.ids.begin() + std::ptrdiff_t(at + a * k));
    if (!s.weights) continue;
    std::vector<float> weights;
    formats::append_reals(value.value("weights", formats::JsonValue()), where + ": weights", weights);
    if (weights.size() != k)
      throw ConfigError(fmt::format("{}: layer {}: expected {} weights, got {}", where, key, k, weights.size()));
    std::copy(weights.begin(), weights.end(), b.weights.begin() + std::ptrdiff_t(at + a * k));
  }
}

void read(const ImportContext& context) {
  RoutedSource s = survey(context.files);
  s.blocks = [&](const auto& take) {
    TokenBlock b;
    for_each(context.files, [&](const formats::JsonObject& json, const formats::JsonValue& list) {
      add_token(s, json, list, b);
      if (std::int64_t(b.tokens.size()) < block_tokens(s.axis_size, s.top_k)) return;
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
}  // namespace moesim::routing
