#include "numerics/weights/weights.h"

namespace moesim::numerics {
namespace {
/// The parts of one place by role; absent ones are null.
struct PartViews {
  std::array<MatrixView, kParts> of{};
  PartViews(const std::vector<PartShape>& shapes, Weights& weights, int layer, int expert, WeightScratch& scratch) {
    for (const PartShape& s : shapes)
      of[std::size_t(s.part)] = {weights.get(s, layer, expert, scratch), s.rows, s.columns, s.columns};
  }
  const MatrixView& operator[](Part p) const { return of[std::size_t(p)]; }
  const float* vector(Part p) const { return of[std::size_t(p)].data; }
  LinearWeights linear(Part p) const { return {(*this)[p], nullptr}; }
  LinearWeights linear(Part p, Part bias) const { return {(*this)[p], vector(bias)}; }
};
}  // namespace

LayerWeights layer_weights(const spec::Model& model, Weights& weights, int layer, WeightScratch& scratch) {
  const PartViews p(layer_parts(model, layer), weights, layer, -1, scratch);
  LayerWeights w;
  w.attention_norm = p.vector(Part::attention_norm);
  w.attention_out_norm = p.vector(Part::attention_out_norm);
  w.ffn_norm = p.vector(Part::ffn_norm);
  w.ffn_out_norm = p.vector(Part::ffn_out_norm);
  w.query = p.linear(Part::query, Part::query_bias);
  w.key = p.linear(Part::key, Part::key_bias);
  w.value = p.linear(Part::value, Part::value_bias);
  w.output = p.linear(Part::output, Part::output_bias);
  for (const Part own : {Part::delta_output, Part::mamba_output})
    if (w.output.matrix.data == nullptr) w.output = p.linear(own);
  w.query_norm = p.vector(Part::query_norm);
  w.key_norm = p.vector(Part::key_norm);
  w.sinks = p.vector(Part::sinks);
  w.query_down = p.linear(Part::query_down);
  w.query_down_norm = p.vector(Part::query_down_norm);
  w.query_up = p.linear(Part::query_up);
  w.kv_down = p.linear(Part::kv_down);
  w.kv_down_norm = p.vector(Part::kv_down_norm);
  w.kv_up = p.linear(Part::kv_up);
  w.index_query = p.linear(Part::index_query);
  w.index_key = p.linear(Part::index_key);
  w.index_weights = p.linear(Part::index_weights);
  w.index_key_norm = p.vector(Part::index_key_norm);
  w.index_key_norm_bias = p.vector(Part::index_key_norm_bias);
  w.delta.qkvz = p.linear(Part::delta_qkvz);
  w.delta.ba = p.linear(Part::delta_ba);
  w.delta.qkv = p.linear(Part::delta_qkv);
  w.delta.z = p.linear(Part::delta_z);
  w.delta.b = p.linear(Part::delta_b);
  w.delta.a = p.linear(Part::delta_a);
  w.delta.convolution = p.vector(Part::delta_convolution);
  w.delta.decay = p.vector(Part::delta_decay);
  w.delta.step_bias = p.vector(Part::delta_step_bias);
  w.delta.norm = p.vector(Part::delta_norm);
  w.mamba.input = p.linear(Part::mamba_input);
  w.mamba.convolution = p.vector(Part::mamba_convolution);
  w.mamba.convolution_bias = p.vector(Part::mamba_convolution_bias);
  w.mamba.decay = p.vector(Part::mamba_decay);
  w.mamba.skip = p.vector(Part::mamba_skip);
  w.mamba.step_bias = p.vector(Part::mamba_step_bias);
  w.mamba.norm = p.vector(Part::mamba_norm);
  w.dense = {p.linear(Part::dense_gate), p.linear(Part::dense_up), p.linear(Part::dense_down)};
  w.router = p.linear(Part::router, Part::router_bias);
  w.selection_bias = p.vector(Part::selection_bias);
  w.shared = {p.linear(Part::shared_gate), p.linear(Part::shared_up), p.linear(Part::shared_down)};
  w.shared_output_gate = p.linear(Part::shared_output_gate);
  w.mtp_embedding_norm = p.vector(Part::mtp_embedding_norm);
  w.mtp_hidden_norm = p.vector(Part::mtp_hidden_norm);
  w.mtp_embedding = p.vector(Part::mtp_embedding);
  w.mtp_head_norm = p.vector(Part::mtp_head_norm);
  w.mtp_projection = p.linear(Part::mtp_projection);
  w.mtp_head = p.linear(Part::mtp_head);
  return w;
}

FfnWeights expert_weights(const spec::Model& model, Weights& weights, int layer, int expert, WeightScratch& scratch) {
  const PartViews p(expert_parts(model), weights, layer, expert, scratch);
  return {p.linear(Part::expert_gate, Part::expert_gate_bias), p.linear(Part::expert_up, Part::expert_up_bias),
          p.linear(Part::expert_down, Part::expert_down_bias)};
}
}  // namespace moesim::numerics
