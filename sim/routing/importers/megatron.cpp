// Megatron-Core router traces: JSON lines, one record a step and layer, one file a rank.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "formats/byte_file.h"
#include "formats/json.h"
#include "routing/importers/import.h"
#include "routing/importers/megatron_ranks.h"

namespace moesim::routing {
namespace {
struct Record {
  std::int64_t step = 0, tokens = 0, top_k = 0;
  int layer = 0;
  bool wanted = true;             // of the decoder, before the dispatch
  bool mtp = false;               // of a multi-token prediction layer
  std::int64_t padding = 0;       // rows that stand for no token, left out
  std::vector<std::int32_t> ids;  // (tokens, top_k)
};
/// What of a file was not taken.
struct LeftOut {
  std::int64_t mtp = 0, other_stages = 0, padding = 0;
  std::vector<std::string> cut;  // files whose last line is cut off
};

Record parse(const formats::JsonObject& json) {
  Record r;
  r.step = json.integer("step", 0, INT32_MAX);
  r.layer = int(json.integer("layer", 0, kMostLayers));
  r.tokens = json.integer("num_tokens", 0, 1 << 26);
  r.top_k = json.integer("topk", 1, 64);
  r.mtp = json.text_or("block", "decoder") != "decoder";
  r.wanted = !r.mtp && json.text_or("stage", "pre_dispatch") == "pre_dispatch";
  const formats::JsonValue& list = json.list_at("top_indices");
  if (std::int64_t(list.size()) != r.tokens)
    json.fail("top_indices", fmt::format("expected {} lists, one a token", r.tokens));
  const formats::JsonValue* const labels =
      json.has("semantic_token_ids") ? &json.list_at("semantic_token_ids") : nullptr;  // null for padding
  if (labels != nullptr && labels->size() != list.size())
    json.fail("semantic_token_ids", fmt::format("expected {}, one a token, got {}", r.tokens, labels->size()));
  const std::string where = json.where() + ": top_indices";
  for (std::size_t t = 0; t < list.size(); ++t) {
    if (labels != nullptr && (*labels)[t].is_null()) {
      ++r.padding;
      continue;
    }
    formats::append_integers(list[t], -1, INT16_MAX, where, r.ids);
    if (std::int64_t(list[t].size()) != r.top_k)
      json.fail("top_indices", fmt::format("a token has {} choices, expected {}", list[t].size(), r.top_k));
  }
  r.tokens -= r.padding;
  return r;
}

bool ends_in_a_line(const std::string& file) {
  const formats::ByteFile bytes(file);
  return bytes.value<char>(bytes.size() - 1, "the last byte") == '\n';
}

/// One rank's file, a pass at a time: a pass ends where the step changes or a layer comes again.
class RankFile {
 public:
  RankFile(const std::string& file, LeftOut& left_out) : lines_(file), left_out_(left_out) { advance(); }
  bool done() const { return !waiting_; }
  std::int64_t step() const { return record_.step; }
  /// Records of the next pass by layer, and the line of its first.
  std::map<int, Record> pass(std::string& where) {
    std::map<int, Record> out;
    where = lines_.where();
    const std::int64_t step = record_.step;
    while (waiting_ && record_.step == step && !out.contains(record_.layer)) {
      if (!out.empty() && record_.tokens != out.begin()->second.tokens)
        lines_.fail(fmt::format("layer {} has {} tokens, layer {} of the same step {}", record_.layer, record_.tokens,
                                out.begin()->first, out.begin()->second.tokens));
      const int layer = record_.layer;
      left_out_.padding += out.empty() ? record_.padding : 0;
      out.emplace(layer, std::move(record_));
      advance();
    }
    return out;
  }

