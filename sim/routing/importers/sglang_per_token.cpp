// SGLang's per_token dumps: every token with its position, its id and its experts, from which requests are told apart.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/check.h"
#include "routing/importers/sglang_dump.h"

namespace moesim::routing {
namespace {
std::vector<std::int32_t> integers(const formats::TorchFile& file, const formats::Pickled* list,
                                   const std::string& what, std::size_t size) {
  if (list == nullptr || (list->kind != formats::Pickled::Kind::list && list->kind != formats::Pickled::Kind::tuple))
    throw ConfigError(fmt::format("{}: {}: expected a list of whole numbers", file.name(), what));
  std::vector<std::int32_t> out;
  for (const formats::Pickled& v : *list->items) {
    if (v.kind != formats::Pickled::Kind::integer || v.integer < -1 || v.integer >= INT32_MAX)
      throw ConfigError(fmt::format("{}: {}: expected a list of whole numbers", file.name(), what));
    out.push_back(std::int32_t(v.integer));
  }
  if (size != SIZE_MAX && out.size() != size)
    throw ConfigError(
        fmt::format("{}: {}: expected {} numbers, one a token, got {}", file.name(), what, size, out.size()));
  return out;
}

/// Finds which request a token continues from its position.  Unknown where two could be meant.
class RequestNumbers {
 public:
  /// Tokens of one rank's pass, in order.
  void assign(std::vector<TraceToken>& tokens, const std::vector<std::int32_t>& extend) {
    std::vector<std::size_t> starts;  // of the sequences in the pass
    if (extend.empty())
      for (std::size_t i = 0; i < tokens.size(); ++i) starts.push_back(i);
    for (std::size_t i = 0, at = 0; i < extend.size(); at += std::size_t(extend[i++])) starts.push_back(at);
    starts.push_back(tokens.size());
    std::vector<std::int32_t> request(starts.size() - 1);
    for (std::size_t q = 0; q + 1 < starts.size(); ++q)
      request[q] = starts[q] < tokens.size() ? take(tokens[starts[q]].position) : -1;
    for (std::size_t q = 0; q + 1 < starts.size(); ++q) {
      for (std::size_t i = starts[q]; i < starts[q + 1]; ++i) tokens[i].request = request[q];
      if (starts[q] < starts[q + 1]) open_.emplace(tokens[starts[q + 1] - 1].position + 1, request[q]);
    }
  }
  bool all_known() const { return known_; }
  explicit RequestNumbers(std::int32_t& next) : next_(next) {}

 private:
  std::int32_t take(std::int32_t position) {
    if (position == 0) return next_++;
    const auto [first, end] = open_.equal_range(position);
    if (first == end || std::next(first) != end) {  // a recording that began later, or two of equal length
      known_ = false;
      for (auto i = first; i != end; i = open_.erase(i)) {
      }
      return -1;
    }
    const std::int32_t out = first->second;
    open_.erase(first);
    return out;
  }
  std::multimap<std::int32_t, std::int32_t> open_;  // next position to request
  std::int32_t& next_;
  bool known_ = true;
};

/// One rank's tokens of one pass.
struct RankPass {
  const formats::TorchFile* file;
  const formats::Pickled* record;
  std::size_t rank;
};

class PerToken {
 public:
  PerToken(const ImportContext& context, const SglangDumps& files) : context_(context), ranks_(ranks_note(files)) {
    for (std::size_t r = 0; r < files.size(); ++r) {
      maps_.push_back(physical_map(*files[r]));
      if (maps_[r].layers != maps_[0].layers || maps_[r].experts != maps_[0].experts)
        throw ConfigError(fmt::format("{}: has {} layers of {} experts, {} has {} of {}", files[r]->name(),
                                      maps_[r].layers, maps_[r].experts, files[0]->name(), maps_[0].layers,
                                      maps_[0].experts));
      for (const formats::Pickled& record : dump_records(*files[r]))
        passes_[dump_integer(*files[r], record, "forward_pass_id")].push_back({files[r].get(), &record, r});
    }
    survey();
  }

  void import() {
    RoutedSource s;
    s.name = "SGLang expert distribution recorder, per_token";
    s.file = context_.files[0];
    s.axis = LayerAxis::hidden;
    s.axis_size = int(maps_[0].layers);
    s.experts = maps_[0].experts;
    s.top_k = top_k_;
    s.token_ids = true;
    s.requests = requests_known_;
    s.phases = true;
    s.zero_is_empty = false;
    s.notes.push_back(
        "physical experts were named by the last map; a rebalancing during the recording would misname earlier passes");
    s.notes.push_back(requests_known_ ? "requests were told apart by the positions of their tokens"
                                      : "not every token's request can be told from the positions");
    if (!ranks_.empty()) s.notes.push_back(ranks_);
    s.blocks = [this](const auto& take) { blocks(take); };
    import_routing(context_, s);
  }

