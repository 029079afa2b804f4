// Megatron-Core router traces: JSON lines, one record a step and layer, one file a rank.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "formats/json.h"
#include "routing/importers/import.h"

namespace moesim::routing {
namespace {
struct Record {
  std::int64_t step = 0, tokens = 0, top_k = 0;
  int layer = 0;
  bool decoder = true;
  std::vector<std::int32_t> ids;  // (tokens, top_k)
};

/// One rank's file, a pass at a time: a pass ends where the step changes or a layer comes again.
class RankFile {
 public:
  explicit RankFile(const std::string& file) : lines_(file) { advance(); }
  bool done() const { return !waiting_; }
  std::int64_t step() const { return record_.step; }
  /// Records of the next pass by layer, and the line of its first.
  std::map<int, Record> pass(std::uint64_t& line) {
    std::map<int, Record> out;
    line = lines_.number();
    const std::int64_t step = record_.step;
    while (waiting_ && record_.step == step && !out.contains(record_.layer)) {
      if (!out.empty() && record_.tokens != out.begin()->second.tokens)
        lines_.fail(fmt::format("layer {} has {} tokens, layer {} of the same step {}", record_.layer, record_.tokens,
                                out.begin()->first, out.begin()->second.tokens));
      const int layer = record_.layer;
      out.emplace(layer, std::move(record_));
      advance();
    }
    return out;
  }
  std::int64_t skipped() const { return skipped_; }
  const std::string& name() const { return lines_.name(); }

 private:
  void advance() {
    while ((waiting_ = lines_.next())) {
      const formats::JsonValue json = formats::parse_json(lines_);
      const std::int64_t before = record_.step;
      record_ = parse({json, lines_.where()});
      if (record_.step < before)
        lines_.fail(fmt::format("step {} comes after step {}; give the files of each run apart", record_.step, before));
      if (record_.decoder) return;
      ++skipped_;
    }
  }
  static Record parse(const formats::JsonObject& json) {
    Record r;
    r.step = json.integer("step", 0, INT32_MAX);
    r.layer = int(json.integer("layer", 0, kMostLayers));
    r.tokens = json.integer("num_tokens", 0, 1 << 26);
    r.top_k = json.integer("topk", 1, 64);
    r.decoder = json.text_or("block", "decoder") == "decoder";
    const formats::JsonValue& list = json.list_at("top_indices");
    if (std::int64_t(list.size()) != r.tokens)
      json.fail("top_indices", fmt::format("expected {} lists, one a token", r.tokens));
    const std::string where = json.where() + ": top_indices";
    for (const formats::JsonValue& choice : list) {
      formats::append_integers(choice, -1, INT16_MAX, where, r.ids);
      if (std::int64_t(choice.size()) != r.top_k)
        json.fail("top_indices", fmt::format("a token has {} choices, expected {}", choice.size(), r.top_k));
    }
    return r;
  }
  formats::LineFile lines_;
  Record record_;
  bool waiting_ = false;
  std::int64_t skipped_ = 0;
};

/// Calls use(pass, records by layer, "FILE:LINE") in order of the steps, rank by rank within a step.
template <class Use>
std::int64_t for_each_pass(const std::vector<std::string>& files, Use&& use) {
  std::vector<std::unique_ptr<RankFile>> ranks;
  for (const std::string& f : files) ranks.push_back(std::make_unique<RankFile>(f));
  for (std::int32_t pass = 0;; ++pass) {
    std::int64_t step = INT64_MAX;
    for (const auto& r : ranks)
      if (!r->done()) step = std::min(step, r->step());
    if (step == INT64_MAX) break;
    for (const auto& r : ranks) {
      if (r->done() || r->step() != step) continue;
      std::uint64_t line = 0;
      const std::map<int, Record> records = r->pass(line);
      use(pass, records, fmt::format("{}:{}", r->name(), line));
    }
  }
  std::int64_t skipped = 0;
  for (const auto& r : ranks) skipped += r->skipped();
  return skipped;
}

/// Tokens [first, first + n) of a pass, in all layers.
TokenBlock block_of(const RoutedSource& s, const std::map<int, Record>& records, std::int32_t pass,
                    const std::string& where, std::size_t first, std::size_t n) {
  const std::size_t k = std::size_t(s.top_k), axis = s.layers.size();
  TokenBlock b;
  b.where = where;
  b.tokens.assign(n, {pass, -1, -1, -1, TracePhase::prefill, 0});
  b.ids.assign(n * axis * k, -1);
  for (const auto& [layer, r] : records) {
    const auto a = std::size_t(std::lower_bound(s.layers.begin(), s.layers.end(), layer) - s.layers.begin());
    for (std::size_t t = 0; t < n; ++t) std::copy_n(&r.ids[(first + t) * k], k, &b.ids[(t * axis + a) * k]);
  }
  return b;
}

void read(const ImportContext& context) {
  RoutedSource s;
  s.name = "Megatron-Core router trace";
  s.file = context.files[0];
  s.axis = LayerAxis::numbered;
  std::set<int> layers;
  const std::int64_t skipped = for_each_pass(context.files, [&](std::int32_t, const std::map<int, Record>& records,
                                                                const std::string& where) {
    for (const auto& [layer, r] : records) {
      layers.insert(layer);
      if (s.top_k == 0) s.top_k = int(r.top_k);
      if (r.top_k != s.top_k)
        throw ConfigError(fmt::format("{}: layer {} has top-{}, those before top-{}", where, layer, r.top_k, s.top_k));
    }
  });
  if (layers.empty()) throw ConfigError(fmt::format("{}: holds no record of the decoder", s.file));
  s.layers.assign(layers.begin(), layers.end());
  s.axis_size = int(s.layers.size());
  if (skipped > 0) s.notes.push_back(fmt::format("{} records of multi-token prediction layers were left out", skipped));
  s.notes.push_back("requests, positions and phases are not in these files");
  s.blocks = [&](const auto& take) {
    for_each_pass(
        context.files, [&](std::int32_t pass, const std::map<int, Record>& records, const std::string& where) {
          const std::int64_t n = records.begin()->second.tokens, piece = block_tokens(s.axis_size, s.top_k);
          for (std::int64_t first = 0; first < n; first += piece)
            take(block_of(s, records, pass, where, std::size_t(first), std::size_t(std::min(piece, n - first))));
        });
  };
  import_routing(context, s);
}

bool recognise(const std::string&, std::string_view head) {
  return head.find("\"top_indices\"") != std::string_view::npos;
}
}  // namespace

Importer megatron_importer() {
  return {"megatron", "Megatron-Core router_trace JSON lines (one file a rank)", recognise, read};
}
}  // namespace moesim::routing
