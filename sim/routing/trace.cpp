#include "routing/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/check.h"
#include "results/blob.h"
#include "results/store.h"
#include "routing/trace_layout.h"
#include "routing/trace_summary.h"

namespace moesim::routing {
using namespace trace_layout;

namespace {
/// Running counts of a trace are kept in memory up to this size, layer by layer as they are asked for.
constexpr std::size_t kMostCountBytes = std::size_t{256} << 20;
}  // namespace

struct Trace::State {
  std::string file;
  results::Database db;
  TraceSummary about;
  const TraceHeader& header = about.header;
  const std::int64_t tokens, blocks;
  results::Statement get_tokens, get_experts, get_load;
  struct Cached {
    std::int64_t block = -1;
    std::vector<std::int16_t> ids;
  };
  std::vector<Cached> last;                        // by layer: the block decoded last
  std::vector<std::vector<std::uint32_t>> counts;  // by layer: (blocks + 1, experts), or empty
  std::vector<std::uint32_t> one_count;

  explicit State(const std::string& f)
      : file(f),
        db(open(f)),
        about(read_trace_summary(db)),
        tokens(about.tokens),
        blocks(about.blocks),
        get_tokens(trace_statement(db, "SELECT columns FROM trace_tokens WHERE block = ?")),
        get_experts(trace_statement(db, "SELECT width, ids, weights FROM trace_experts WHERE id = ?")),
        get_load(trace_statement(db, "SELECT counts FROM trace_load WHERE id = ?")) {
    last.resize(header.layers.size());
    counts.resize(header.layers.size());
  }

  static results::Database open(const std::string& f) {
    results::Database db = results::Database::open(f);
    if (!db.has_table("trace") || !db.has_table("trace_experts"))
      throw ConfigError::placed(
          fmt::format("{}: is not a routing trace{}", f, db.has_table("metric") ? " but a results database" : ""));
    return db;
  }

  [[noreturn]] void damaged(std::string_view what) const { trace_damaged(file, what); }

  std::int64_t block_tokens(std::int64_t block) const { return std::min(kBlock, tokens - block * kBlock); }
  std::int64_t row(int ordinal, std::int64_t block) const {
    return block * std::int64_t(header.layers.size()) + ordinal;
  }
  std::vector<std::byte> unpack(std::span<const std::byte> blob, std::size_t size, const char* what) const {
    try {
      std::vector<std::byte> out = results::decompress(blob, size);
      if (out.size() == size) return out;
    } catch (const ConfigError&) {  // says nothing of the file; damaged() does
    }
    damaged(fmt::format("a block of {} does not have {} bytes", what, size));
  }

  const std::vector<std::int16_t>& ids(int ordinal, std::int64_t block) {
    Cached& cached = last[std::size_t(ordinal)];
    if (cached.block == block) return cached.ids;
    cached.block = -1;
    if (!get_experts.bind(0, row(ordinal, block)).step()) damaged(fmt::format("block {} is missing", block));
    const std::int64_t width = get_experts.integer(0);
    if (width != 1 && width != 2) damaged(fmt::format("expert ids are {} bytes wide", width));
    cached.ids.resize(std::size_t(block_tokens(block) * header.top_k));
    unpack_ids(unpack(get_experts.blob(1), cached.ids.size() * std::size_t(width), "expert ids"), int(width),
               cached.ids);
    get_experts.reset();
    if (width == 1 && header.experts < 256)
      for (std::int16_t& id : cached.ids) id = id == 255 ? std::int16_t{-1} : id;
    for (const std::int16_t id : cached.ids)
      if (id < -1 || id >= header.experts) damaged(fmt::format("it names expert {} of {}", id, header.experts));
    cached.block = block;
    return cached.ids;
  }

