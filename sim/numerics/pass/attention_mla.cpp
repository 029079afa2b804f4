// Multi-head latent attention.  Source: DeepSeek-V2 paper, section 2.1 and appendix B; DeepSeek's inference code.

#include "core/elementary.h"
#include "numerics/algebra/elementwise.h"
#include "numerics/pass/attention_latent.h"
#include "numerics/pass/attention_math.h"

namespace moesim::numerics {
Latents project_latents(const Machine& machine, const spec::Model& model, int layer, const LayerWeights& w,
                        const Rope& rope, std::span<const Segment> segments, const Matrix& h) {
  const spec::AttentionShape& a = model.attention;
  Latents l;
  if (a.q_lora_rank > 0) {
    Matrix& down = l.query_latent;
    linear(machine, h.view(), w.query_down, LinearRole::attention, down);
    each_block(machine, h.rows, 64, [&](int first, int count) {
      rms_norm(down.row(first), down.columns, count, down.columns, w.query_down_norm, model.norm_epsilon, false,
               down.row(first), down.columns);
    });
    linear(machine, down.view(), w.query_up, LinearRole::attention, l.q);
  } else {
    linear(machine, h.view(), w.query, LinearRole::attention, l.q);
  }
  linear(machine, h.view(), w.kv_down, LinearRole::attention, l.kv);
  for (const Segment& s : segments)
    each_block(machine, s.rows, 64, [&](int first, int count) {
      const int row = s.first_row + first, position = s.cache->layers.at(std::size_t(layer)).tokens + first;
      rms_norm(l.kv.row(row), l.kv.columns, count, a.kv_lora_rank, w.kv_down_norm, model.norm_epsilon, false,
               l.kv.row(row), l.kv.columns);
      rope.rotate(l.kv.row(row) + a.kv_lora_rank, count, l.kv.columns, 1, 0, position);
      rope.rotate(l.q.row(row) + a.qk_nope_head_dim, count, l.q.columns, a.heads, a.head_dim, position);
    });
  return l;
}

namespace {
AttentionCore core_of(const spec::Model& model, int layer, const Segment& s, const LayerWeights& w,
                      const IndexPicks* picks) {
  const spec::AttentionShape& a = model.attention;
  AttentionCore core;
  core.rows = s.rows, core.first_position = s.cache->layers[std::size_t(layer)].tokens;
  core.heads = a.heads;
  core.scale = softmax_scale(model);
  core.sinks = w.sinks;
  core.reads = spec::layer_shape(model, layer).attention.reads;
  core.picks = picks;
  return core;
}

/// Keys and values of all heads from the latents of the whole sequence.
void expanded(const Machine& machine, const spec::Model& model, int layer, const LayerWeights& w, const Segment& s,
              const Matrix& q, const IndexPicks* picks, Matrix& out) {
  const spec::AttentionShape& a = model.attention;
  const std::vector<float>& cache = s.cache->layers[std::size_t(layer)].keys;
  const int width = a.kv_lora_rank + a.qk_rope_head_dim, keys = s.cache->layers[std::size_t(layer)].tokens + s.rows;
  const int nope = a.qk_nope_head_dim, head_kv = nope + a.v_head_dim;
  Matrix up;
  linear(machine, {cache.data(), keys, a.kv_lora_rank, width}, w.kv_up, LinearRole::attention, up);
  Matrix k;
  resize(k, keys, a.heads * a.head_dim);
  each_block(machine, keys, 64, [&](int first, int count) {
    for (int t = first; t < first + count; ++t)
      for (int head = 0; head < a.heads; ++head) {
        float* to = k.row(t) + head * a.head_dim;
        std::copy_n(up.row(t) + head * head_kv, nope, to);
        std::copy_n(cache.data() + std::int64_t(t) * width + a.kv_lora_rank, a.qk_rope_head_dim, to + nope);
      }
  });
  AttentionCore core = core_of(model, layer, s, w, picks);
  core.q = q.row(s.first_row), core.q_stride = q.columns;
  core.k = k.values.data(), core.k_stride = k.columns, core.k_head_stride = a.head_dim;
  core.v = up.values.data() + nope, core.v_stride = up.columns, core.v_head_stride = head_kv;
  core.kv_heads = a.heads, core.qk_dim = a.head_dim, core.v_dim = a.v_head_dim;
  core.out = out.row(s.first_row), core.out_stride = out.columns;
  attend(machine.threads, core);
}

/// The queries are mapped to the latent space and attend to the cache itself, as one key head shared by all.
void absorbed(const Machine& machine, const spec::Model& model, int layer, const LayerWeights& w, const Segment& s,
              const Matrix& q, const IndexPicks* picks, Matrix& out) {
  const spec::AttentionShape& a = model.attention;
  const std::vector<float>& cache = s.cache->layers[std::size_t(layer)].keys;
  const int lora = a.kv_lora_rank, width = lora + a.qk_rope_head_dim;
  const int nope = a.qk_nope_head_dim, head_kv = nope + a.v_head_dim;
  Matrix latent_q, latent_out;
  resize(latent_q, s.rows, a.heads * width);
  resize(latent_out, s.rows, a.heads * lora);
  machine.threads.each(a.heads, [&](int head, int) {
    const float* from = q.row(s.first_row) + head * a.head_dim;
    const MatrixView up{w.kv_up.matrix.data + std::int64_t(head) * head_kv * lora, nope, lora, lora};
    multiply({from, s.rows, nope, q.columns}, up, latent_q.row(0) + head * width, latent_q.columns);
    for (int r = 0; r < s.rows; ++r)
      std::copy_n(from + std::int64_t(r) * q.columns + nope, a.qk_rope_head_dim, latent_q.row(r) + head * width + lora);
  });
  AttentionCore core = core_of(model, layer, s, w, picks);
  core.q = latent_q.values.data(), core.q_stride = latent_q.columns;
  core.k = cache.data(), core.k_stride = width;
  core.v = cache.data(), core.v_stride = width;
  core.kv_heads = 1, core.qk_dim = width, core.v_dim = lora;
  core.out = latent_out.values.data(), core.out_stride = latent_out.columns;
  attend(machine.threads, core);
  machine.threads.each(a.heads, [&](int head, int) {
    const MatrixView up{w.kv_up.matrix.data + (std::int64_t(head) * head_kv + nope) * lora, a.v_head_dim, lora, lora};
    multiply_transposed({latent_out.row(0) + head * lora, s.rows, lora, latent_out.columns}, up,
                        out.row(s.first_row) + head * a.v_head_dim, out.columns);
  });
}

class LatentMath final : public AttentionMath {
 public:
  void run(const Machine& machine, const spec::Model& model, int layer, const LayerWeights& w, const Rope& rope,
           MlaForm form, std::span<const Segment> segments, const Matrix& h, Matrix& heads_out) const override {
    const Latents l = project_latents(machine, model, layer, w, rope, segments, h);
    resize(heads_out, h.rows, model.attention.heads * model.attention.v_head_dim);
    for (const Segment& s : segments) attend_latents(machine, model, layer, w, form, s, l, nullptr, heads_out);
  }
  double softmax_factor(const spec::Model& model) const override { return latent_softmax_factor(model); }
};
}  // namespace

void attend_latents(const Machine& machine, const spec::Model& model, int layer, const LayerWeights& w, MlaForm form,
                    const Segment& s, const Latents& l, const IndexPicks* picks, Matrix& heads_out) {
  KvLayer& cache = s.cache->layers[std::size_t(layer)];
  cache.keys.insert(cache.keys.end(), l.kv.row(s.first_row),
                    l.kv.row(s.first_row) + std::int64_t(s.rows) * l.kv.columns);
  const bool absorb = form == MlaForm::absorbed || (form == MlaForm::automatic && s.rows == 1);
  if (absorb)
    absorbed(machine, model, layer, w, s, l.q, picks, heads_out);
  else
    expanded(machine, model, layer, w, s, l.q, picks, heads_out);
  cache.tokens += s.rows;
}

double latent_softmax_factor(const spec::Model& model) {
  const spec::RopeShape& r = model.rope;
  if (r.scaling != "yarn" || !(r.mscale_all_dim > 0)) return 1;
  return pow_of(yarn_mscale(r.factor, r.mscale_all_dim), 2);
}

const AttentionMath& latent_math() {
  static const LatentMath math;
  return math;
}
}  // namespace moesim::numerics
