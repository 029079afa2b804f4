// A pass with DSA written down from the formulas, in double precision, token after token, without caches: DeepSeek-V2
// paper, section 2.1 (MLA); DeepSeek-V3.2-Exp report, section 2.1 (indexer); DeepSeek-V3 report, section 2.1.2 (gate).
#pragma once
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

#include "numerics/weights/weights.h"

namespace moesim::numerics {
using Row = std::vector<double>;
using Rows = std::vector<Row>;

/// Small numbers by name and place; norms about 1.
class DrawnWeights final : public Weights {
 public:
  explicit DrawnWeights(std::uint64_t seed) : seed_(seed) {}
  const float* get(const PartShape& shape, int layer, int expert, WeightScratch&) override {
    std::vector<float>& values = made_[{int(shape.part), layer, expert}];
    std::uint64_t state = seed_ * 1000003 + std::uint64_t(shape.part) * 8191 + std::uint64_t(layer + 1) * 131 +
                          std::uint64_t(expert + 1) * 524287;
    const bool norm = shape.rows == 1 && shape.part != Part::selection_bias && shape.part != Part::index_key_norm_bias;
    for (std::int64_t i = std::int64_t(values.size()); i < shape.size(); ++i) {
      state = (state + 0x9e3779b97f4a7c15ULL) * 6364136223846793005ULL + 1442695040888963407ULL;
      const double uniform = double(state >> 40) / double(1 << 24) - 0.5;
      values.push_back(float(norm ? 1 + 0.2 * uniform : uniform));
    }
    return values.data();
  }

 private:
  std::uint64_t seed_;
  std::map<std::array<int, 3>, std::vector<float>> made_;
};

class NaiveDsa {
 public:
  NaiveDsa(const spec::Model& model, Weights& weights) : m_(model), a_(model.attention), weights_(weights) {}

  std::map<int, std::vector<std::vector<int>>> experts, picks;  // by layer, a row a token
  Rows logits;                                                  // of every token

  void run(const std::vector<int>& tokens) {
    const Rows table = matrix({Part::embedding, m_.vocabulary, m_.hidden}, -1);
    Rows x;
    for (const int token : tokens) x.push_back(table[std::size_t(token)]);
    for (layer_ = 0; layer_ < m_.layers; ++layer_) {
      add(x, attend(norm(x, Part::attention_norm)));
      add(x, feed(norm(x, Part::ffn_norm)));
    }
    layer_ = -1;
    x = norm(x, Part::final_norm);
    logits = times(x, matrix({Part::head, m_.vocabulary, m_.hidden}, -1));
  }

 private:
  Rows matrix(PartShape shape, int layer, int expert = -1) {
    const float* p = weights_.get(shape, layer, expert, scratch_);
    Rows out(std::size_t(shape.rows), Row(std::size_t(shape.columns)));
    for (Row& row : out)
      for (double& v : row) v = double(*p++);
    return out;
  }
  Rows weight(Part part, int rows, int columns) { return matrix({part, rows, columns}, layer_); }
  Row vector(Part part, int n) { return matrix({part, 1, n}, layer_).front(); }
  static Rows times(const Rows& x, const Rows& w) {
    Rows out;
    for (const Row& row : x) {
      out.emplace_back();
      for (const Row& column : w) out.back().push_back(std::inner_product(row.begin(), row.end(), column.begin(), 0.0));
    }
    return out;
  }
  static void add(Rows& x, const Rows& y) {
    for (std::size_t t = 0; t < x.size(); ++t)
      for (std::size_t i = 0; i < x[t].size(); ++i) x[t][i] += y[t][i];
  }
  Row normed(const Row& x, const Row& w) const {
    double square = 0;
    for (const double v : x) square += v * v;
    Row out = x;
    for (std::size_t i = 0; i < x.size(); ++i)
      out[i] = x[i] / std::sqrt(square / double(x.size()) + m_.norm_epsilon) * w[i];
    return out;
  }
  Rows norm(const Rows& x, Part part) {
    const Row w = vector(part, int(x.front().size()));
    Rows out;
    for (const Row& row : x) out.push_back(normed(row, w));
    return out;
  }

  /// Turns `dims` columns from `first` on.
  void turn(Row& x, std::size_t first, int position, bool neighbours) const {
    const int dims = a_.qk_rope_head_dim, half = dims / 2;
    for (int i = 0; i < half; ++i) {
      const double angle = position * std::pow(m_.rope.theta, -2.0 * i / dims);
      double& a = x[first + std::size_t(neighbours ? 2 * i : i)];
      double& b = x[first + std::size_t(neighbours ? 2 * i + 1 : i + half)];
      const double before = a;
      a = before * std::cos(angle) - b * std::sin(angle);
      b = b * std::cos(angle) + before * std::sin(angle);
    }
  }

