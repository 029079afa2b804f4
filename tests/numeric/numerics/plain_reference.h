// A forward pass written from the models' descriptions, in double precision, a token after the other and all of them
// anew for each: loops over positions and heads, no caches, nothing shared with sim/numerics/pass but the weights.
// Sources: the modeling files of transformers for olmoe, qwen2_moe, minimax_m2, qwen3_next and qwen3_5_moe, and
// NVIDIA's modeling_nemotron_h.py; Gated Delta
// Networks, arXiv 2412.06464.
#pragma once
#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "numeric/numerics/plain_mamba.h"
#include "numerics/weights/weights.h"

namespace moesim::numerics {

class PlainReference {
 public:
  PlainReference(const spec::Model& model, Weights& weights) : m_(model), weights_(weights) {}

  struct Choice {
    std::vector<int> experts;
    Row weights;
  };
  std::map<int, std::vector<Choice>> choices;  // of each layer, a position each
  Rows logits;                                 // a position each

  void run(const std::vector<int>& tokens) {
    const Rows embedding = matrix({Part::embedding, m_.vocabulary, m_.hidden}, -1);
    Rows x;
    for (const int t : tokens) x.push_back(embedding[std::size_t(t)]);
    for (layer_ = 0; layer_ < m_.layers; ++layer_) {
      if (!among(m_.network_layers)) add(mixed(normed(x, Part::attention_norm)), x);
      if (m_.halved() && !among(m_.network_layers)) continue;
      const Rows h = normed(x, Part::ffn_norm);
      Rows out;
      for (const Row& row : h) out.push_back(mixture(row));
      add(out, x);
    }
    const Rows head = matrix({Part::head, m_.vocabulary, m_.hidden}, -1);
    const Row norm = matrix({Part::final_norm, 1, m_.hidden}, -1).front();
    for (const Row& row : x) logits.push_back(times(head, rms(row, norm, from_one())));
  }

 private:
  Row rms(const Row& x, const Row& w, double one) const {
    const double scale = std::sqrt(dot(x.data(), x.data(), int(x.size())) / double(x.size()) + m_.norm_epsilon);
    Row out;
    for (std::size_t i = 0; i < x.size(); ++i) out.push_back(x[i] / scale * (one + w[i]));
    return out;
  }
  double from_one() const {
    return m_.architecture == spec::Architecture::qwen3_next || m_.architecture == spec::Architecture::qwen3_5_moe;
  }
  bool among(const std::vector<int>& layers) const { return std::ranges::find(layers, layer_) != layers.end(); }
  Rows mixed(const Rows& x) {
    if (m_.delta && among(m_.delta->layers)) return delta(x);
    if (!m_.mamba || !among(m_.mamba->layers)) return heads(x);
    const spec::MambaShape& s = *m_.mamba;
    return plain_mamba(
        s, m_.norm_epsilon,
        {own(Part::mamba_input, s.projected(), m_.hidden), own(Part::mamba_convolution, s.channels(), s.convolution),
         own(Part::mamba_output, m_.hidden, s.inner()), own(Part::mamba_convolution_bias, s.channels()),
         own(Part::mamba_decay, s.heads), own(Part::mamba_skip, s.heads), own(Part::mamba_step_bias, s.heads),
         own(Part::mamba_norm, s.inner())},
        x);
  }
  Rows matrix(const PartShape& shape, int layer, int expert = -1) {
    WeightScratch scratch;
    const float* from = weights_.get(shape, layer, expert, scratch);
    Rows out(std::size_t(shape.rows), Row(std::size_t(shape.columns)));
    for (Row& row : out)
      for (double& v : row) v = *from++;
    return out;
  }
  Rows own(Part part, std::int64_t rows, std::int64_t columns) {
    return matrix({part, int(rows), int(columns)}, layer_);
  }
  Row own(Part part, std::int64_t columns) { return own(part, 1, columns).front(); }
  Rows normed(const Rows& x, Part part) {
    const Row w = own(part, m_.hidden);
    Rows out;
    for (const Row& row : x) out.push_back(rms(row, w, from_one()));
    return out;
  }

  /// The first columns of each head turn, in pairs half of them apart.
  void turn(Row& x, int count, int position) const {
    const int dim = m_.attention.head_dim, turning = m_.halved() ? 0 : int(dim * m_.rope.partial);
    for (int head = 0; head < count; ++head)
      for (int i = 0; i < turning / 2; ++i) {
        const double angle = position * std::pow(m_.rope.theta, -2.0 * i / turning);
        double &a = x[std::size_t(head * dim + i)], &b = x[std::size_t(head * dim + i + turning / 2)];
        const double first = a * std::cos(angle) - b * std::sin(angle);
        b = b * std::cos(angle) + a * std::sin(angle);
        a = first;
      }
  }
  /// Each head, or all of them as one.
  Row norm_heads(const Row& x, int count, Part part) {
    const spec::AttentionShape& a = m_.attention;
    if (!a.qk_norm) return x;
    if (a.qk_norm_whole) return rms(x, own(part, std::int64_t(x.size())), from_one());
    const Row w = own(part, a.head_dim);
    Row out;
    for (int head = 0; head < count; ++head) {
      const Row one = rms(Row(x.begin() + head * a.head_dim, x.begin() + (head + 1) * a.head_dim), w, from_one());
      out.insert(out.end(), one.begin(), one.end());
    }
    return out;
  }
  Row biased(Part part, Part bias, int rows, const Row& x) {
    Row out = times(own(part, rows, m_.hidden), x);
    if (!m_.attention.qkv_bias) return out;
    const Row b = own(bias, rows);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += b[i];
    return out;
  }

