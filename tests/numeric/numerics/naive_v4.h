// DeepSeek-V4's pass written down from its description, in double precision, token after token over whole sequences,
// without caches.
#pragma once
#include <cmath>
#include <numeric>

#include "numeric/numerics/drawn_v4.h"

namespace moesim::numerics {
class NaiveV4 {
 public:
  NaiveV4(const CompressedShape& shape, const DrawnV4& weights) : s_(shape), w_(weights) {}
  std::map<int, std::vector<std::vector<int>>> experts, picks;  // by layer, a row a token
  std::vector<Row> logits;

  void run(const std::vector<int>& tokens) {
    for (const int token : tokens) x_.emplace_back(std::size_t(s_.streams), w_.at("embed.weight")[std::size_t(token)]);
    for (int layer = 0; layer < s_.layers; ++layer) {
      at_ = fmt::format("layers.{}.", layer);
      const std::vector<Row> h = read("attn");
      write(attention(layer, h));
      const std::vector<Row> f = read("ffn");
      std::vector<Row> out;
      for (std::size_t t = 0; t < f.size(); ++t) out.push_back(mixture(layer, tokens[t], f[t]));
      write(out);
    }
    for (const std::vector<Row>& streams : x_) {
      const Row m = mixes(streams, "hc_head_fn");
      Row sum(std::size_t(s_.hidden));
      for (std::size_t i = 0; i < streams.size(); ++i)
        for (std::size_t c = 0; c < sum.size(); ++c)
          sum[c] += (sigmoid(m[i] * w_.at("hc_head_scale")[0][0] + w_.at("hc_head_base")[0][i]) + s_.stream_epsilon) *
                    streams[i][c];
      logits.push_back(times("head.weight", norm(sum, &w_.at("norm.weight")[0])));
    }
  }

 private:
  static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
  static double dot(const Row& a, const Row& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }
  Row times(const std::string& name, const Row& x) const {
    Row out;
    for (const Row& row : w_.at(name)) out.push_back(dot(row, x));
    return out;
  }
  Row norm(Row x, const Row* weight) const {
    const double scale = 1 / std::sqrt(dot(x, x) / double(x.size()) + s_.norm_epsilon);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] *= scale * (weight ? (*weight)[i] : 1);
    return x;
  }
  Row mixes(const std::vector<Row>& streams, const std::string& map) const {
    Row flat;
    for (const Row& one : streams) flat.insert(flat.end(), one.begin(), one.end());
    return times(map, norm(flat, nullptr));
  }

