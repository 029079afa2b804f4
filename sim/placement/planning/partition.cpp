#include "placement/planning/partition.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "core/check.h"

namespace moesim::placement {
namespace {
class Partitioner {
 public:
  Partitioner(const UseGraph& graph, const PartitionProblem& p)
      : graph_(graph), p_(p), part_(p.weight.size(), -1), load_(p.room.size(), 0), used_(p.room.size(), 0) {
    pull_.assign(p.weight.size(), std::vector<double>(p.room.size(), 0));
    if (!p.attraction.empty()) pull_ = p.attraction;
    const double total = std::accumulate(p.weight.begin(), p.weight.end(), 0.0);
    share_ = total / std::accumulate(p.speed.begin(), p.speed.end(), 0.0);
  }

  std::vector<int> run() {
    std::vector<std::size_t> order(part_.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return p_.weight[a] > p_.weight[b]; });
    for (const std::size_t v : order) put(v, choose(v));
    for (int pass = 0; pass < kPasses; ++pass) {
      bool moved = false;
      for (const std::size_t v : order) moved |= improve(v);
      if (!moved) break;
    }
    return part_;
  }

 private:
  static constexpr int kPasses = 20;  // the gain is spent long before: most graphs stop after five

  double edge(std::size_t v, std::size_t w) const {
    const auto [e, there] = boost::edge(v, w, graph_);
    return there ? boost::get(boost::edge_weight, graph_, e) : 0;
  }
  double most(std::size_t part) const { return share_ * p_.speed[part] * (1 + p_.tolerance); }
  bool holds(std::size_t part, int expert) const {
    for (std::size_t w = 0; w < part_.size(); ++w)
      if (part_[w] == int(part) && p_.expert[w] == expert) return true;
    return false;
  }

  /// Best first: lacks the expert, within tolerance, most pull, least loaded.
  std::size_t choose(std::size_t v) const {
    std::size_t best = p_.room.size();
    const auto rank = [&](std::size_t part) {
      const double after = load_[part] + p_.weight[v];
      const bool fits = after <= most(part);
      return std::tuple(holds(part, p_.expert[v]), !fits, fits ? -pull_[v][part] : 0, after / p_.speed[part]);
    };
    for (std::size_t part = 0; part < p_.room.size(); ++part)
      if (used_[part] < p_.room[part] && (best == p_.room.size() || rank(part) < rank(best))) best = part;
    check(best < p_.room.size(), "{} vertices do not fit their parts", part_.size());
    return best;
  }

  void put(std::size_t v, std::size_t part) {
    part_[v] = int(part);
    load_[part] += p_.weight[v];
    ++used_[part];
    for (std::size_t w = 0; w < part_.size(); ++w)
      if (w != v) pull_[w][part] += edge(v, w);
  }
  void remove(std::size_t v) {
    const auto part = std::size_t(part_[v]);
    part_[v] = -1;
    load_[part] -= p_.weight[v];
    --used_[part];
    for (std::size_t w = 0; w < part_.size(); ++w)
      if (w != v) pull_[w][part] -= edge(v, w);
  }

  /// Swaps v with the vertex that gains most, if any gains.
  bool improve(std::size_t v) {
    const auto a = std::size_t(part_[v]);
    const double least = 1e-9 * (1 + pull_[v][a]);
    double best = least;
    std::size_t with = part_.size();
    for (std::size_t w = 0; w < part_.size(); ++w) {
      const auto b = std::size_t(part_[w]);
      if (b == a || p_.expert[v] == p_.expert[w]) continue;
      const double gain = pull_[v][b] - pull_[v][a] + pull_[w][a] - pull_[w][b] - 2 * edge(v, w);
      if (gain <= best) continue;
      const double shift = p_.weight[w] - p_.weight[v];
      if (shift > 0 ? load_[a] + shift > most(a) : load_[b] - shift > most(b)) continue;
      if (holds(b, p_.expert[v]) || holds(a, p_.expert[w])) continue;
      best = gain;
      with = w;
    }
    if (with == part_.size()) return false;
    const auto b = std::size_t(part_[with]);
    remove(v);
    remove(with);
    put(v, b);
    put(with, a);
    return true;
  }

  const UseGraph& graph_;
  const PartitionProblem& p_;
  std::vector<int> part_;
  std::vector<double> load_;
  std::vector<int> used_;
  std::vector<std::vector<double>> pull_;  // (vertices, parts): weight of v's edges into the part
  double share_ = 0;
};
}  // namespace

std::vector<int> partition(const UseGraph& graph, const PartitionProblem& problem) {
  return Partitioner(graph, problem).run();
}
}  // namespace moesim::placement
