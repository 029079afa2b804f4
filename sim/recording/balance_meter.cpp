#include "recording/balance_meter.h"

#include <algorithm>
#include <numeric>

#include "core/check.h"

namespace moesim::recording {

void BalanceMeter::choose(const numerics::GateInput& in, numerics::Routing& out) {
  gate_->choose(in, out);
  if (in.layer >= layers_) return;
  check(int(texts_.size()) == in.logits.rows, "{} rows, {} were announced", in.logits.rows, texts_.size());
  numerics::Matrix scores(in.logits.rows, in.logits.columns);
  numerics::each_block(in.machine, scores.rows, 64, [&](int first, int count) {
    for (int t = first; t < first + count; ++t) {
      numerics::gate_scores(in.moe, in.logits.row(t), scores.row(t));
      double sum = 0;
      for (int e = 0; e < scores.columns; ++e) sum += double(scores.row(t)[e]);
      for (int e = 0; e < scores.columns; ++e) scores.row(t)[e] = float(double(scores.row(t)[e]) / (sum + 1e-20));
    }
  });
  Layer& layer = by_layer_[in.layer];
  layer.top_k = in.moe.top_k;
  const auto experts = std::size_t(in.moe.experts), k = std::size_t(out.top_k);
  for (int t = 0; t < scores.rows; ++t) {
    Sums& sums = layer.open[texts_[std::size_t(t)]];
    if (sums.tokens++ == 0) sums.chosen.resize(experts), sums.scores.resize(experts);
    for (std::size_t i = 0; i < k; ++i)
      if (const int e = out.experts[std::size_t(t) * k + i]; e >= 0) ++sums.chosen[std::size_t(e)];
    for (std::size_t e = 0; e < experts; ++e) sums.scores[e] += double(scores.row(t)[e]);
  }
}

double BalanceMeter::loss(const Sums& sums, int top_k) {
  const double n = double(sums.tokens);
  double out = 0;
  for (std::size_t e = 0; e < sums.chosen.size(); ++e)
    out += sums.chosen[e] * double(sums.chosen.size()) / (top_k * n) * (sums.scores[e] / n);
  return out;
}

void BalanceMeter::add(const Sums& from, Sums& to) {
  to.tokens += from.tokens;
  to.chosen.resize(from.chosen.size());
  to.scores.resize(from.scores.size());
  for (std::size_t e = 0; e < from.chosen.size(); ++e) to.chosen[e] += from.chosen[e], to.scores[e] += from.scores[e];
}

void BalanceMeter::finish(int text) {
  for (auto& [number, layer] : by_layer_) {
    const auto at = layer.open.find(text);
    if (at == layer.open.end()) continue;
    layer.sequence_sum += loss(at->second, layer.top_k);
    ++layer.sequences;
    add(at->second, layer.all);
    layer.open.erase(at);
  }
}

std::vector<LayerBalance> BalanceMeter::balance() const {
  std::vector<LayerBalance> out;
  for (const auto& [number, layer] : by_layer_)
    if (layer.sequences > 0) {
      const Sums& all = layer.all;
      const double kept = std::accumulate(all.chosen.begin(), all.chosen.end(), 0.0);
      const double asked = double(all.tokens) * layer.top_k, experts = double(all.chosen.size());
      out.push_back({number, layer.sequence_sum / layer.sequences, loss(all, layer.top_k),
                     *std::ranges::max_element(all.chosen) * experts / std::max(1.0, kept), 1 - kept / asked});
    }
  return out;
}
}  // namespace moesim::recording