 private:
  void advance() {
    while ((waiting_ = lines_.next())) {
      const std::int64_t before = record_.step;
      const std::optional<formats::JsonValue> json = document();
      if (!json) return;
      record_ = parse({*json, lines_.where()});
      if (record_.step < before)
        lines_.fail(fmt::format("step {} comes after step {}; give the files of each run apart", record_.step, before));
      if (record_.wanted) return;
      ++(record_.mtp ? left_out_.mtp : left_out_.other_stages);
    }
  }
  /// The line at hand; none where it is the last one and was not written to its end, as by a program that was stopped.
  std::optional<formats::JsonValue> document() {
    try {
      return formats::parse_json(lines_);
    } catch (const ConfigError&) {
      if (lines_.number() < 2 || lines_.next() || ends_in_a_line(lines_.name())) throw;
      left_out_.cut.push_back(lines_.name());
      waiting_ = false;
      return std::nullopt;
    }
  }
  formats::LineFile lines_;
  LeftOut& left_out_;
  Record record_;
  bool waiting_ = false;
};

/// Ranks whose records make up the same tokens: one, or one of each pipeline stage.
using Lane = std::vector<std::size_t>;

/// Calls use(moment, lane, records by layer, "FILE:LINE") in order of the steps, lane by lane within a step.  The
/// passes of a moment are those that the lanes have at the same place of a step.
template <class Use>
LeftOut for_each_pass(const std::vector<std::string>& files, const std::vector<Lane>& lanes, Use&& use) {
  LeftOut left_out;
  std::vector<std::unique_ptr<RankFile>> ranks(files.size());
  for (const Lane& lane : lanes)
    for (const std::size_t r : lane) ranks[r] = std::make_unique<RankFile>(files[r], left_out);
  for (std::int32_t moment = 0;; ++moment) {
    std::int64_t step = INT64_MAX;
    for (const auto& r : ranks)
      if (r && !r->done()) step = std::min(step, r->step());
    if (step == INT64_MAX) return left_out;
    for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
      std::map<int, Record> records;
      std::string first;
      for (const std::size_t r : lanes[lane]) {
        if (ranks[r]->done() || ranks[r]->step() != step) continue;
        std::string where;
        std::map<int, Record> stage = ranks[r]->pass(where);
        if (!records.empty() && stage.begin()->second.tokens != records.begin()->second.tokens)
          throw ConfigError(fmt::format("{}: has {} tokens, but {} has {} of the layers before", where,
                                        stage.begin()->second.tokens, first, records.begin()->second.tokens));
        if (records.empty()) first = where;
        records.merge(stage);
      }
      if (!records.empty()) use(moment, lane, records, first);
    }
  }
}

/// What a first reading finds.
struct Survey {
  std::set<int> layers;
  std::vector<std::set<int>> rank_layers;  // (ranks)
  std::vector<std::size_t> first;          // (ranks): the rank that holds all that it does
  int top_k = 0;
  std::vector<Lane> lanes;
  std::vector<std::string> notes;
};

Survey survey(const std::vector<std::string>& files) {
  Survey out;
  std::vector<Lane> alone;
  for (std::size_t r = 0; r < files.size(); ++r) alone.push_back({r});
  out.rank_layers.resize(files.size());
  RepeatedRanks repeated(files.size());
  std::map<std::size_t, HeldPass> held;
  std::int32_t at = 0;
  const auto count = [&](std::int32_t moment, std::size_t rank, const std::map<int, Record>& records,
                         const std::string& where) {
    if (moment != at) repeated.add(held), held.clear(), at = moment;
    HeldPass& holds = held[rank];
    for (const auto& [layer, r] : records) {
      out.layers.insert(layer);
      out.rank_layers[rank].insert(layer);
      if (out.top_k == 0) out.top_k = int(r.top_k);
      if (r.top_k != out.top_k)
        throw ConfigError(
            fmt::format("{}: layer {} has top-{}, those before top-{}", where, layer, r.top_k, out.top_k));
      std::uint64_t& all = holds[layer] = std::uint64_t(r.step);
      for (const std::int32_t id : r.ids) all = mixed(all, std::uint64_t(std::int64_t{id}));
    }
  };
  const LeftOut left_out = for_each_pass(files, alone, count);
  repeated.add(held);
  out.first = repeated.first();
  if (const std::string said = repeated.note(); !said.empty()) out.notes.push_back(said);
  const auto note = [&](std::int64_t n, const char* what) {
    if (n > 0) out.notes.push_back(fmt::format("{} {} were left out", n, what));
  };
  note(left_out.mtp, "records of multi-token prediction layers");
  note(left_out.other_stages, "records of other stages than pre_dispatch");
  note(left_out.padding, "rows without a token (padding)");
  for (const std::string& file : left_out.cut)
    out.notes.push_back(fmt::format("{}: its last line is cut off and was left out", file));
  return out;
}

/// Ranks that repeat others are no lanes; ranks with other layers than the first are later stages of a pipeline, the
/// n-th of each stage with the same tokens (Megatron numbers stages slowest).
void settle_lanes(const std::vector<std::string>& files, Survey& s) {
  std::map<int, std::vector<std::size_t>> stages;  // by first layer
  std::size_t layers = 0;
  for (std::size_t r = 0; r < files.size(); ++r) {
    if (s.first[r] != r || s.rank_layers[r].empty()) continue;
    s.lanes.push_back({r});
    stages[*s.rank_layers[r].begin()].push_back(r);
  }
  if (stages.size() < 2) return;
  bool pipeline = true;
  const std::size_t each = stages.begin()->second.size();
  for (const auto& [layer, ranks] : stages) {
    layers += s.rank_layers[ranks[0]].size();
    for (const std::size_t r : ranks) pipeline = pipeline && s.rank_layers[r] == s.rank_layers[ranks[0]];
    pipeline = pipeline && ranks.size() == each;
  }
  if (!pipeline || layers != s.layers.size()) {
    s.notes.push_back(
        "ranks hold different layers, but not as whole pipeline stages of as many ranks each (is a file "
        "missing?): what a token chose in the others' layers counts as absent");
    return;
  }
  s.lanes.clear();
  for (std::size_t i = 0; i < each; ++i) {
    Lane lane;
    for (const auto& [layer, ranks] : stages) lane.push_back(ranks[i]);
    s.lanes.push_back(std::move(lane));
  }
  s.notes.push_back(fmt::format("ranks of {} pipeline stages were put together by their numbers", stages.size()));
}

/// Tokens [first, first + n) of a pass, in all layers.
TokenBlock block_of(const std::vector<int>& layers, std::size_t k, const std::map<int, Record>& records,
                    std::int32_t pass, const std::string& where, std::size_t first, std::size_t n) {
  const std::size_t axis = layers.size();
  TokenBlock b;
  b.where = where;
  b.tokens.assign(n, {pass, -1, -1, -1, TracePhase::prefill, 0});
  b.ids.assign(n * axis * k, -1);
  for (const auto& [layer, r] : records) {
    const auto a = std::size_t(std::ranges::lower_bound(layers, layer) - layers.begin());
    for (std::size_t t = 0; t < n; ++t) std::copy_n(&r.ids[(first + t) * k], k, &b.ids[(t * axis + a) * k]);
  }
  return b;
}

void read(const ImportContext& context) {
  Survey found = survey(context.files);
  if (found.layers.empty()) throw ConfigError(fmt::format("{}: holds no record of the decoder", context.files[0]));
  settle_lanes(context.files, found);
  RoutedSource s;
  s.name = "Megatron-Core router trace";
  s.file = context.files[0];
  s.axis = LayerAxis::numbered;
  const std::vector<int> written(found.layers.begin(), found.layers.end());
  s.notes = found.notes;
  s.layers = model_layers(written, context.model, s.notes);
  s.axis_size = int(s.layers.size());
  s.top_k = found.top_k;
  std::int64_t passes = 0, partial = 0;
  for_each_pass(context.files, found.lanes,
                [&](std::int32_t, std::size_t, const std::map<int, Record>& records, const std::string&) {
                  ++passes;
                  partial += records.size() < found.layers.size();
                });
  if (partial > 0)
    s.notes.push_back(fmt::format("{} of {} passes lack some of the {} layers: their tokens have no choice there",
                                  partial, passes, found.layers.size()));
  s.notes.push_back("requests, positions and phases are not in these files");
  s.blocks = [&](const auto& take) {
    for_each_pass(context.files, found.lanes,
                  [&](std::int32_t pass, std::size_t, const std::map<int, Record>& records, const std::string& where) {
                    const std::int64_t n = records.begin()->second.tokens, piece = block_tokens(s.axis_size, s.top_k);
                    for (std::int64_t first = 0; first < n; first += piece)
                      take(block_of(written, std::size_t(s.top_k), records, pass, where, std::size_t(first),
                                    std::size_t(std::min(piece, n - first))));
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
