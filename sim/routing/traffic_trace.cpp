#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <numeric>
#include <set>

#include "core/check.h"
#include "core/log.h"
#include "routing/traffic_kinds.h"

namespace moesim::routing {
namespace {
constexpr std::int64_t kMostListed = 16'384;       // tokens of a step that come as lists
constexpr std::int64_t kSample = 1'024;            // tokens that stand for a larger step's fan-out
constexpr std::int64_t kIndexStep = 256;           // tokens between running counts
constexpr std::int64_t kMostMemory = 512'000'000;  // bytes of choices and counts kept in memory

/// Says that a trace is a part of what was to be recorded, once a file: phases and pools read it anew.
void say_incomplete(const Trace& trace) {
  static std::mutex guard;
  static std::set<std::string> said;  // to the person at the terminal; no result depends on it
  const std::lock_guard lock(guard);
  if (!trace.complete() && said.insert(trace.file()).second)
    say(fmt::format("{}: is incomplete, for its recording was interrupted; its {} tokens are replayed", trace.file(),
                    trace.tokens()));
}

/// The selected tokens of a trace as one endless stream: position p is token p modulo their number.
class TokenStream {
 public:
  TokenStream(const TraceTrafficParams& p, const TrafficContext& c) : trace_(p.file.path) {
    const TraceHeader& h = trace_.header();
    say_incomplete(trace_);
    TraceFilter filter;
    if (h.phases) filter.phase = c.phase;
    if (!p.domain.empty()) {
      const auto at = std::find(h.domains.begin(), h.domains.end(), p.domain);
      if (at == h.domains.end())
        throw ConfigError("domain",
                          fmt::format("{}: the trace has no domain \"{}\"{}", p.file.path, p.domain,
                                      suggestion(p.domain, {h.domains.begin(), h.domains.end()}, "there are")));
      filter.domain = int(at - h.domains.begin());
    }
    ranges_ = select(trace_, filter);
    if (ranges_.empty())
      throw ConfigError(fmt::format("{}: the trace has no {}token{}", p.file.path,
                                    filter.phase ? fmt::format("{} ", name_of(*filter.phase)) : "",
                                    p.domain.empty() ? "" : fmt::format(" of domain \"{}\"", p.domain)));
    for (const TokenRange& r : ranges_) {
      starts_.push_back(size_);
      size_ += r.end - r.first;
    }
    const std::int64_t bytes = size_ * h.top_k * 2 + size_ / kIndexStep * h.experts * 4;
    in_memory_ = bytes * trace_.layers() <= kMostMemory;
    if (p.assign == TraceAssign::request) order_by_request();
    layers_.resize(std::size_t(trace_.layers()));
  }

  const Trace& trace() const { return trace_; }
  std::int64_t size() const { return size_; }

  /// Adds the tokens per expert of positions [first, first + count); O(experts) when in memory.
  void add_load(int ordinal, std::int64_t first, std::int64_t count, std::span<std::int64_t> out) {
    const std::int64_t turns = count / size_;
    if (turns > 0)
      for (std::size_t e = 0; e < out.size(); ++e) out[e] += turns * total(ordinal)[e];
    first %= size_;
    const std::int64_t end = first + count % size_;
    add_part(ordinal, first, std::min(end, size_), out);
    if (end > size_) add_part(ordinal, 0, end - size_, out);
  }

  /// Writes the choices of positions first, first + stride, ...: (count, top_k).
  void choices(int ordinal, std::int64_t first, std::int64_t count, std::int64_t stride, std::int16_t* out) {
    const std::int64_t k = trace_.header().top_k;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t at = (first + i * stride) % size_;
      if (in_memory_) {
        const std::int16_t* const ids = &layer(ordinal).ids[std::size_t(at * k)];
        out = std::copy(ids, ids + k, out);
      } else {
        trace_.read_experts(ordinal, token_at(at), 1, buffer_);
        out = std::copy(buffer_.begin(), buffer_.end(), out);
      }
    }
  }

  const std::vector<std::int64_t>& total(int ordinal) { return layer(ordinal).total; }

 private:
  struct Layer {
    std::vector<std::int16_t> ids;       // (size, top_k), if in memory
    std::vector<std::uint32_t> running;  // (size / kIndexStep + 1, experts), if in memory
    std::vector<std::int64_t> total;     // (experts)
  };