  void pick(const Rows& h, const Rows& query_latent) {
    const spec::IndexerShape& x = *a_.indexer;
    const Rows q = times(query_latent, weight(Part::index_query, x.heads * x.head_dim, a_.q_lora_rank));
    Rows k = times(h, weight(Part::index_key, x.head_dim, m_.hidden));
    const Rows w = times(h, weight(Part::index_weights, x.heads, m_.hidden));
    const Row scale = vector(Part::index_key_norm, x.head_dim), shift = vector(Part::index_key_norm_bias, x.head_dim);
    for (std::size_t s = 0; s < k.size(); ++s) {
      const double mean = std::accumulate(k[s].begin(), k[s].end(), 0.0) / x.head_dim;
      double square = 0;
      for (const double v : k[s]) square += (v - mean) * (v - mean);
      for (std::size_t i = 0; i < k[s].size(); ++i)
        k[s][i] = (k[s][i] - mean) / std::sqrt(square / x.head_dim + 1e-6) * scale[i] + shift[i];
      turn(k[s], 0, int(s), x.interleaved_rope);
    }
    chosen_.clear();
    for (std::size_t t = 0; t < h.size(); ++t) {
      std::vector<std::pair<double, int>> scores;  // best first when sorted
      for (std::size_t s = 0; s <= t; ++s) {
        double sum = 0;
        for (int head = 0; head < x.heads; ++head) {
          Row own(q[t].begin() + head * x.head_dim, q[t].begin() + (head + 1) * x.head_dim);
          turn(own, 0, int(t), x.interleaved_rope);
          sum += w[t][std::size_t(head)] * std::max(0.0, std::inner_product(own.begin(), own.end(), k[s].begin(), 0.0));
        }
        scores.emplace_back(-sum, int(s));
      }
      std::sort(scores.begin(), scores.end());
      scores.resize(std::min(scores.size(), std::size_t(x.top_k)));
      chosen_.emplace_back();
      for (const auto& [score, s] : scores) chosen_.back().push_back(s);
      std::sort(chosen_.back().begin(), chosen_.back().end());
    }
    picks[layer_] = chosen_;
  }

  Rows attend(const Rows& h) {
    const int nope = a_.qk_nope_head_dim, rank = a_.kv_lora_rank, both = nope + a_.v_head_dim;
    const Rows down = norm(times(h, weight(Part::query_down, a_.q_lora_rank, m_.hidden)), Part::query_down_norm);
    const Rows q = times(down, weight(Part::query_up, a_.heads * a_.head_dim, a_.q_lora_rank));
    Rows kv = times(h, weight(Part::kv_down, rank + a_.qk_rope_head_dim, m_.hidden)), latent;
    const Row scale = vector(Part::kv_down_norm, rank);
    for (std::size_t s = 0; s < kv.size(); ++s) {
      latent.push_back(normed(Row(kv[s].begin(), kv[s].begin() + rank), scale));
      turn(kv[s], std::size_t(rank), int(s), true);
    }
    const Rows up = times(latent, weight(Part::kv_up, a_.heads * both, rank));
    if (spec::layer_shape(m_, layer_).attention.index == spec::IndexUse::own) pick(h, down);
    Rows out;
    for (std::size_t t = 0; t < h.size(); ++t) {
      out.emplace_back();
      for (int head = 0; head < a_.heads; ++head) {
        Row own(q[t].begin() + head * a_.head_dim, q[t].begin() + (head + 1) * a_.head_dim);
        turn(own, std::size_t(nope), int(t), true);
        Row weights, sum(std::size_t(a_.v_head_dim), 0.0);
        for (const int s : chosen_[t]) {
          const double* const keys = up[std::size_t(s)].data() + head * both;
          const double logit =
              std::inner_product(own.begin(), own.begin() + nope, keys, 0.0) +
              std::inner_product(own.begin() + nope, own.end(), kv[std::size_t(s)].begin() + rank, 0.0);
          weights.push_back(std::exp(logit / std::sqrt(double(a_.head_dim))));
        }
        const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
        for (std::size_t i = 0; i < weights.size(); ++i)
          for (std::size_t c = 0; c < sum.size(); ++c)
            sum[c] += weights[i] / total * up[std::size_t(chosen_[t][i])][std::size_t(head * both + nope) + c];
        out.back().insert(out.back().end(), sum.begin(), sum.end());
      }
    }
    return times(out, weight(Part::output, m_.hidden, a_.heads * a_.v_head_dim));
  }

  Rows network(const Rows& x, Part gate, int width, int expert = -1) {
    const Rows g = times(x, matrix({gate, width, m_.hidden}, layer_, expert));
    Rows u = times(x, matrix({Part(int(gate) + 1), width, m_.hidden}, layer_, expert));
    for (std::size_t t = 0; t < u.size(); ++t)
      for (std::size_t i = 0; i < u[t].size(); ++i) u[t][i] *= g[t][i] / (1 + std::exp(-g[t][i]));
    return times(u, matrix({Part(int(gate) + 2), m_.hidden, width}, layer_, expert));
  }

  Rows feed(const Rows& h) {
    if (!m_.is_moe_layer(layer_)) return network(h, Part::dense_gate, m_.dense_width);
    const spec::MoeShape& moe = *m_.moe;
    const Rows router = times(h, weight(Part::router, moe.experts, m_.hidden));
    const Row bias = vector(Part::selection_bias, moe.experts);
    Rows out = network(h, Part::shared_gate, moe.shared_experts * moe.expert_width);
    for (std::size_t t = 0; t < h.size(); ++t) {
      Row score;
      std::vector<std::pair<double, int>> order;
      for (int e = 0; e < moe.experts; ++e) {
        score.push_back(1 / (1 + std::exp(-router[t][std::size_t(e)])));
        order.emplace_back(-(score.back() + bias[std::size_t(e)]), e);
      }
      std::sort(order.begin(), order.end());
      double total = 0;
      experts[layer_].emplace_back();
      for (int k = 0; k < moe.top_k; ++k) {
        experts[layer_].back().push_back(order[std::size_t(k)].second);
        total += score[std::size_t(order[std::size_t(k)].second)];
      }
      for (const int e : experts[layer_].back()) {
        const Row one = network({h[t]}, Part::expert_gate, moe.expert_width, e).front();
        for (std::size_t i = 0; i < one.size(); ++i) out[t][i] += one[i] * score[std::size_t(e)] / total * moe.scale;
      }
    }
    return out;
  }

  const spec::Model& m_;
  const spec::AttentionShape& a_;
  Weights& weights_;
  WeightScratch scratch_;
  int layer_ = 0;
  std::vector<std::vector<int>> chosen_;  // of the last indexer
};
}  // namespace moesim::numerics
