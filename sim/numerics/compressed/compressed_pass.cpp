#include "numerics/compressed/compressed_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/elementary.h"
#include "numerics/algebra/elementwise.h"
#include "numerics/compressed/streams.h"

namespace moesim::numerics {
CompressedForward::CompressedForward(const CompressedShape& shape, const CompressedTensors& tensors, int threads)
    : shape_(shape), tensors_(tensors), threads_(threads) {
  for (int layer = 0; layer < shape.layers; ++layer) turns_.emplace_back(shape, layer);
}

CompressedCache CompressedForward::new_cache() const {
  CompressedCache out;
  out.layers.resize(std::size_t(shape_.layers));
  return out;
}

Matrix CompressedForward::run(std::span<const int> tokens, CompressedCache& cache, const CompressedObserver& observe) {
  const int seen = cache.layers.at(0).tokens;
  if (shape_.positions > 0 && seen + int(tokens.size()) > shape_.positions)
    throw ConfigError(fmt::format("{} tokens are beyond the {} positions of {}", seen + int(tokens.size()),
                                  shape_.positions, shape_.name));
  const MatrixView table = tensors_.matrix("embed.weight");
  Matrix x(int(tokens.size()), shape_.streams * shape_.hidden), h, out;
  for (int t = 0; t < x.rows; ++t) {
    const int id = tokens[std::size_t(t)];
    check(id >= 0 && id < shape_.vocabulary, "token {} is not among the {} of the vocabulary", id, shape_.vocabulary);
    for (int i = 0; i < shape_.streams; ++i)
      std::copy_n(table.data + id * table.stride, shape_.hidden, x.row(t) + i * shape_.hidden);
  }
  for (int layer = 0; layer < shape_.layers; ++layer) {
    const std::string prefix = fmt::format("layers.{}.", layer);
    StreamMix mix = mix_streams(machine_, shape_, tensors_, prefix + "hc_attn", x);
    read_streams(shape_, mix, x, h);
    norm(prefix + "attn_norm.weight", h);
    std::vector<std::vector<int>> picks;
    compressed_attention(machine_, shape_, tensors_, layer, turns_[std::size_t(layer)], h,
                         cache.layers[std::size_t(layer)], out, &picks);
    if (observe.picks && shape_.has_indexer(layer)) observe.picks(layer, picks);
    write_streams(shape_, mix, out, x);
    mix = mix_streams(machine_, shape_, tensors_, prefix + "hc_ffn", x);
    read_streams(shape_, mix, x, h);
    norm(prefix + "ffn_norm.weight", h);
    write_streams(shape_, mix, experts(layer, tokens, h, observe), x);
  }
  gather_streams(machine_, shape_, tensors_, x, h);
  norm("norm.weight", h);
  return h;
}

Matrix CompressedForward::logits(const MatrixView& hidden) {
  Matrix out;
  linear(machine_, hidden, {tensors_.matrix("head.weight"), nullptr}, LinearRole::head, out);
  return out;
}

/// Scores are sqrt(softplus(logit)).  A bias is added for choosing only; where the token id says the experts their
/// order is the table's.  Weights: the scores over their sum.
Routing CompressedForward::choose(int layer, std::span<const int> tokens, const Matrix& h) {
  const std::string prefix = fmt::format("layers.{}.ffn.gate.", layer);
  Matrix scores;
  linear(machine_, h.view(), {tensors_.matrix(prefix + "weight"), nullptr}, LinearRole::router, scores);
  for (float& s : scores.values)
    s = float(std::sqrt(std::max(double(s), 0.0) + log1p_of(exp_of(-std::abs(double(s))))));
  const bool hashed = layer < shape_.hashed_layers;
  const float* const bias = hashed ? nullptr : tensors_.vector(prefix + "bias");
  spec::MoeShape by_score;
  by_score.experts = shape_.experts, by_score.top_k = shape_.top_k;
  Routing out{h.rows, shape_.top_k, std::vector<int>(std::size_t(h.rows * shape_.top_k)), {}};
  std::vector<float> values;
  for (int t = 0; t < h.rows; ++t) {
    int* const chosen = out.experts.data() + t * shape_.top_k;
    if (hashed) {
      const std::int64_t* const row = tensors_.experts_of(layer, tokens[std::size_t(t)]);
      for (int k = 0; k < shape_.top_k; ++k) chosen[k] = int(row[k]);
    } else {
      values.assign(scores.row(t), scores.row(t) + shape_.experts);
      for (int e = 0; e < shape_.experts; ++e) values[std::size_t(e)] += bias[e];
      select_experts(by_score, values.data(), chosen);
    }
    float sum = 0;
    for (int k = 0; k < shape_.top_k; ++k) sum += scores.row(t)[chosen[k]];
    for (int k = 0; k < shape_.top_k; ++k)
      out.weights.push_back(scores.row(t)[chosen[k]] / sum * float(shape_.gate_scale));
  }
  return out;
}

/// silu(gate) * up, both held to the limit: the gate from above, up from both sides.
void CompressedForward::network(const std::string& prefix, const MatrixView& x, Matrix& out) {
  Matrix gate, up;
  linear(machine_, x, {tensors_.matrix(prefix + "w1.weight"), nullptr}, LinearRole::expert, gate);
  linear(machine_, x, {tensors_.matrix(prefix + "w3.weight"), nullptr}, LinearRole::expert, up);
  if (shape_.swiglu_limit > 0) {
    const auto limit = float(shape_.swiglu_limit);
    for (float& v : gate.values) v = std::min(v, limit);
    for (float& v : up.values) v = std::clamp(v, -limit, limit);
  }
  activate({Activation::Kind::swiglu, 0}, gate.values.data(), up.values.data(), std::int64_t(gate.values.size()));
  linear(machine_, gate.view(), {tensors_.matrix(prefix + "w2.weight"), nullptr}, LinearRole::expert, out);
}

Matrix CompressedForward::experts(int layer, std::span<const int> tokens, const Matrix& h,
                                  const CompressedObserver& observe) {
  const std::string prefix = fmt::format("layers.{}.ffn.", layer);
  const Routing routing = choose(layer, tokens, h);
  if (observe.routing) observe.routing(layer, routing);
  Matrix out(h.rows, shape_.hidden), result;
  if (shape_.shared_width > 0) network(prefix + "shared_experts.", h.view(), out);
  for (int e = 0; e < shape_.experts; ++e) {
    std::vector<std::size_t> choices;  // of this expert, tokens rising
    for (std::size_t i = 0; i < routing.experts.size(); ++i)
      if (routing.experts[i] == e) choices.push_back(i);
    if (choices.empty()) continue;
    Matrix rows(int(choices.size()), shape_.hidden);
    for (int r = 0; r < rows.rows; ++r)
      std::copy_n(h.row(int(choices[std::size_t(r)]) / shape_.top_k), shape_.hidden, rows.row(r));
    network(fmt::format("{}experts.{}.", prefix, e), rows.view(), result);
    for (int r = 0; r < rows.rows; ++r) {
      float* const to = out.row(int(choices[std::size_t(r)]) / shape_.top_k);
      const float weight = routing.weights[choices[std::size_t(r)]];
      for (int c = 0; c < shape_.hidden; ++c) to[c] += weight * result.row(r)[c];
    }
  }
  return out;
}

void CompressedForward::norm(const std::string& name, Matrix& x) {
  rms_norm(x.values.data(), x.columns, x.rows, x.columns, tensors_.vector(name), shape_.norm_epsilon, false,
           x.values.data(), x.columns);
}
}  // namespace moesim::numerics
