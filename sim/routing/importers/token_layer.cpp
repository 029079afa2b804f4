// JSON lines with one record a token and layer (speculative-moe), or a batch and layer (moe-balance).
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "formats/json.h"
#include "routing/importers/import.h"

namespace moesim::routing {
namespace {
/// What one line says: tokens of one layer.
struct Record {
  std::string group, domain;  // problem or batch
  int layer = 0;
  std::vector<std::int64_t> tokens;  // in the group
  std::vector<std::int32_t> ids;     // (tokens, top_k)
  std::vector<float> weights;        // the same, or empty
  bool one_token = false;            // tokens are positions of one request
};

std::string text_of(const formats::JsonObject& json, const char* key) {
  if (!json.has(key)) return "";
  return json.at(key).is_string() ? json.text(key) : json.at(key).dump();
}

Record parse(const formats::JsonObject& json) {
  const std::string& where = json.where();
  Record r;
  r.layer = int(json.integer("layer", 0, kMostLayers));
  r.one_token = json.has("experts");
  if (r.one_token) {
    r.group = text_of(json, "problem_id");
    r.domain = text_of(json, "dataset");
    r.tokens = {json.integer("token_idx", 0, INT32_MAX)};
    formats::append_integers(json.at("experts"), -1, INT16_MAX, where + ": experts", r.ids);
    if (json.has("gating_probs")) formats::append_reals(json.at("gating_probs"), where + ": gating_probs", r.weights);
  } else {
    r.group = text_of(json, "batch_id");
    r.domain = text_of(json, "source_file");
    std::vector<std::int32_t> rows;
    formats::append_integers(json.at("origin_rows"), 0, INT32_MAX, where + ": origin_rows", rows);
    r.tokens.assign(rows.begin(), rows.end());
    const formats::JsonValue& list = json.list_at("topk_experts");
    if (list.size() != rows.size())
      json.fail("topk_experts", fmt::format("expected {} lists, one a token", rows.size()));
    const std::size_t k = list.empty() ? 0 : list[0].size();
    for (const formats::JsonValue& choice : list) {
      formats::append_integers(choice, -1, INT16_MAX, where + ": topk_experts", r.ids);
      if (choice.size() != k)
        json.fail("topk_experts", fmt::format("a token has {} choices, the others {}", choice.size(), k));
    }
    if (json.has("topk_weights"))
      for (const formats::JsonValue& w : json.list_at("topk_weights"))
        formats::append_reals(w, where + ": topk_weights", r.weights);
  }
  if (r.domain.size() > 4096)
    throw ConfigError(fmt::format("{}: the kind of text has {} bytes", where, r.domain.size()));
  if (r.tokens.empty() || r.ids.empty() || (!r.weights.empty() && r.weights.size() != r.ids.size()))
    throw ConfigError(fmt::format("{}: expected as many weights as experts, and at least one", where));
  return r;
}

class TokenLayers {
 public:
  explicit TokenLayers(const ImportContext& context) : context_(context) {
    std::set<int> layers;
    for_each([&](const Record& r, const std::string& where) {
      layers.insert(r.layer);
      const int k = int(r.ids.size() / r.tokens.size());
      if (s_.top_k == 0) s_.top_k = k, s_.weights = !r.weights.empty(), s_.requests = r.one_token;
      if (k != s_.top_k) throw ConfigError(fmt::format("{}: has {} experts, the lines before {}", where, k, s_.top_k));
      if (r.weights.empty() == s_.weights)
        throw ConfigError(fmt::format("{}: weights must be on all lines or none", where));
      if (domains_.emplace(r.domain, domains_.size()).second && domains_.size() > 256)
        throw ConfigError(fmt::format("{}: more than 256 kinds of text", where));
    });
    if (layers.empty()) throw ConfigError(fmt::format("{}: is empty", context.files[0]));
    s_.name = s_.requests ? "JSON lines by token and layer" : "JSON lines by batch and layer";
    s_.file = context.files[0];
    s_.axis = LayerAxis::numbered;
    s_.layers.assign(layers.begin(), layers.end());
    s_.axis_size = int(s_.layers.size());
    s_.domains.resize(domains_.size());
    for (const auto& [name, number] : domains_) s_.domains[number] = name;
    s_.notes.push_back(s_.requests ? "prefill and decode are not told apart, and token ids are not recorded"
                                   : "requests, positions, phases and token ids are not read from these files");
  }

