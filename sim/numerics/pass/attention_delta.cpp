// Gated DeltaNet: a short convolution over queries, keys and values, then a state a value head that decays, is
// corrected towards each token's value, and is asked by its query; the output is normed and gated.
// Source: Gated Delta Networks, arXiv 2412.06464, equation 10; transformers' modeling_qwen3_next.py.
#include <algorithm>
#include <cmath>

#include "core/elementary.h"
#include "numerics/algebra/elementwise.h"
#include "numerics/pass/attention_math.h"
#include "numerics/pass/short_convolution.h"

namespace moesim::numerics {
namespace {
/// What a layer's input is projected to, a row a token.
struct Projected {
  Matrix qkv;   // (rows, channels): all queries, all keys, all values
  Matrix z;     // (rows, values), gates of the output
  Matrix b, a;  // (rows, value_heads): how much is written, how fast the state decays
};

/// Rows by key head: query, key, its values, their gates; b and then a of its value heads.
Projected project_joined(const Machine& machine, const spec::DeltaShape& d, const DeltaWeights& w, const Matrix& h) {
  Matrix qkvz, ba;
  linear(machine, h.view(), w.qkvz, LinearRole::attention, qkvz);
  linear(machine, h.view(), w.ba, LinearRole::attention, ba);
  Projected out;
  resize(out.qkv, h.rows, int(d.channels()));
  resize(out.z, h.rows, int(d.values()));
  resize(out.b, h.rows, d.value_heads);
  resize(out.a, h.rows, d.value_heads);
  const int served = d.value_heads / d.key_heads, values = served * d.value_dim;
  each_block(machine, h.rows, 64, [&](int first, int count) {
    for (int r = first; r < first + count; ++r) {
      const float *from = qkvz.row(r), *gates = ba.row(r);
      for (int g = 0; g < d.key_heads; ++g) {
        float* to = out.qkv.row(r);
        std::copy_n(from, d.key_dim, to + std::int64_t(g) * d.key_dim);
        std::copy_n(from + d.key_dim, d.key_dim, to + d.keys() + std::int64_t(g) * d.key_dim);
        std::copy_n(from + 2 * d.key_dim, values, to + 2 * d.keys() + std::int64_t(g) * values);
        std::copy_n(from + 2 * d.key_dim + values, values, out.z.row(r) + std::int64_t(g) * values);
        from += 2 * (d.key_dim + values);
        std::copy_n(gates, served, out.b.row(r) + std::int64_t(g) * served);
        std::copy_n(gates + served, served, out.a.row(r) + std::int64_t(g) * served);
        gates += 2 * served;
      }
    }
  });
  return out;
}

Projected project(const Machine& machine, const spec::Model& model, const DeltaWeights& w, const Matrix& h) {
  if (w.qkvz.matrix.data != nullptr) return project_joined(machine, *model.delta, w, h);
  Projected out;
  linear(machine, h.view(), w.qkv, LinearRole::attention, out.qkv);
  linear(machine, h.view(), w.z, LinearRole::attention, out.z);
  linear(machine, h.view(), w.b, LinearRole::attention, out.b);
  linear(machine, h.view(), w.a, LinearRole::attention, out.a);
  return out;
}

/// x / sqrt(sum of squares + 1e-6) * scale.  Source: transformers modeling_qwen3_next.py, l2norm.
void unit_length(const float* x, int n, float scale, float* y) {
  double squares = 1e-6;
  for (int i = 0; i < n; ++i) squares += double(x[i]) * double(x[i]);
  const auto factor = float(double(scale) / std::sqrt(squares));
  for (int i = 0; i < n; ++i) y[i] = x[i] * factor;
}

/// One token at one state (key_dim, value_dim): decays it, corrects what it says of the key, asks it.
/// room: value_dim floats; out: value_dim.
[[gnu::target_clones("avx512f", "avx2", "default")]] void step(int key_dim, int value_dim, float decay, float written,
                                                               const float* q, const float* k, const float* v,
                                                               float* state, float* room, float* out) {
  for (int j = 0; j < value_dim; ++j) room[j] = 0;
  for (int i = 0; i < key_dim; ++i) {
    float* row = state + std::int64_t(i) * value_dim;
    for (int j = 0; j < value_dim; ++j) {
      row[j] *= decay;
      room[j] += row[j] * k[i];
    }
  }
  for (int j = 0; j < value_dim; ++j) {
    room[j] = (v[j] - room[j]) * written;
    out[j] = 0;
  }
  for (int i = 0; i < key_dim; ++i) {
    float* row = state + std::int64_t(i) * value_dim;
    for (int j = 0; j < value_dim; ++j) {
      row[j] += k[i] * room[j];
      out[j] += row[j] * q[i];
    }
  }
}

/// All tokens of one segment at one value head; out: the head's columns of heads_out.
void scan(const spec::Model& model, const DeltaWeights& w, const Projected& p, const Segment& s, int head, float* state,
          Matrix& heads_out) {
  const spec::DeltaShape& d = *model.delta;
  const int key_head = head / (d.value_heads / d.key_heads);
  const float query_scale = 1 / std::sqrt(float(d.key_dim));
  const double rate = exp_of(double(w.decay[head])), bias = double(w.step_bias[head]);
  std::vector<float> q(std::size_t(d.key_dim)), k(q.size()), room(std::size_t(d.value_dim)), open(room.size());
  for (int r = s.first_row; r < s.first_row + s.rows; ++r) {
    const float* x = p.qkv.row(r);
    unit_length(x + std::int64_t(key_head) * d.key_dim, d.key_dim, query_scale, q.data());
    unit_length(x + d.keys() + std::int64_t(key_head) * d.key_dim, d.key_dim, 1, k.data());
    const auto decay = float(exp_of(-rate * softplus(double(p.a.row(r)[head]) + bias)));
    float* out = heads_out.row(r) + std::int64_t(head) * d.value_dim;
    step(d.key_dim, d.value_dim, decay, sigmoid(p.b.row(r)[head]), q.data(), k.data(),
         x + 2 * d.keys() + std::int64_t(head) * d.value_dim, state, room.data(), out);
    // Its weights are stored as they are, also where the model's other norms are stored less 1.
    rms_norm(out, d.value_dim, 1, d.value_dim, w.norm, model.norm_epsilon, false, out, d.value_dim);
    const float* z = p.z.row(r) + std::int64_t(head) * d.value_dim;
    sigmoid(z, d.value_dim, open.data());
    for (int j = 0; j < d.value_dim; ++j) out[j] *= z[j] * open[std::size_t(j)];
  }
}

class DeltaMath final : public AttentionMath {
 public:
  void run(const Machine& machine, const spec::Model& model, int layer, const LayerWeights& w, const Rope&, MlaForm,
           std::span<const Segment> segments, const Matrix& h, Matrix& heads_out) const override {
    const spec::DeltaShape& d = *model.delta;
    Projected p = project(machine, model, w.delta, h);
    resize(heads_out, h.rows, int(d.values()));
    for (const Segment& s : segments) {
      KvLayer& cache = s.cache->layers.at(std::size_t(layer));
      convolve(machine, d.convolution, w.delta.convolution, nullptr, s, cache, p.qkv);
      cache.state.resize(std::size_t(d.state()));
      cache.tokens += s.rows;
    }
    machine.threads.each(int(segments.size()) * d.value_heads, [&](int index, int) {
      const Segment& s = segments[std::size_t(index / d.value_heads)];
      const int head = index % d.value_heads;
      float* state = s.cache->layers[std::size_t(layer)].state.data() + std::int64_t(head) * d.key_dim * d.value_dim;
      scan(model, w.delta, p, s, head, state, heads_out);
    });
  }

  double softmax_factor(const spec::Model&) const override { return 1; }
};
}  // namespace

const AttentionMath& delta_math() {
  static const DeltaMath math;
  return math;
}
}  // namespace moesim::numerics
