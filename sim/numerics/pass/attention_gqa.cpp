// Attention over the keys and values of KV heads: MHA and GQA.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/elementary.h"
#include "numerics/algebra/elementwise.h"
#include "numerics/pass/attention_math.h"

namespace moesim::numerics {
namespace {
/// Llama-4 sharpens the queries of its layers without rotation as the text gets long.
/// Source: transformers modeling_llama4.py, attn_temperature_tuning.
void tune_temperature(const spec::AttentionShape& a, float* q, int n, int position) {
  const auto scale = float(log1p_of(std::floor((position + 1.0) / a.temperature_floor)) * a.temperature_scale + 1);
  for (int i = 0; i < n; ++i) q[i] *= scale;
}

void norm_heads(const Machine& machine, Matrix& x, int heads, int dim, const float* weight, const spec::Model& model) {
  each_block(machine, x.rows, 64, [&](int first, int count) {
    rms_norm(x.row(first), dim, count * heads, dim, weight, model.norm_epsilon,
             spec::traits_of(model.architecture).norms_from_one, x.row(first), dim);
  });
}

void append(std::vector<float>& cache, const Matrix& x, const Segment& s) {
  cache.insert(cache.end(), x.row(s.first_row), x.row(s.first_row) + std::int64_t(s.rows) * x.columns);
}

struct Heads {
  Matrix q, k, v;  // (rows, heads * head_dim), positions applied
  Matrix gate;     // (rows, heads * head_dim), of the output before its sigmoid; empty without
};

/// Each head is projected to a query and then its gate.  Source: transformers modeling_qwen3_next.py,
/// Qwen3NextAttention.
void split_gates(const Machine& machine, const spec::AttentionShape& a, Heads& x) {
  Matrix both = std::move(x.q);
  resize(x.q, both.rows, both.columns / 2);
  resize(x.gate, both.rows, both.columns / 2);
  each_block(machine, both.rows, 64, [&](int first, int count) {
    for (int r = first; r < first + count; ++r)
      for (int head = 0; head < a.heads; ++head) {
        const float* from = both.row(r) + std::int64_t(head) * 2 * a.head_dim;
        std::copy_n(from, a.head_dim, x.q.row(r) + std::int64_t(head) * a.head_dim);
        std::copy_n(from + a.head_dim, a.head_dim, x.gate.row(r) + std::int64_t(head) * a.head_dim);
      }
  });
}

void apply_gates(const Machine& machine, const Matrix& gate, Matrix& out) {
  each_block(machine, out.rows, 64, [&](int first, int count) {
    std::vector<float> open(std::size_t(out.columns));
    for (int r = first; r < first + count; ++r) {
      sigmoid(gate.row(r), out.columns, open.data());
      for (int i = 0; i < out.columns; ++i) out.row(r)[i] *= open[std::size_t(i)];
    }
  });
}

void apply_positions(const Machine& machine, const spec::Model& model, int layer, const Rope& rope,
                     std::span<const Segment> segments, Heads& x) {
  const spec::AttentionShape& a = model.attention;
  for (const Segment& s : segments) {
    const int start = s.cache->layers.at(std::size_t(layer)).tokens;
    if (rope.active()) {
      each_block(machine, s.rows, 64, [&](int first, int count) {
        const int row = s.first_row + first;
        rope.rotate(x.q.row(row), count, x.q.columns, a.heads, a.head_dim, start + first);
        rope.rotate(x.k.row(row), count, x.k.columns, a.kv_heads, a.head_dim, start + first);
      });
    } else if (a.temperature_scale > 0) {
      for (int r = 0; r < s.rows; ++r) tune_temperature(a, x.q.row(s.first_row + r), x.q.columns, start + r);
    }
  }
}

Heads project(const Machine& machine, const spec::Model& model, int layer, const LayerWeights& w, const Rope& rope,
              std::span<const Segment> segments, const Matrix& h) {
  const spec::AttentionShape& a = model.attention;
  Heads x;
  linear(machine, h.view(), w.query, LinearRole::attention, x.q);
  linear(machine, h.view(), w.key, LinearRole::attention, x.k);
  linear(machine, h.view(), w.value, LinearRole::attention, x.v);
  if (a.output_gate) split_gates(machine, a, x);
  const bool whole = a.qk_norm_whole;  // all heads as one
  const auto norm = [&] {
    norm_heads(machine, x.q, whole ? 1 : a.heads, whole ? x.q.columns : a.head_dim, w.query_norm, model);
    norm_heads(machine, x.k, whole ? 1 : a.kv_heads, whole ? x.k.columns : a.head_dim, w.key_norm, model);
  };
  const spec::HeadNorm when = spec::layer_shape(model, layer).attention.head_norm;
  if (when == spec::HeadNorm::before_rope || when == spec::HeadNorm::whole) norm();
  apply_positions(machine, model, layer, rope, segments, x);
  if (when == spec::HeadNorm::after_rope) norm();  // Source: transformers modeling_llama4.py, Llama4TextL2Norm
  return x;
}

class GroupedMath final : public AttentionMath {
 public:
  void run(const Machine& machine, const spec::Model& model, int layer, const LayerWeights& w, const Rope& rope,
           MlaForm, std::span<const Segment> segments, const Matrix& h, Matrix& heads_out) const override {
    const spec::AttentionShape& a = model.attention;
    const Heads x = project(machine, model, layer, w, rope, segments, h);
    resize(heads_out, h.rows, a.heads * a.v_head_dim);
    for (const Segment& s : segments) {
      KvLayer& cache = s.cache->layers.at(std::size_t(layer));
      append(cache.keys, x.k, s);
      append(cache.values, x.v, s);
      AttentionCore core;
      core.q = x.q.row(s.first_row), core.q_stride = x.q.columns;
      core.k = cache.keys.data(), core.k_stride = x.k.columns, core.k_head_stride = a.head_dim;
      core.v = cache.values.data(), core.v_stride = x.v.columns, core.v_head_stride = a.v_head_dim;
      core.rows = s.rows, core.first_position = cache.tokens;
      core.heads = a.heads, core.kv_heads = a.kv_heads, core.qk_dim = a.head_dim, core.v_dim = a.v_head_dim;
      core.scale = softmax_scale(model);
      core.sinks = w.sinks;
      core.reads = spec::layer_shape(model, layer).attention.reads;
      core.out = heads_out.row(s.first_row), core.out_stride = heads_out.columns;
      attend(machine.threads, core);
      cache.tokens += s.rows;
    }
    if (a.output_gate) apply_gates(machine, x.gate, heads_out);
  }

  double softmax_factor(const spec::Model&) const override { return 1; }
};
}  // namespace

const AttentionMath& grouped_math() {
  static const GroupedMath math;
  return math;
}
}  // namespace moesim::numerics