  /// What a part of the layer gets; how it writes back stays in mix_.
  std::vector<Row> read(const std::string& part) {
    const Row &scale = w_.at(at_ + "hc_" + part + "_scale")[0], &base = w_.at(at_ + "hc_" + part + "_base")[0];
    const auto n = std::size_t(s_.streams);
    std::vector<Row> out;
    mix_.clear();
    for (const std::vector<Row>& streams : x_) {
      Row m = mixes(streams, at_ + "hc_" + part + "_fn");
      for (std::size_t i = 0; i < m.size(); ++i) m[i] = m[i] * scale[i < n ? 0 : i < 2 * n ? 1 : 2] + base[i];
      Row sum(std::size_t(s_.hidden));
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += (sigmoid(m[i]) + s_.stream_epsilon) * streams[i][c];
      out.push_back(norm(sum, &w_.at(at_ + part + "_norm.weight")[0]));
      mix_.push_back(doubly_stochastic(m));
    }
    return out;
  }
  /// m with its last n x n part balanced.
  Row doubly_stochastic(Row m) const {
    const auto n = std::size_t(s_.streams);
    double* const c = m.data() + 2 * n;
    for (std::size_t i = 0; i < n; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < n; ++j) sum += c[i * n + j] = std::exp(c[i * n + j]);
      for (std::size_t j = 0; j < n; ++j) c[i * n + j] = c[i * n + j] / sum + s_.stream_epsilon;
    }
    for (int round = 0; round < 2 * s_.sinkhorn_rounds - 1; ++round)
      for (std::size_t i = 0; i < n; ++i) {  // columns first, then rows and columns in turn
        const std::size_t step = round % 2 == 0 ? n : 1, first = round % 2 == 0 ? i : i * n;
        double sum = s_.stream_epsilon;
        for (std::size_t j = 0; j < n; ++j) sum += c[first + j * step];
        for (std::size_t j = 0; j < n; ++j) c[first + j * step] /= sum;
      }
    return m;
  }
  void write(const std::vector<Row>& result) {
    const auto n = std::size_t(s_.streams);
    for (std::size_t t = 0; t < x_.size(); ++t) {
      const std::vector<Row> before = x_[t];
      for (std::size_t to = 0; to < n; ++to)
        for (std::size_t d = 0; d < before[0].size(); ++d) {
          x_[t][to][d] = 2 * sigmoid(mix_[t][n + to]) * result[t][d];
          for (std::size_t from = 0; from < n; ++from) x_[t][to][d] += mix_[t][2 * n + from * n + to] * before[from][d];
        }
    }
  }

  void turn(Row& x, int layer, int position, double way = 1) const {
    const spec::RopeShape& r = s_.rope;
    const bool stretched = s_.has_entries(layer);
    const int dims = s_.rope_dims;
    for (int i = 0; i < dims / 2; ++i) {
      const double theta = stretched ? s_.compressed_theta : r.theta;
      double f = std::pow(theta, -2.0 * i / dims);
      if (stretched && r.scaling == "yarn") {
        const auto dim = [&](double turns) {
          return dims * std::log(r.original_positions / (turns * 2 * M_PI)) / (2 * std::log(theta));
        };
        const double low = std::max(std::floor(dim(r.beta_fast)), 0.0);
        double high = std::min(std::ceil(dim(r.beta_slow)), dims - 1.0);
        if (low == high) high += 0.001;
        const double ramp = std::clamp((i - low) / (high - low), 0.0, 1.0);
        f = f / r.factor * ramp + f * (1 - ramp);
      }
      const std::size_t at = x.size() - std::size_t(dims) + 2 * std::size_t(i);
      const double a = x[at], b = x[at + 1], c = std::cos(position * f), s = way * std::sin(position * f);
      x[at] = a * c - b * s, x[at + 1] = a * s + b * c;
    }
  }
  std::vector<Row> entries(int layer, const std::string& at, int width, const std::vector<Row>& h) const {
    const int ratio = s_.ratios[std::size_t(layer)];
    std::vector<Row> out;
    for (int b = 0; b < int(h.size()) / ratio; ++b) {
      Row entry;
      for (int c = 0; c < width; ++c) {
        double sum = 0, value = 0;
        for (int t = ratio == 4 ? std::max(0, (b - 1) * ratio) : b * ratio; t < (b + 1) * ratio; ++t) {
          const std::size_t column = std::size_t(ratio == 4 && t >= b * ratio ? width + c : c);
          const double weight = std::exp(dot(w_.at(at + "wgate.weight")[column], h[std::size_t(t)]) +
                                         w_.at(at + "ape")[std::size_t(t % ratio)][column]);
          sum += weight, value += weight * dot(w_.at(at + "wkv.weight")[column], h[std::size_t(t)]);
        }
        entry.push_back(value / sum);
      }
      out.push_back(norm(entry, &w_.at(at + "norm.weight")[0]));
      turn(out.back(), layer, b * ratio);
    }
    return out;
  }
  static Row piece(const Row& x, int index, int width) {
    return {x.begin() + index * width, x.begin() + (index + 1) * width};
  }

  std::vector<int> picked(int layer, int position, const Row& latent, const Row& h,
                          const std::vector<Row>& keys) const {
    std::vector<std::pair<double, int>> scored;
    const Row q = times(at_ + "attn.indexer.wq_b.weight", latent),
              w = times(at_ + "attn.indexer.weights_proj.weight", h);
    for (int b = 0; b < (position + 1) / 4; ++b) {
      double sum = 0;
      for (int head = 0; head < s_.index_heads; ++head) {
        Row own = piece(q, head, s_.index_dim);
        turn(own, layer, position);
        sum += w[std::size_t(head)] * std::max(0.0, dot(own, keys[std::size_t(b)]));
      }
      scored.emplace_back(-sum, b);
    }
    std::sort(scored.begin(), scored.end());
    scored.resize(std::min(scored.size(), std::size_t(s_.index_picks)));
    std::vector<int> out;
    for (const auto& [score, b] : scored) out.push_back(b);
    std::sort(out.begin(), out.end());
    return out;
  }

  std::vector<Row> attention(int layer, const std::vector<Row>& h) {
    const std::string at = at_ + "attn.";
    const int ratio = s_.ratios[std::size_t(layer)];
    std::vector<Row> window, compressed, index, out;
    for (std::size_t t = 0; t < h.size(); ++t) {
      window.push_back(norm(times(at + "wkv.weight", h[t]), &w_.at(at + "kv_norm.weight")[0]));
      turn(window.back(), layer, int(t));
    }
    if (ratio > 0) compressed = entries(layer, at + "compressor.", s_.head_dim, h);
    if (ratio == 4) index = entries(layer, at + "indexer.compressor.", s_.index_dim, h);
    for (int t = 0; t < int(h.size()); ++t) {
      const Row latent = norm(times(at + "wq_a.weight", h[std::size_t(t)]), &w_.at(at + "q_norm.weight")[0]);
      std::vector<Row> keys(window.begin() + std::max(0, t + 1 - s_.window), window.begin() + t + 1);
      std::vector<int> chosen(std::size_t(ratio > 0 ? (t + 1) / ratio : 0));
      std::iota(chosen.begin(), chosen.end(), 0);
      if (ratio == 4) picks[layer].push_back(chosen = picked(layer, t, latent, h[std::size_t(t)], index));
      for (const int b : chosen) keys.push_back(compressed[std::size_t(b)]);
      out.push_back(heads(layer, t, times(at + "wq_b.weight", latent), keys));
    }
    return out;
  }
  Row heads(int layer, int t, const Row& q, const std::vector<Row>& keys) const {
    const std::string at = at_ + "attn.";
    Row all, low;
    for (int head = 0; head < s_.heads; ++head) {
      Row own = norm(piece(q, head, s_.head_dim), nullptr), sum(std::size_t(s_.head_dim));
      turn(own, layer, t);
      double total = std::exp(w_.at(at + "attn_sink")[0][std::size_t(head)]);
      for (const Row& key : keys) {
        const double weight = std::exp(dot(own, key) / std::sqrt(double(s_.head_dim)));
        total += weight;
        for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += weight * key[c];
      }
      for (double& v : sum) v /= total;
      turn(sum, layer, t, -1);
      all.insert(all.end(), sum.begin(), sum.end());
    }
    for (int r = 0; r < s_.groups * s_.group_rank; ++r)
      low.push_back(
          dot(w_.at(at + "wo_a.weight")[std::size_t(r)], piece(all, r / s_.group_rank, int(all.size()) / s_.groups)));
    return times(at + "wo_b.weight", low);
  }

  Row network(const std::string& at, const Row& x) const {
    Row g = times(at + "w1.weight", x);
    const Row u = times(at + "w3.weight", x);
    for (std::size_t i = 0; i < g.size(); ++i) {
      const double gate = std::min(g[i], s_.swiglu_limit);
      g[i] = gate * sigmoid(gate) * std::clamp(u[i], -s_.swiglu_limit, s_.swiglu_limit);
    }
    return times(at + "w2.weight", g);
  }
  Row mixture(int layer, int token, const Row& x) {
    const std::string at = at_ + "ffn.";
    Row score = times(at + "gate.weight", x);
    for (double& v : score) v = std::sqrt(std::log1p(std::exp(v)));
    std::vector<std::pair<double, int>> order;
    for (int e = 0; e < s_.experts && layer >= s_.hashed_layers; ++e)
      order.emplace_back(-score[std::size_t(e)] - w_.at(at + "gate.bias")[0][std::size_t(e)], e);
    std::sort(order.begin(), order.end());
    std::vector<int>& chosen = experts[layer].emplace_back();
    for (int k = 0; k < s_.top_k; ++k)
      chosen.push_back(layer < s_.hashed_layers ? int(w_.expert(layer, token, k)) : order[std::size_t(k)].second);
    double total = 0;
    for (const int e : chosen) total += score[std::size_t(e)];
    Row out = network(at + "shared_experts.", x);
    for (const int e : chosen) {
      const Row one = network(fmt::format("{}experts.{}.", at, e), x);
      for (std::size_t i = 0; i < out.size(); ++i) out[i] += one[i] * score[std::size_t(e)] / total * s_.gate_scale;
    }
    return out;
  }

  const CompressedShape& s_;
  const DrawnV4& w_;
  std::string at_;                   // "layers.3."
  std::vector<std::vector<Row>> x_;  // a token's streams
  std::vector<Row> mix_;             // a token's three mixtures, the last one balanced
};
}  // namespace moesim::numerics