  void read_counts(int ordinal, std::int64_t block, std::uint32_t* out) {
    const std::size_t size = std::size_t(header.experts) * 4;
    if (!get_load.bind(0, row(ordinal, block)).step())
      damaged(fmt::format("the counts of block {} are missing", block));
    std::memcpy(out, unpack(get_load.blob(0), size, "counts").data(), size);
    get_load.reset();
  }
  /// Tokens per expert before `block`, (experts); valid until the next call.
  const std::uint32_t* counts_before(int ordinal, std::int64_t block) {
    const std::size_t e = std::size_t(header.experts), entries = std::size_t(blocks + 1) * e;
    if (entries * 4 * header.layers.size() > kMostCountBytes) {
      one_count.resize(e);
      read_counts(ordinal, block, one_count.data());
      return one_count.data();
    }
    std::vector<std::uint32_t>& all = counts[std::size_t(ordinal)];
    if (all.empty()) {
      all.resize(entries);
      for (std::int64_t b = 0; b <= blocks; ++b) read_counts(ordinal, b, &all[std::size_t(b) * e]);
    }
    return &all[std::size_t(block) * e];
  }
  /// Adds sign * (tokens per expert before token `end`).
  void add_load_before(int ordinal, std::int64_t end, std::int64_t sign, std::span<std::int64_t> out) {
    // The nearer block boundary: never more than half a block of tokens to count.
    std::int64_t block = end / kBlock;
    const bool above = end - block * kBlock > kBlock / 2 && block + 1 <= blocks && (block + 1) * kBlock <= tokens;
    if (above) ++block;
    const std::uint32_t* const before = counts_before(ordinal, block);
    for (std::size_t e = 0; e < out.size(); ++e) out[e] += sign * std::int64_t(before[e]);
    if (end == block * kBlock) return;
    const std::vector<std::int16_t>& list = ids(ordinal, above ? block - 1 : block);
    const std::int64_t k = header.top_k, split = (end % kBlock) * k;
    const std::int64_t from = above ? split : 0, to = above ? std::int64_t(list.size()) : split;
    if (above) sign = -sign;
    for (std::int64_t i = from; i < to; ++i)
      if (const std::int16_t id = list[std::size_t(i)]; id >= 0) out[std::size_t(id)] += sign;
  }
  void check_window(int ordinal, std::int64_t first, std::int64_t count) const {
    check(ordinal >= 0 && ordinal < int(header.layers.size()), "a trace of {} layers has no layer ordinal {}",
          header.layers.size(), ordinal);
    check(first >= 0 && count >= 0 && first + count <= tokens, "a trace of {} tokens has no tokens {} to {}", tokens,
          first, first + count);
  }
};

Trace::Trace(const std::string& file) : s_(std::make_unique<State>(file)) {}
Trace::~Trace() = default;
Trace::Trace(Trace&&) noexcept = default;
Trace& Trace::operator=(Trace&&) noexcept = default;

const std::string& Trace::file() const { return s_->file; }
const TraceHeader& Trace::header() const { return s_->header; }
std::int64_t Trace::tokens() const { return s_->tokens; }
std::int64_t Trace::passes() const { return s_->about.passes; }
bool Trace::complete() const { return s_->about.complete; }

int Trace::ordinal(int layer) const {
  const std::vector<int>& layers = header().layers;
  const auto at = std::lower_bound(layers.begin(), layers.end(), layer);
  return at != layers.end() && *at == layer ? int(at - layers.begin()) : -1;
}

void Trace::read_tokens(std::int64_t first, std::int64_t count, std::vector<TraceToken>& out) const {
  s_->check_window(0, first, count);
  out.clear();
  out.reserve(std::size_t(count));
  std::vector<TraceToken> block;
  for (std::int64_t at = first, end = first + count; at < end;) {
    const std::int64_t b = at / kBlock, n = s_->block_tokens(b);
    if (!s_->get_tokens.bind(0, b).step()) s_->damaged(fmt::format("block {} is missing", b));
    block.resize(std::size_t(n));
    unpack_tokens(s_->unpack(s_->get_tokens.blob(0), std::size_t(n) * kTokenBytes, "tokens"), block);
    s_->get_tokens.reset();
    std::int32_t pass = 0;
    for (const TraceToken& t : block) {
      if (t.phase > TracePhase::decode || t.domain >= header().domains.size())
        s_->damaged(fmt::format("a token of block {} has an unknown phase or domain", b));
      if (t.request < -1 || t.position < -1 || t.token < -1)
        s_->damaged(fmt::format("a token of block {} has request {}, position {} and id {}", b, t.request, t.position,
                                t.token));
      if (t.pass < pass) s_->damaged(fmt::format("pass {} of block {} comes after pass {}", t.pass, b, pass));
      pass = t.pass;
    }
    const std::int64_t stop = std::min(end, b * kBlock + n);
    out.insert(out.end(), block.begin() + (at - b * kBlock), block.begin() + (stop - b * kBlock));
    at = stop;
  }
}

void Trace::read_experts(int ordinal, std::int64_t first, std::int64_t count, std::vector<std::int16_t>& out) const {
  s_->check_window(ordinal, first, count);
  out.clear();
  const std::int64_t k = header().top_k;
  out.reserve(std::size_t(count * k));
  for (std::int64_t at = first, end = first + count; at < end;) {
    const std::int64_t b = at / kBlock, start = b * kBlock, stop = std::min(end, start + s_->block_tokens(b));
    const std::vector<std::int16_t>& ids = s_->ids(ordinal, b);
    out.insert(out.end(), ids.begin() + (at - start) * k, ids.begin() + (stop - start) * k);
    at = stop;
  }
}

void Trace::read_weights(int ordinal, std::int64_t first, std::int64_t count, std::vector<float>& out) const {
  s_->check_window(ordinal, first, count);
  out.clear();
  if (!header().weights) return;
  const std::int64_t k = header().top_k;
  for (std::int64_t at = first, end = first + count; at < end;) {
    const std::int64_t b = at / kBlock, n = s_->block_tokens(b), stop = std::min(end, b * kBlock + n);
    if (!s_->get_experts.bind(0, s_->row(ordinal, b)).step()) s_->damaged(fmt::format("block {} is missing", b));
    const std::vector<std::byte> bytes = s_->unpack(s_->get_experts.blob(2), std::size_t(n * k) * 4, "weights");
    s_->get_experts.reset();
    const std::size_t old = out.size();
    out.resize(old + std::size_t((stop - at) * k));
    std::memcpy(&out[old], bytes.data() + (at - b * kBlock) * k * 4, std::size_t((stop - at) * k) * 4);
    for (std::size_t i = old; i < out.size(); ++i)
      if (!std::isfinite(out[i])) s_->damaged(fmt::format("a gate weight of block {} is {}", b, out[i]));
    at = stop;
  }
}

void Trace::load(int ordinal, std::int64_t first, std::int64_t count, std::span<std::int64_t> out) const {
  s_->check_window(ordinal, first, count);
  check(out.size() == std::size_t(header().experts), "a load of {} experts has room for {}", header().experts,
        out.size());
  std::fill(out.begin(), out.end(), 0);
  if (const std::int64_t start = first / kBlock * kBlock, k = header().top_k;
      first + count <= start + kBlock && count * k < header().experts) {  // fewer rows than the counts have entries
    const std::vector<std::int16_t>& ids = s_->ids(ordinal, first / kBlock);
    for (std::int64_t i = (first - start) * k; i < (first - start + count) * k; ++i)
      if (ids[std::size_t(i)] >= 0) ++out[std::size_t(ids[std::size_t(i)])];
    return;
  }
  s_->add_load_before(ordinal, first + count, 1, out);
  s_->add_load_before(ordinal, first, -1, out);
  for (std::size_t e = 0; e < out.size(); ++e)
    if (out[e] < 0 || out[e] > count * header().top_k)
      s_->damaged(fmt::format("expert {} has {} of the choices of {} tokens", e, out[e], count));
}
}  // namespace moesim::routing