  void order_by_request() {
    if (!trace_.header().requests)
      throw ConfigError(
          "assign",
          fmt::format("{}: the trace does not say which request a token belongs to; use assign: chunk", trace_.file()));
    if (!in_memory_)
      throw ConfigError(
          "assign", fmt::format("{}: the trace is too large to order by request; use assign: chunk", trace_.file()));
    std::vector<TraceToken> tokens;
    std::vector<std::int32_t> request;
    for (const TokenRange& r : ranges_)
      for (std::int64_t at = r.first; at < r.end; at += kMostListed) {
        trace_.read_tokens(at, std::min(kMostListed, r.end - at), tokens);
        for (const TraceToken& t : tokens) request.push_back(t.request);
      }
    order_.resize(std::size_t(size_));
    std::iota(order_.begin(), order_.end(), std::int32_t{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [&](std::int32_t a, std::int32_t b) { return request[std::size_t(a)] < request[std::size_t(b)]; });
  }

  std::int64_t token_at(std::int64_t position) const {
    const auto range = std::upper_bound(starts_.begin(), starts_.end(), position) - starts_.begin() - 1;
    return ranges_[std::size_t(range)].first + position - starts_[std::size_t(range)];
  }

  Layer& layer(int ordinal) {
    Layer& l = layers_[std::size_t(ordinal)];
    if (!l.total.empty()) return l;
    const std::size_t experts = std::size_t(trace_.header().experts), k = std::size_t(trace_.header().top_k);
    l.total.assign(experts, 0);
    if (!in_memory_) {
      std::vector<std::int64_t> part(experts);
      for (const TokenRange& r : ranges_) {
        trace_.load(ordinal, r.first, r.end - r.first, part);
        for (std::size_t e = 0; e < experts; ++e) l.total[e] += part[e];
      }
      return l;
    }
    for (const TokenRange& r : ranges_) {
      trace_.read_experts(ordinal, r.first, r.end - r.first, buffer_);
      l.ids.insert(l.ids.end(), buffer_.begin(), buffer_.end());
    }
    if (!order_.empty()) {
      std::vector<std::int16_t> sorted(l.ids.size());
      for (std::size_t i = 0; i < order_.size(); ++i)
        std::copy_n(l.ids.begin() + std::ptrdiff_t(std::size_t(order_[i]) * k), k,
                    sorted.begin() + std::ptrdiff_t(i * k));
      l.ids = std::move(sorted);
    }
    for (std::size_t i = 0; i < l.ids.size(); ++i) {
      if (i % (std::size_t(kIndexStep) * k) == 0) l.running.insert(l.running.end(), l.total.begin(), l.total.end());
      if (l.ids[i] >= 0) ++l.total[std::size_t(l.ids[i])];
    }
    return l;
  }

  /// Adds positions [first, end), which do not wrap.
  void add_part(int ordinal, std::int64_t first, std::int64_t end, std::span<std::int64_t> out) {
    if (first >= end) return;
    if (in_memory_) {
      add_before(layer(ordinal), end, 1, out);
      add_before(layer(ordinal), first, -1, out);
      return;
    }
    std::vector<std::int64_t> part(out.size());
    for (std::size_t r = 0; r < ranges_.size(); ++r) {
      const std::int64_t from = std::max(first, starts_[r]),
                         to = std::min(end, starts_[r] + ranges_[r].end - ranges_[r].first);
      if (from >= to) continue;
      trace_.load(ordinal, ranges_[r].first + from - starts_[r], to - from, part);
      for (std::size_t e = 0; e < out.size(); ++e) out[e] += part[e];
    }
  }
  void add_before(const Layer& l, std::int64_t end, std::int64_t sign, std::span<std::int64_t> out) const {
    const std::int64_t k = trace_.header().top_k, index = std::min(end, size_ - 1) / kIndexStep;
    const std::uint32_t* const running = &l.running[std::size_t(index) * out.size()];
    for (std::size_t e = 0; e < out.size(); ++e) out[e] += sign * std::int64_t(running[e]);
    for (std::int64_t i = index * kIndexStep * k; i < end * k; ++i)
      if (const std::int16_t e = l.ids[std::size_t(i)]; e >= 0) out[std::size_t(e)] += sign;
  }

  Trace trace_;
  std::vector<TokenRange> ranges_;
  std::vector<std::int64_t> starts_;  // (ranges): position of the first token of each
  std::int64_t size_ = 0;
  bool in_memory_ = true;
  std::vector<std::int32_t> order_;  // position to selected token, if not in recorded order
  std::vector<Layer> layers_;
  std::vector<std::int16_t> buffer_;
};

/// Replays a trace: step t of C tokens takes positions t C to (t + 1) C of the stream of selected tokens.
class TraceTraffic final : public TrafficSource {
 public:
  using Params = TraceTrafficParams;
  TraceTraffic(const Params& p, const TrafficContext& context) : p_(p), c_(context), stream_(p, context) {
    const TraceHeader& h = stream_.trace().header();
    if (h.experts != c_.gate.experts || h.top_k != c_.gate.top_k)
      throw ConfigError(fmt::format("{}: the trace has {} experts and top-{}, the model {} and top-{}", p.file.path,
                                    h.experts, h.top_k, c_.gate.experts, c_.gate.top_k));
    load_.resize(std::size_t(h.experts));
  }

