#include "routing/statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/interrupt.h"
#include "core/log.h"
#include "routing/load_shape.h"
#include "routing/transitions.h"

namespace moesim::routing {
namespace {
// Pieces are shorter where
constexpr std::int64_t kAtOnce = 1 << 23;  // their choices in a layer, or their first ones in all, are more
/// Loads by kind of text, layer and expert: 128 MiB, a hundred times 20 kinds of the largest models.
constexpr std::size_t kMostDomainLoads = std::size_t{1} << 24;

/// Counts of one pass over the trace.
struct Counts {
  std::size_t layers, experts, domains;
  std::vector<double> load;        // (domains, layers, experts)
  std::vector<std::int64_t> same;  // (layers): consecutive tokens with the same first choice
  std::int64_t pairs = 0;
  Transitions follow, chance;                     // from the first choice here to the first choice in the next layer
  std::vector<std::int64_t> groups, nodes, gpus;  // (layers): distinct ones, summed over tokens
  std::vector<std::int64_t> routed;               // (layers): tokens with any choice
};

/// The first choices of the token before each, when it belongs to the same request.
class Previous {
 public:
  /// tokens: of a piece.  Returns where the token before each lies: index in the piece, -1 none, or kEarlier.
  static constexpr int kEarlier = -2;
  std::vector<int> of(const std::vector<TraceToken>& tokens, bool requests) {
    std::vector<int> out(tokens.size(), -1);
    std::map<std::int32_t, int> here;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const TraceToken& t = tokens[i];
      if (!requests) {
        if (i > 0 && tokens[i - 1].pass == t.pass) out[i] = int(i) - 1;
        continue;
      }
      if (const auto at = here.find(t.request); at != here.end()) {
        if (tokens[std::size_t(at->second)].position + 1 == t.position) out[i] = at->second;
      } else if (const auto before = last_.find(t.request); before != last_.end()) {
        if (before->second.position + 1 == t.position) out[i] = kEarlier;
      }
      here[t.request] = int(i);
    }
    ends_ = std::move(here);
    return out;
  }
  std::int16_t earlier(std::int32_t request, std::size_t layer) const { return last_.at(request).first[layer]; }
  /// first: (layers, tokens) first choices of the piece.
  void keep(const std::vector<TraceToken>& tokens, const std::vector<std::int16_t>& first, std::size_t layers) {
    for (const auto& [request, i] : ends_) {
      Last& last = last_[request];
      last.position = tokens[std::size_t(i)].position;
      last.first.resize(layers);
      for (std::size_t m = 0; m < layers; ++m) last.first[m] = first[m * tokens.size() + std::size_t(i)];
    }
    if (last_.size() > kMostRequests || std::int64_t(last_.size() * layers) > 4 * kAtOnce)
      last_.clear();  // memory stays bounded; a pair or two a request goes unseen
  }