  Rows heads(const Rows& x) {
    const spec::AttentionShape& a = m_.attention;
    const int dim = a.head_dim, width = a.heads * dim;
    Rows k, v, out;
    for (std::size_t p = 0; p < x.size(); ++p) {
      const Row asked = biased(Part::query, Part::query_bias, a.output_gate ? 2 * width : width, x[p]);
      Row query, gate;
      for (int head = 0; head < a.heads; ++head)
        for (int i = 0; i < (a.output_gate ? 2 : 1) * dim; ++i)
          (i < dim ? query : gate).push_back(asked[std::size_t(head * (a.output_gate ? 2 : 1) * dim + i)]);
      Row q = norm_heads(query, a.heads, Part::query_norm);
      k.push_back(norm_heads(biased(Part::key, Part::key_bias, a.kv_heads * dim, x[p]), a.kv_heads, Part::key_norm));
      v.push_back(biased(Part::value, Part::value_bias, a.kv_heads * dim, x[p]));
      turn(q, a.heads, int(p));
      turn(k.back(), a.kv_heads, int(p));
      out.push_back(times(own(Part::output, m_.hidden, width), attend(q, k, v, gate)));
    }
    return out;
  }
  Row attend(const Row& q, const Rows& k, const Rows& v, const Row& gate) const {
    const spec::AttentionShape& a = m_.attention;
    const int dim = a.head_dim;
    Row out;
    for (int head = 0; head < a.heads; ++head) {
      const int shared = head / (a.heads / a.kv_heads) * dim;
      Row scores;
      for (const Row& key : k)
        scores.push_back(
            std::exp(dot(&q[std::size_t(head * dim)], &key[std::size_t(shared)], dim) / std::sqrt(double(dim))));
      double sum = 0;
      for (const double s : scores) sum += s;
      for (int i = 0; i < dim; ++i) {
        double value = 0;
        for (std::size_t j = 0; j < v.size(); ++j) value += scores[j] / sum * v[j][std::size_t(shared + i)];
        out.push_back(gate.empty() ? value : value * sigmoid(gate[std::size_t(head * dim + i)]));
      }
    }
    return out;
  }

  struct Asked {
    Row q, k, v, z, b, a;
  };
  Asked project(const Row& x) {
    const spec::DeltaShape& d = *m_.delta;
    const int served = d.value_heads / d.key_heads, values = served * d.value_dim;
    Asked out;
    const auto take = [](Row& to, const Row& from, int& at, int n) {
      to.insert(to.end(), from.begin() + at, from.begin() + at + n);
      at += n;
    };
    if (m_.architecture == spec::Architecture::qwen3_next) {
      const Row wide = times(own(Part::delta_qkvz, d.channels() + d.values(), m_.hidden), x);
      const Row gates = times(own(Part::delta_ba, 2 * d.value_heads, m_.hidden), x);
      int at = 0, gate = 0;
      for (int g = 0; g < d.key_heads; ++g) {
        take(out.q, wide, at, d.key_dim);
        take(out.k, wide, at, d.key_dim);
        take(out.v, wide, at, values);
        take(out.z, wide, at, values);
        take(out.b, gates, gate, served);
        take(out.a, gates, gate, served);
      }
      return out;
    }
    const Row qkv = times(own(Part::delta_qkv, d.channels(), m_.hidden), x);
    int at = 0;
    take(out.q, qkv, at, int(d.keys()));
    take(out.k, qkv, at, int(d.keys()));
    take(out.v, qkv, at, int(d.values()));
    out.z = times(own(Part::delta_z, d.values(), m_.hidden), x);
    out.b = times(own(Part::delta_b, d.value_heads, m_.hidden), x);
    out.a = times(own(Part::delta_a, d.value_heads, m_.hidden), x);
    return out;
  }