 private:
  struct Tokens {
    std::vector<std::int32_t> ids, positions, extend;
    std::int64_t mode = 0;
    formats::ArraySource choices;
  };
  Tokens tokens(const RankPass& p) const {
    Tokens out;
    out.choices = dump_array(*p.file, p.record->find("topk_ids_of_layer"), "topk_ids_of_layer", 3);
    const auto n = std::size_t(out.choices.shape[1]);
    if (out.choices.shape[0] != maps_[p.rank].layers || out.choices.shape[2] < 1 || out.choices.shape[2] > 64)
      throw ConfigError(fmt::format("{}: expected [{}, tokens, choices], got {}", out.choices.where,
                                    maps_[p.rank].layers, out.choices.shape_text()));
    out.ids = integers(*p.file, p.record->find("input_ids"), "input_ids", n);
    out.positions = integers(*p.file, p.record->find("positions"), "positions", n);
    if (const formats::Pickled* extend = p.record->find("extend_seq_lens");
        extend != nullptr && extend->kind != formats::Pickled::Kind::none) {
      out.extend = integers(*p.file, extend, "extend_seq_lens", SIZE_MAX);
      std::size_t sum = 0;
      for (const std::int32_t length : out.extend) sum += length < 0 ? n + 1 : std::size_t(length);
      if (sum != n)
        throw ConfigError(
            fmt::format("{}: extend_seq_lens add up to {}, but there are {} tokens", p.file->name(), sum, n));
    }
    out.mode = dump_integer(*p.file, *p.record, "forward_mode");
    return out;
  }

  /// Top-k is the widest choice: the file pads to a fixed width with -1.  Every rank's choices count.
  void survey() {
    bool known = true;
    std::int32_t next = 0;
    std::vector<RequestNumbers> requests(maps_.size(), RequestNumbers(next));
    std::vector<std::int32_t> ids;
    DumpBudget budget;
    for (const auto& [id, ranks] : passes_)
      for (const RankPass& p : ranks) {
        const Tokens t = tokens(p);
        budget.add(*p.file, t.choices);
        t.choices.read_integers(0, t.choices.shape[0], ids);
        const std::size_t width = std::size_t(t.choices.shape[2]);
        for (std::size_t i = 0; i < ids.size(); i += width)
          for (std::size_t j = 0; j < width; ++j)
            if (ids[i + j] >= 0) top_k_ = std::max(top_k_, int(j) + 1);
        std::vector<TraceToken> meta = meta_of(t, 0);
        requests[p.rank].assign(meta, t.extend);
        known = known && requests[p.rank].all_known();
      }
    if (top_k_ == 0) throw ConfigError(fmt::format("{}: holds no routing: every choice is absent", context_.files[0]));
    requests_known_ = known;
  }

  static std::vector<TraceToken> meta_of(const Tokens& t, std::int32_t pass) {
    std::vector<TraceToken> out;
    // SGLang's ForwardMode: 1 extend, 2 decode, 3 mixed (one-token sequences decode).  Others verify or draft: decode.
    std::vector<bool> one;
    for (const std::int32_t length : t.extend) one.insert(one.end(), std::size_t(length), length == 1);
    for (std::size_t i = 0; i < t.ids.size(); ++i) {
      const bool decode = t.mode != 1 && (t.mode != 3 || one.empty() || one[i]);
      out.push_back({pass, -1, t.positions[i], t.ids[i], decode ? TracePhase::decode : TracePhase::prefill, 0});
    }
    return out;
  }

  void blocks(const std::function<void(const TokenBlock&)>& take) const {
    std::int32_t pass = 0, next = 0;
    std::vector<RequestNumbers> requests(maps_.size(), RequestNumbers(next));
    std::vector<std::int32_t> ids;
    for (const auto& [id, ranks] : passes_) {
      for (const RankPass& p : ranks) {
        const Tokens t = tokens(p);
        TokenBlock b;
        b.where = fmt::format("{}: pass {}", p.file->name(), id);
        b.tokens = meta_of(t, pass);
        requests[p.rank].assign(b.tokens, t.extend);
        t.choices.read_integers(0, t.choices.shape[0], ids);
        logical(ids, t, maps_[p.rank], b);
        take(b);
      }
      ++pass;
    }
  }
  /// From (layers, tokens, width) physical to (tokens, layers, top_k) logical.
  void logical(const std::vector<std::int32_t>& ids, const Tokens& t, const PhysicalMap& map, TokenBlock& b) const {
    const std::size_t layers = std::size_t(map.layers), n = b.tokens.size(), width = std::size_t(t.choices.shape[2]),
                      k = std::size_t(top_k_);
    b.ids.assign(n * layers * k, -1);
    for (std::size_t l = 0; l < layers; ++l)
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < std::min(k, width); ++j) {
          const std::int32_t e = ids[(l * n + i) * width + j];
          if (e < -1 || e >= map.physical)
            throw ConfigError(
                fmt::format("{}: token {}, layer {}: names physical expert {} of {}", b.where, i, l, e, map.physical));
          if (e >= 0) b.ids[(i * layers + l) * k + j] = map.logical[l * std::size_t(map.physical) + std::size_t(e)];
        }
  }

  const ImportContext& context_;
  std::string ranks_;
  std::vector<PhysicalMap> maps_;
  std::map<std::int64_t, std::vector<RankPass>> passes_;
  int top_k_ = 0;
  bool requests_known_ = false;
};
}  // namespace

void read_sglang_per_token(const ImportContext& context, const SglangDumps& files) {
  PerToken(context, files).import();
}
}  // namespace moesim::routing