 private:
  static constexpr std::size_t kMostRequests = 100'000;
  struct Last {
    std::int32_t position = 0;
    std::vector<std::int16_t> first;
  };
  std::map<std::int32_t, Last> last_;
  std::map<std::int32_t, int> ends_;  // last token of each request in the piece
};

void count_fan_out(const std::vector<std::int16_t>& ids, std::size_t k, std::size_t m, const TraceHeader& h,
                   const spec::GroupShape& group, int per_gpu, Counts& out) {
  const int group_size = std::max(1, h.experts / h.groups);
  for (std::size_t t = 0; t < ids.size(); t += k) {
    std::uint32_t n[3] = {0, 0, 0};
    for (std::size_t j = 0; j < k; ++j) {
      if (ids[t + j] < 0) continue;
      const int gpu = ids[t + j] / per_gpu, node = group.node_of(gpu), g = ids[t + j] / group_size;
      bool fresh[3] = {true, true, true};
      for (std::size_t i = 0; i < j; ++i) {
        if (ids[t + i] < 0) continue;
        const int other = ids[t + i] / per_gpu;
        fresh[0] = fresh[0] && ids[t + i] / group_size != g;
        fresh[1] = fresh[1] && group.node_of(other) != node;
        fresh[2] = fresh[2] && other != gpu;
      }
      for (int i = 0; i < 3; ++i) n[i] += fresh[i];
    }
    out.routed[m] += n[2] > 0;
    out.groups[m] += n[0];
    out.nodes[m] += n[1];
    out.gpus[m] += n[2];
  }
}

std::int64_t count(const Trace& trace, const spec::GroupShape& group, Counts& out) {
  const TraceHeader& h = trace.header();
  const std::size_t k = std::size_t(h.top_k), layers = out.layers, e = out.experts;
  const int per_gpu = spec::contiguous_experts(h.experts, group.gpus);
  Progress progress("counting", std::uint64_t(trace.tokens()), "tokens");
  Previous previous;
  std::vector<TraceToken> tokens;
  std::vector<std::int16_t> ids, first;
  std::int64_t at = 0;
  const std::int64_t fit = std::max<std::int64_t>(1, kAtOnce / std::int64_t(std::max(layers, k))),
                     piece = std::min(kTokensAtOnce, fit);
  for (; at < trace.tokens(); at += piece) {
    stop_if_interrupted("nothing was counted to the end");
    trace.read_tokens(at, std::min(piece, trace.tokens() - at), tokens);
    const std::size_t n = tokens.size();
    const std::vector<int> before = previous.of(tokens, h.requests);
    first.resize(layers * n);
    for (std::size_t m = 0; m < layers; ++m) {
      trace.read_experts(int(m), at, std::int64_t(n), ids);
      for (std::size_t t = 0; t < n; ++t) {
        first[m * n + t] = ids[t * k];
        const std::size_t domain = out.domains > 1 ? tokens[t].domain : 0;
        double* const load = &out.load[(domain * layers + m) * e];
        for (std::size_t j = 0; j < k; ++j)
          if (ids[t * k + j] >= 0) ++load[ids[t * k + j]];
        if (before[t] == -1) continue;
        const std::int16_t then = before[t] == Previous::kEarlier ? previous.earlier(tokens[t].request, m)
                                                                  : first[m * n + std::size_t(before[t])];
        out.same[m] += then >= 0 && then == first[m * n + t];
        out.pairs += m == 0;
      }
      count_fan_out(ids, k, m, h, group, per_gpu, out);
      if (m == 0) continue;
      for (std::size_t t = 0; t < n; ++t) {
        const std::int16_t here = first[(m - 1) * n + t], next = first[m * n + t],
                           other = first[m * n + (t + n / 2) % n];
        if (here < 0) continue;
        if (next >= 0) out.follow.add(m - 1, here, next);
        if (other >= 0) out.chance.add(m - 1, here, other);
      }
    }
    previous.keep(tokens, first, layers);
    progress.at(std::uint64_t(at) + n);
  }
  return std::min(at, trace.tokens());
}

double domain_correlation(const Counts& c, std::size_t m) {
  double sum = 0;
  int pairs = 0;
  const auto load = [&](std::size_t d) { return std::span(c.load).subspan((d * c.layers + m) * c.experts, c.experts); };
  const auto empty = [&](std::size_t d) {
    return std::all_of(load(d).begin(), load(d).end(), [](double x) { return x == 0; });
  };
  for (std::size_t a = 0; a < c.domains; ++a)
    for (std::size_t b = a + 1; b < c.domains; ++b) {
      if (empty(a) || empty(b)) continue;
      sum += correlation(load(a), load(b));
      ++pairs;
    }
  return pairs > 0 ? sum / pairs : 0;
}

LayerStatistics layer_statistics(const Counts& c, std::size_t m, const TraceHeader& h, const spec::GroupShape& group) {
  LayerStatistics s;
  s.layer = h.layers[m];
  const int per_gpu = spec::contiguous_experts(h.experts, group.gpus);
  std::vector<double> load(c.experts), gpu(std::size_t(group.gpus));
  for (std::size_t d = 0; d < c.domains; ++d)
    for (std::size_t e = 0; e < c.experts; ++e) load[e] += c.load[(d * c.layers + m) * c.experts + e];
  for (std::size_t e = 0; e < c.experts; ++e) gpu[e / std::size_t(per_gpu)] += load[e];
  s.max_over_mean = max_over_mean(load);
  s.variation = variation(load);
  s.gini = gini(load);
  s.hottest = int(std::max_element(load.begin(), load.end()) - load.begin());
  s.top_share = share_of_largest(load, std::max<std::size_t>(1, c.experts / 10));
  s.effective_experts = effective_number(load);
  s.cold = int(std::count(load.begin(), load.end(), 0.0));
  const std::int64_t tokens = std::max<std::int64_t>(1, c.routed[m]);
  s.collapsed = tokens * h.top_k >= h.experts &&
                s.effective_experts < std::max(h.experts / 10.0, std::min(2.0 * h.top_k, h.experts / 2.0));
  s.repetition = c.pairs > 0 ? double(c.same[m]) / double(c.pairs) : 0;
  if (m + 1 < c.layers) {
    s.affinity = c.follow.likeliest_share(m);
    s.affinity_by_chance = c.chance.likeliest_share(m);
  }
  s.domain_correlation = domain_correlation(c, m);
  s.groups_per_token = double(c.groups[m]) / double(tokens);
  s.nodes_per_token = double(c.nodes[m]) / double(tokens);
  s.gpus_per_token = double(c.gpus[m]) / double(tokens);
  s.balance = balance(gpu);
  return s;
}
}  // namespace