  Rows delta(const Rows& x) {
    const spec::DeltaShape& d = *m_.delta;
    const Rows taps = own(Part::delta_convolution, d.channels(), d.convolution);
    const Row rate = own(Part::delta_decay, d.value_heads), bias = own(Part::delta_step_bias, d.value_heads),
              norm = own(Part::delta_norm, d.value_dim);
    const Rows output = own(Part::delta_output, m_.hidden, d.values());
    std::vector<Rows> states(std::size_t(d.value_heads), Rows(std::size_t(d.key_dim), Row(std::size_t(d.value_dim))));
    Rows inputs, out;
    for (const Row& row : x) {
      const Asked p = project(row);
      inputs.push_back(p.q);
      for (const Row* rest : {&p.k, &p.v}) inputs.back().insert(inputs.back().end(), rest->begin(), rest->end());
      Row seen(inputs.back().size());
      for (std::size_t c = 0; c < seen.size(); ++c) {
        for (int t = 0; t < d.convolution; ++t)
          if (const int from = int(inputs.size()) - d.convolution + t; from >= 0)
            seen[c] += taps[c][std::size_t(t)] * inputs[std::size_t(from)][c];
        seen[c] = silu(seen[c]);
      }
      Row said;
      for (int head = 0; head < d.value_heads; ++head) {
        const double decay = std::exp(-std::exp(rate[std::size_t(head)]) *
                                      std::log1p(std::exp(p.a[std::size_t(head)] + bias[std::size_t(head)])));
        const Row o = rms(ask(states[std::size_t(head)], seen, head, decay, sigmoid(p.b[std::size_t(head)])), norm, 0);
        for (int j = 0; j < d.value_dim; ++j)
          said.push_back(o[std::size_t(j)] * silu(p.z[std::size_t(head * d.value_dim + j)]));
      }
      out.push_back(times(output, said));
    }
    return out;
  }
  /// S <- decay S (1 - b k k^T) + b k v^T, then S^T q.
  Row ask(Rows& s, const Row& seen, int head, double decay, double written) const {
    const spec::DeltaShape& d = *m_.delta;
    const int served = d.value_heads / d.key_heads, at = head / served * d.key_dim;
    const double *q = &seen[std::size_t(at)], *k = &seen[std::size_t(d.keys() + at)],
                 *v = &seen[std::size_t(2 * d.keys() + head * d.value_dim)];
    const double q_length = std::sqrt(dot(q, q, d.key_dim) + 1e-6), k_length = std::sqrt(dot(k, k, d.key_dim) + 1e-6);
    Row out(std::size_t(d.value_dim));
    for (int j = 0; j < d.value_dim; ++j) {
      const auto column = std::size_t(j);
      double recalled = 0;
      for (int i = 0; i < d.key_dim; ++i) recalled += decay * s[std::size_t(i)][column] * k[i] / k_length;
      for (int i = 0; i < d.key_dim; ++i) {
        double& one = s[std::size_t(i)][column];
        one = decay * one + written * (v[j] - recalled) * k[i] / k_length;
        out[column] += one * q[i] / q_length / std::sqrt(double(d.key_dim));
      }
    }
    return out;
  }

  /// Gate, up and down; or up and down, and the square of what is above 0.
  Row network(Part gate, int width, int expert, const Row& x) {
    const Part up = Part(int(gate) + 1), down = Part(int(gate) + 2);
    Row inner = times(matrix({up, width, m_.hidden}, layer_, expert), x);
    if (m_.halved())
      for (double& v : inner) v = v > 0 ? v * v : 0;
    else
      for (const Row g = times(matrix({gate, width, m_.hidden}, layer_, expert), x); double& v : inner)
        v *= silu(g[std::size_t(&v - inner.data())]);
    return times(matrix({down, m_.hidden, width}, layer_, expert), inner);
  }
  Row mixture(const Row& x) {
    const spec::MoeShape& s = *m_.moe;
    const Row asked = times(own(Part::router, s.experts, m_.hidden), x);
    Row scores, ranked;
    double sum = 0;
    for (const double l : asked) sum += std::exp(l);
    const Row bias = s.selection_bias ? own(Part::selection_bias, s.experts) : Row(std::size_t(s.experts));
    for (std::size_t e = 0; e < asked.size(); ++e) {
      scores.push_back(s.score == spec::Score::sigmoid ? sigmoid(asked[e]) : std::exp(asked[e]) / sum);
      ranked.push_back(scores[e] + bias[e]);
    }
    Choice choice;
    double chosen = 0;
    for (int k = 0; k < s.top_k; ++k) {
      const auto best = std::ranges::max_element(ranked);
      choice.experts.push_back(int(best - ranked.begin()));
      choice.weights.push_back(scores[std::size_t(choice.experts.back())]);
      chosen += choice.weights.back();
      *best = -1e9;
    }
    Row out(x.size());
    for (std::size_t k = 0; k < choice.experts.size(); ++k) {
      if (s.normalise) choice.weights[k] /= chosen;
      choice.weights[k] *= s.scale;
      const Row y = network(Part::expert_gate, s.expert_width, choice.experts[k], x);
      for (std::size_t i = 0; i < out.size(); ++i) out[i] += choice.weights[k] * y[i];
    }
    choices[layer_].push_back(choice);
    if (s.shared_experts == 0) return out;
    const int width = s.shared_width > 0 ? s.shared_width : s.shared_experts * s.expert_width;
    const Row y = network(Part::shared_gate, width, -1, x);
    const double open = s.shared_gate ? sigmoid(times(own(Part::shared_output_gate, 1, m_.hidden), x).front()) : 1;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += open * y[i];
    return out;
  }

  const spec::Model& m_;
  Weights& weights_;
  int layer_ = 0;
};
}  // namespace moesim::numerics
