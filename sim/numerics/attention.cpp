#include "numerics/attention.h"

#include <cmath>

#include "numerics/elementwise.h"

namespace moesim {
void mla_attention(const Machine& machine, const Model& model, int layer, const LayerWeights& w, const Rope& rope,
                   MlaForm form, std::span<const Segment> segments, const Matrix& h, Matrix& heads_out);

namespace {
/// Llama-4 sharpens the queries of its layers without rotation as the text gets long.
/// Source: transformers modeling_llama4.py, attn_temperature_tuning.
void tune_temperature(const AttentionShape& a, float* q, int n, int position) {
  const auto scale = float(std::log1p(std::floor((position + 1.0) / a.temperature_floor)) * a.temperature_scale + 1);
  for (int i = 0; i < n; ++i) q[i] *= scale;
}

void norm_heads(const Machine& machine, Matrix& x, int heads, int dim, const float* weight, const Model& model) {
  each_block(machine, x.rows, 64, [&](int first, int count) {
    rms_norm(x.row(first), dim, count * heads, dim, weight, model.norm_epsilon, model.architecture == "gemma3",
             x.row(first), dim);
  });
}

void append(std::vector<float>& cache, const Matrix& x, const Segment& s) {
  cache.insert(cache.end(), x.row(s.first_row), x.row(s.first_row) + std::int64_t(s.rows) * x.columns);
}

void grouped_attention(const Machine& machine, const Model& model, int layer, const LayerWeights& w, const Rope& rope,
                       std::span<const Segment> segments, const Matrix& h, Matrix& heads_out) {
  const AttentionShape& a = model.attention;
  Matrix q, k, v;
  linear(machine, h.view(), w.query, LinearRole::attention, q);
  linear(machine, h.view(), w.key, LinearRole::attention, k);
  linear(machine, h.view(), w.value, LinearRole::attention, v);
  // Source: transformers modeling_llama4.py, Llama4TextL2Norm.
  const bool norm_after_rope = model.architecture == "llama4";
  const auto norm = [&] {
    norm_heads(machine, q, a.heads, a.head_dim, w.query_norm, model);
    norm_heads(machine, k, a.kv_heads, a.head_dim, w.key_norm, model);
  };
  if (a.qk_norm && !norm_after_rope) norm();
  resize(heads_out, h.rows, a.heads * a.v_head_dim);
  for (const Segment& s : segments) {
    const int start = s.cache->layers.at(std::size_t(layer)).tokens;
    if (rope.active()) {
      each_block(machine, s.rows, 64, [&](int first, int count) {
        const int row = s.first_row + first;
        rope.rotate(q.row(row), count, q.columns, a.heads, a.head_dim, start + first);
        rope.rotate(k.row(row), count, k.columns, a.kv_heads, a.head_dim, start + first);
      });
    } else if (a.temperature_scale > 0) {
      for (int r = 0; r < s.rows; ++r) tune_temperature(a, q.row(s.first_row + r), q.columns, start + r);
    }
  }
  if (a.qk_norm && norm_after_rope && rope.active()) norm();
  for (const Segment& s : segments) {
    KvLayer& cache = s.cache->layers.at(std::size_t(layer));
    append(cache.keys, k, s);
    append(cache.values, v, s);
    AttentionCore core;
    core.q = q.row(s.first_row), core.q_stride = q.columns;
    core.k = cache.keys.data(), core.k_stride = k.columns, core.k_head_stride = a.head_dim;
    core.v = cache.values.data(), core.v_stride = v.columns, core.v_head_stride = a.v_head_dim;
    core.rows = s.rows, core.first_position = cache.tokens;
    core.heads = a.heads, core.kv_heads = a.kv_heads, core.qk_dim = a.head_dim, core.v_dim = a.v_head_dim;
    core.scale = softmax_scale(model);
    core.sinks = w.sinks;
    core.reach = reach_of(a, layer);
    core.out = heads_out.row(s.first_row), core.out_stride = heads_out.columns;
    attend(machine.threads, core);
    cache.tokens += s.rows;
  }
}
}  // namespace

void attention(const Machine& machine, const Model& model, int layer, const LayerWeights& w, const Rope& rope,
               MlaForm form, std::span<const Segment> segments, const Matrix& h, Matrix& out) {
  Matrix heads_out;
  if (model.attention.kind == AttentionKind::mla)
    mla_attention(machine, model, layer, w, rope, form, segments, h, heads_out);
  else
    grouped_attention(machine, model, layer, w, rope, segments, h, heads_out);
  linear(machine, heads_out.view(), w.output, LinearRole::attention, out);
}
}  // namespace moesim