double TraceStatistics::mean(double LayerStatistics::*member) const {
  double sum = 0;
  for (const LayerStatistics& l : layers) sum += l.*member;
  const bool next = member == &LayerStatistics::affinity || member == &LayerStatistics::affinity_by_chance;
  const std::size_t n = layers.size() - (next ? 1 : 0);
  return n > 0 ? sum / double(n) : 0;
}

TraceStatistics trace_statistics(const Trace& trace, const spec::GroupShape& group) {
  const TraceHeader& h = trace.header();
  if (group.gpus < 1 || group.gpus > h.experts)
    throw ConfigError::placed(
        fmt::format("--gpus: expected 1 to the trace's {} experts, got {}", h.experts, group.gpus));
  if (group.gpus_per_node < 1)
    throw ConfigError::placed(fmt::format("--gpus-per-node: expected at least 1, got {}", group.gpus_per_node));
  const std::size_t loads = h.layers.size() * std::size_t(h.experts);
  const Transitions none(h.layers.size() - 1, std::size_t(h.experts));
  // kinds of text that would take too much are not told apart
  const std::size_t domains = h.domains.size() * loads <= kMostDomainLoads ? h.domains.size() : 1;
  Counts c{h.layers.size(), std::size_t(h.experts), domains, {}, {}, 0, none, none, {}, {}, {}, {}};
  c.load.resize(c.domains * loads);
  for (auto* list : {&c.same, &c.groups, &c.nodes, &c.gpus, &c.routed}) list->resize(c.layers);
  TraceStatistics out;
  out.group = group;
  out.tokens = count(trace, group, c);
  out.consecutive = c.pairs;
  for (std::size_t d = 0; d < c.domains; ++d)
    out.domains +=
        std::any_of(c.load.begin() + std::ptrdiff_t(d * c.layers * c.experts),
                    c.load.begin() + std::ptrdiff_t((d + 1) * c.layers * c.experts), [](double x) { return x > 0; });
  for (std::size_t m = 0; m < c.layers; ++m) out.layers.push_back(layer_statistics(c, m, h, group));
  return out;
}
}  // namespace moesim::routing