  void import() {
    s_.blocks = [this](const auto& take) {
      group_.clear();
      std::int32_t pass = 0;
      std::string open;
      std::set<std::string> closed;
      for_each([&](const Record& r, const std::string& where) {
        if (where_.empty() || r.group != open) {
          if (!where_.empty()) closed.insert(open);
          if (closed.contains(r.group))
            throw ConfigError(fmt::format("{}: {} comes again after another; sort the lines by it", where,
                                          s_.requests ? "a problem_id" : "a batch_id"));
          flush(pass, take);
          open = r.group;
          where_ = where;
        }
        add(r, where);
      });
      flush(pass, take);
    };
    import_routing(context_, s_);
  }

 private:
  template <class Use>
  void for_each(Use&& use) const {
    for (const std::string& f : context_.files) {
      for (formats::LineFile file(f); file.next();) {
        const formats::JsonValue json = formats::parse_json(file);
        const std::string where = file.where();
        use(parse({json, where}), where);
      }
    }
  }
  /// What the lines say of a token, as much as they say: every layer of every token would be more than the file.
  struct Row {
    std::map<std::size_t, std::vector<std::int32_t>> ids;  // by place on the layer axis
    std::map<std::size_t, std::vector<float>> weights;
    std::uint8_t domain = 0;
  };
  void add(const Record& r, const std::string& where) {
    const auto k = std::ptrdiff_t(s_.top_k);
    const std::size_t a =
        std::size_t(std::lower_bound(s_.layers.begin(), s_.layers.end(), r.layer) - s_.layers.begin());
    for (std::ptrdiff_t t = 0; t < std::ptrdiff_t(r.tokens.size()); ++t) {
      const std::int64_t token = r.tokens[std::size_t(t)];
      const auto [at, fresh] = group_.try_emplace(token);
      Row& row = at->second;
      if (fresh) row.domain = std::uint8_t(domains_.at(r.domain));
      if (!row.ids.try_emplace(a, r.ids.begin() + t * k, r.ids.begin() + (t + 1) * k).second)
        throw ConfigError(fmt::format("{}: token {} has layer {} a second time", where, token, r.layer));
      if (s_.weights) row.weights.try_emplace(a, r.weights.begin() + t * k, r.weights.begin() + (t + 1) * k);
    }
  }
  /// A group is a pass; token_idx counts from 0 in a problem, which is a request.
  void flush(std::int32_t& pass, const std::function<void(const TokenBlock&)>& take) {
    if (group_.empty()) return;
    const std::size_t k = std::size_t(s_.top_k), row_size = s_.layers.size() * k;
    TokenBlock b;
    const auto hand_out = [&] {
      if (!b.tokens.empty()) take(b);
      b = {};
      b.where = where_;
    };
    hand_out();
    for (const auto& [token, row] : group_) {
      b.tokens.push_back(
          {pass, s_.requests ? pass : -1, s_.requests ? std::int32_t(token) : -1, -1, TracePhase::prefill, row.domain});
      const std::size_t begin = b.ids.size();
      b.ids.resize(begin + row_size, -1);
      b.weights.resize(s_.weights ? b.ids.size() : 0);
      for (const auto& [a, ids] : row.ids) std::copy_n(ids.begin(), k, &b.ids[begin + a * k]);
      for (const auto& [a, weights] : row.weights) std::copy_n(weights.begin(), k, &b.weights[begin + a * k]);
      if (std::int64_t(b.tokens.size()) >= block_tokens(s_.axis_size, s_.top_k)) hand_out();
    }
    hand_out();
    group_.clear();
    where_.clear();
    ++pass;
  }

  const ImportContext& context_;
  RoutedSource s_;
  std::map<std::string, std::size_t> domains_;
  std::map<std::int64_t, Row> group_;
  std::string where_;
};

void read(const ImportContext& context) { TokenLayers(context).import(); }

bool recognise(const std::string&, std::string_view head) {
  const auto has = [&](std::string_view word) { return head.find(word) != std::string_view::npos; };
  return has("\"layer\"") && ((has("\"experts\"") && has("\"token_idx\"")) || has("\"topk_experts\""));
}
}  // namespace

Importer token_layer_importer() {
  return {"token-layer",
          "JSON lines by token and layer (layer, experts, token_idx), or by batch and layer (topk_experts)", recognise,
          read};
}
}  // namespace moesim::routing