  /// Of all selected tokens, whatever the step.
  void shares(int layer, std::int64_t, std::span<double> out) const override {
    const std::vector<std::int64_t>& total = stream_.total(ordinal(layer));
    check(out.size() == total.size(), "{} experts have room for {} shares", total.size(), out.size());
    const double sum = double(std::accumulate(total.begin(), total.end(), std::int64_t{0}));
    for (std::size_t e = 0; e < out.size(); ++e) out[e] = sum > 0 ? double(total[e]) / sum : 1.0 / double(out.size());
  }

  void draw_load(int layer, std::int64_t step, std::int64_t tokens, std::span<double> out) const override {
    check(out.size() == load_.size(), "{} experts have room for {} loads", load_.size(), out.size());
    std::fill(load_.begin(), load_.end(), 0);
    stream_.add_load(ordinal(layer), start(step, tokens), tokens, load_);
    std::copy(load_.begin(), load_.end(), out.begin());
  }

  void draw(int layer, std::int64_t step, std::span<const std::int32_t> tokens, Traffic& out) const override {
    const int m = ordinal(layer);
    const std::int64_t total = std::accumulate(tokens.begin(), tokens.end(), std::int64_t{0}),
                       first = start(step, total);
    const std::size_t k = std::size_t(c_.gate.top_k), experts = load_.size();
    const bool deal = p_.assign == TraceAssign::round_robin;
    out.tokens.assign(tokens.begin(), tokens.end());
    out.spread_blocks = 0;
    out.sample.clear();
    out.choices.clear();
    if (total <= kMostListed || deal) {
      out.choices.resize(std::size_t(total) * k);
      read_lists(m, first, tokens, deal, out.choices.data());
      count_rows(c_.gate, out);
      return;
    }
    out.gate = c_.gate;
    out.sources = int(tokens.size());
    out.rows.resize(tokens.size() * experts);
    std::int64_t at = first;
    for (std::size_t source = 0; source < tokens.size(); ++source, at += tokens[source - 1]) {
      std::fill(load_.begin(), load_.end(), 0);
      stream_.add_load(m, at, tokens[source], load_);
      std::copy(load_.begin(), load_.end(), out.rows.begin() + std::ptrdiff_t(source * experts));
    }
    out.sample.resize(std::size_t(kSample) * k);
    stream_.choices(m, first, kSample, total / kSample, out.sample.data());
  }
  std::vector<std::int16_t> sample(std::span<const int> layers, std::int64_t tokens) const override {
    const std::vector<TokenRange> runs = spread_runs({0, stream_.size()}, tokens);
    std::size_t each = 0;
    for (const TokenRange& run : runs) each += std::size_t(run.end - run.first) * std::size_t(c_.gate.top_k);
    std::vector<std::int16_t> out(layers.size() * each);
    std::int16_t* at = out.data();
    for (const int layer : layers)
      for (const TokenRange& run : runs) {
        stream_.choices(ordinal(layer), run.first, run.end - run.first, 1, at);
        at += (run.end - run.first) * c_.gate.top_k;
      }
    return out;
  }
  bool dealt() const override { return stream_.trace().header().sampled; }

 private:
  std::int64_t start(std::int64_t step, std::int64_t tokens) const {
    check(step >= 0 && tokens >= 0, "step {} and its {} tokens must not be negative", step, tokens);
    return step % stream_.size() * (tokens % stream_.size()) % stream_.size();
  }
  void read_lists(int m, std::int64_t first, std::span<const std::int32_t> tokens, bool deal, std::int16_t* out) const {
    const std::int64_t gpus = std::int64_t(tokens.size()), k = c_.gate.top_k;
    for (std::int64_t source = 0; source < gpus; ++source) {
      const std::int64_t n = tokens[std::size_t(source)];
      stream_.choices(m, deal ? first + source : first, n, deal ? gpus : 1, out);
      out += n * k;
      if (!deal) first += n;
    }
  }
  /// Layers after the last recorded one (the multi-token prediction layers) route as that one does.
  int ordinal(int layer) const {
    const Trace& trace = stream_.trace();
    if (layer > trace.header().layers.back()) return trace.layers() - 1;
    const int m = trace.ordinal(layer);
    if (m < 0)
      throw ConfigError(fmt::format("{}: the trace has no layer {}; it has {} layers from {} to {}", p_.file.path,
                                    layer, trace.layers(), trace.header().layers.front(),
                                    trace.header().layers.back()));
    return m;
  }

  Params p_;
  TrafficContext c_;
  mutable TokenStream stream_;  // reading fills its memory
  mutable std::vector<std::int64_t> load_;
};
}  // namespace

TrafficStrategy trace_traffic() {
  return strategy<TraceTraffic, TrafficSource, const TrafficContext&>("trace",
                                                                      "replays a recorded trace, window by window");
}
std::unique_ptr<TrafficSource> make_trace_traffic(const TraceTrafficParams& params, const TrafficContext& context) {
  return std::make_unique<TraceTraffic>(params, context);
}
}  // namespace moesim::routing
