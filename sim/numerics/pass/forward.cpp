#include "numerics/pass/forward.h"

#include <cmath>

#include "core/check.h"
#include "numerics/algebra/elementwise.h"
#include "numerics/pass/expert.h"

namespace moesim::numerics {
namespace {
/// out *= sigmoid(h . gate), a number a token.
void gate_output(const Machine& machine, const LinearWeights& gate, const Matrix& h, Matrix& out) {
  Matrix logits;
  linear(machine, h.view(), gate, LinearRole::router, logits);
  each_block(machine, out.rows, 64, [&](int first, int count) {
    for (int r = first; r < first + count; ++r) {
      const float open = sigmoid(logits.row(r)[0]);
      for (int i = 0; i < out.columns; ++i) out.row(r)[i] *= open;
    }
  });
}

void add(const Machine& machine, const Matrix& from, Matrix& to) {
  each_block(machine, to.rows, 64, [&](int first, int count) {
    const float* x = from.row(first);
    float* y = to.row(first);
    for (std::int64_t i = 0; i < std::int64_t(count) * to.columns; ++i) y[i] += x[i];
  });
}
}  // namespace

Forward::Forward(const spec::Model& model, Weights& weights, const ForwardOptions& options)
    : model_(model),
      weights_(weights),
      threads_(std::make_unique<Threads>(options.threads)),
      arithmetic_(options.arithmetic == nullptr ? fp32_arithmetic() : *options.arithmetic),
      mla_(options.mla),
      gate_(options.gate),
      observe_picks_(options.picks),
      scratch_(std::size_t(threads_->count())) {
  for (int layer = 0; layer < model.layers + model.mtp_layers; ++layer) ropes_.emplace_back(model, layer);
}

KvCache Forward::new_cache() const {
  KvCache out;
  out.layers.resize(std::size_t(model_.layers + model_.mtp_layers));
  return out;
}

Matrix Forward::run(std::span<const int> tokens, std::span<const Segment> segments, const ObserveRouting& observe) {
  const PartShape embedding{Part::embedding, model_.vocabulary, model_.hidden};
  Matrix x = embed(tokens, weights_.get(embedding, -1, -1, layer_scratch_));
  for (int layer = 0; layer < model_.layers; ++layer)
    block(layer, layer_weights(model_, weights_, layer, layer_scratch_), segments, observe, x);
  norm(x, weights_.get({Part::final_norm, 1, model_.hidden}, -1, -1, layer_scratch_), x);
  return x;
}

Matrix Forward::logits(const MatrixView& hidden) {
  const Part part = model_.tied_embeddings ? Part::embedding : Part::head;
  const PartShape shape{part, model_.vocabulary, model_.hidden};
  const float* w = weights_.get(shape, -1, -1, layer_scratch_);
  Matrix out;
  linear(machine(), hidden, {{w, shape.rows, shape.columns, shape.columns}, nullptr}, LinearRole::head, out);
  return out;
}

Matrix Forward::run_mtp(int depth, const MatrixView& hidden, std::span<const int> next_tokens,
                        std::span<const Segment> segments, const ObserveRouting& observe) {
  check(depth >= 0 && depth < model_.mtp_layers, "MTP module {} of {}", depth, model_.mtp_layers);
  const int layer = model_.layers + depth, width = model_.hidden;
  const LayerWeights w = layer_weights(model_, weights_, layer, layer_scratch_);
  const bool from_one = spec::traits_of(model_.architecture).norms_from_one;
  const Matrix embedded = embed(next_tokens, w.mtp_embedding);
  Matrix joined, x;
  resize(joined, hidden.rows, 2 * width);
  each_block(machine(), hidden.rows, 64, [&](int first, int count) {
    rms_norm(embedded.row(first), width, count, width, w.mtp_embedding_norm, model_.norm_epsilon, from_one,
             joined.row(first), 2 * width);
    rms_norm(hidden.data + first * hidden.stride, hidden.stride, count, width, w.mtp_hidden_norm, model_.norm_epsilon,
             from_one, joined.row(first) + width, 2 * width);
  });
  linear(machine(), joined.view(), w.mtp_projection, LinearRole::mtp, x);
  block(layer, w, segments, observe, x);
  norm(x, w.mtp_head_norm, x);
  return x;
}

Matrix Forward::mtp_logits(int depth, const MatrixView& hidden) {
  const PartShape shape{Part::mtp_head, model_.vocabulary, model_.hidden};
  const float* w = weights_.get(shape, model_.layers + depth, -1, layer_scratch_);
  Matrix out;
  linear(machine(), hidden, {{w, shape.rows, shape.columns, shape.columns}, nullptr}, LinearRole::head, out);
  return out;
}

Matrix Forward::embed(std::span<const int> tokens, const float* table) {
  Matrix x;
  resize(x, int(tokens.size()), model_.hidden);
  const float scale = spec::traits_of(model_.architecture).scales_embedding ? std::sqrt(float(model_.hidden)) : 1.0F;
  for (int t = 0; t < x.rows; ++t) {
    const int id = tokens[std::size_t(t)];
    check(id >= 0 && id < model_.vocabulary, "token {} is not among the {} of the vocabulary", id, model_.vocabulary);
    const float* from = table + std::int64_t(id) * model_.hidden;
    for (int i = 0; i < x.columns; ++i) x.row(t)[i] = from[i] * scale;
  }
  return x;
}

void Forward::block(int layer, const LayerWeights& w, std::span<const Segment> segments, const ObserveRouting& observe,
                    Matrix& x) {
  Matrix h, out;
  if (w.attention_norm != nullptr) {
    norm(x, w.attention_norm, h);
    attention(machine(), model_, layer, w, ropes_[std::size_t(layer)], mla_, segments, h, out);
    if (observe_picks_ && spec::layer_shape(model_, layer).attention.index == spec::IndexUse::own)
      observe_picks_(layer, segments);
    if (w.attention_out_norm != nullptr) norm(out, w.attention_out_norm, out);
    add(machine(), out, x);
  } else {
    for (const Segment& s : segments) s.cache->layers.at(std::size_t(layer)).tokens += s.rows;
  }
  if (w.ffn_norm == nullptr) return;
  norm(x, w.ffn_norm, h);
  feed_forward_part(layer, w, observe, h, out);
  if (w.ffn_out_norm != nullptr) norm(out, w.ffn_out_norm, out);
  add(machine(), out, x);
}

void Forward::feed_forward_part(int layer, const LayerWeights& w, const ObserveRouting& observe, const Matrix& h,
                                Matrix& out) {
  const Activation activation = activation_of(model_);
  if (!spec::has_experts(model_, layer)) return feed_forward(machine(), w.dense, activation, LinearRole::dense, h, out);
  const spec::MoeShape& moe = *model_.moe;
  Matrix router;
  linear(machine(), h.view(), w.router, LinearRole::router, router);
  Routing routing;
  const Machine m = machine();
  const GateInput in{m, moe, layer, h, router, w.selection_bias};
  if (gate_ != nullptr)
    gate_->choose(in, routing);
  else
    choose_as_published(in, routing);
  if (observe) observe(layer, routing);
  if (moe.shared_experts > 0) {
    feed_forward(m, w.shared, activation, LinearRole::shared, h, out);
    if (moe.shared_gate) gate_output(m, w.shared_output_gate, h, out);
  } else {
    resize(out, h.rows, h.columns);
    std::fill(out.values.begin(), out.values.end(), 0.0F);
  }
  run_experts(m, model_, weights_, layer, routing, h, scratch_, out);
}

void Forward::norm(const Matrix& x, const float* weight, Matrix& y) {
  if (&x != &y) resize(y, x.rows, x.columns);
  each_block(machine(), x.rows, 64, [&](int first, int count) {
    rms_norm(x.row(first), x.columns, count, x.columns, weight, model_.norm_epsilon,
             spec::traits_of(model_.architecture).norms_from_one, y.row(first), y.columns);
  });
}
}  // namespace moesim::numerics
