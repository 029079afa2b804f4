#include "numerics/synthetic/synthetic_parts.h"

#include "numerics/pass/rope.h"

namespace moesim::numerics {
namespace {
constexpr float kConstant = 3;      // coordinate 0 of every embedding
constexpr double kContent = 0.7;    // of queries and keys: what tokens say, next to where they stand
constexpr double kLocalPeak = 2.0;  // logit that one rotating pair adds for the token itself

struct Filler {
  const PartShape& shape;
  Noise noise;
  std::vector<float> values;

  float& at(int row, int column) { return values[std::size_t(row) * std::size_t(shape.columns) + std::size_t(column)]; }
  void fill(double scale) {
    values.resize(std::size_t(shape.size()));
    for (std::int64_t i = 0; i < shape.size(); ++i) values[std::size_t(i)] = float(scale) * noise.at(i);
  }
  /// Products of unit-variance inputs have variance scale^2.
  void fill_matrix(double scale) { fill(scale / std::sqrt(double(shape.columns))); }
  void clear_column_zero() {
    for (int r = 0; r < shape.rows; ++r) at(r, 0) = 0;
  }
  void clear_row_zero() {
    for (int c = 0; c < shape.columns; ++c) at(0, c) = 0;
  }
};

bool is_local_head(int head, int layer) { return (head + layer) % 2 == 0; }

/// The constant of queries and keys, so that their product with coordinate 0 (about 2 after the norm) makes kLocalPeak.
float local_constant(const spec::Model& model) {
  return float(std::sqrt(kLocalPeak / double(softmax_scale(model))) / 2);
}

/// Sets the constant in the first two rotating pairs of every head for which `wanted`.
template <class Wanted>
void add_constants(Filler& f, const spec::Model& model, const spec::LayerRope& rope, int head_dim, int first,
                   Wanted wanted) {
  const int second = rope.interleaved ? 2 : 1;
  for (int head = 0; head * head_dim < f.shape.rows; ++head)
    if (wanted(head))
      for (const int d : {0, second})
        if (const int row = head * head_dim + first + d; row < f.shape.rows) f.at(row, 0) = local_constant(model);
}

void fill_output(Filler& f, const spec::Model& model, const SyntheticOptions& o, int layer) {
  f.fill_matrix(1);
  const int width = model.attention.v_head_dim;
  const double depth = std::sqrt(double(model.layers));
  for (int c = 0; c < f.shape.columns; ++c) {
    const auto strength = float((is_local_head(c / width, layer) ? o.context : o.text) / depth);
    for (int r = 0; r < f.shape.rows; ++r) f.at(r, c) *= strength;
  }
  f.clear_row_zero();
}

void fill_attention(Filler& f, const spec::Model& model, const SyntheticOptions& o, int layer) {
  const spec::AttentionShape& a = model.attention;
  const spec::LayerRope rope = spec::layer_shape(model, layer).attention.rope;
  const auto local = [layer](int head) { return is_local_head(head, layer); };
  const auto always = [](int) { return true; };
  switch (f.shape.part) {
    case Part::query:
    case Part::query_up:
      f.fill_matrix(kContent);
      f.clear_column_zero();
      return add_constants(f, model, rope, a.head_dim * (a.output_gate ? 2 : 1), rope.first, local);
    case Part::key:
      f.fill_matrix(kContent);
      f.clear_column_zero();
      return add_constants(f, model, rope, a.head_dim, 0, always);
    case Part::query_down:  // its coordinate 0 carries the constant on
      f.fill_matrix(1);
      f.clear_row_zero();
      f.clear_column_zero();
      f.at(0, 0) = 1;
      return;
    case Part::kv_down:
      f.fill_matrix(1);
      f.clear_column_zero();
      return add_constants(f, model, rope, f.shape.rows, a.kv_lora_rank, always);
    case Part::output:
      return fill_output(f, model, o, layer);
    default:  // values, and keys and values from the latent
      f.fill_matrix(1);
      return f.clear_column_zero();
  }
}
/// A state that forgets over some 30 tokens: softplus of the bias is 1/30 where the input adds nothing.
constexpr float kStepBias = -3.4F;

void fill_delta(Filler& f, const spec::Model& model, const SyntheticOptions& o) {
  switch (f.shape.part) {
    case Part::delta_decay:  // rates of 1
    case Part::mamba_decay:
    case Part::mamba_convolution_bias:
      return f.values.assign(std::size_t(f.shape.size()), 0.0F);
    case Part::mamba_skip:
    case Part::mamba_norm:
    case Part::delta_norm:  // stored as it is, whatever the family's other norms are
      return f.values.assign(std::size_t(f.shape.size()), 1.0F);
    case Part::mamba_step_bias:
    case Part::delta_step_bias:
      return f.values.assign(std::size_t(f.shape.size()), kStepBias);
    case Part::mamba_convolution:
    case Part::delta_convolution:
      return f.fill_matrix(1);
    case Part::mamba_output:
    case Part::delta_output:
      f.fill_matrix(o.context / std::sqrt(double(model.layers)));
      return f.clear_row_zero();
    default:  // projections
      f.fill_matrix(1);
      return f.clear_column_zero();
  }
}

/// What a part's values are made like.
enum class Filling { embedding, neutral, attention, down, projection, zero, spread, delta };

/// Tensors of gated DeltaNet and Mamba-2.
bool is_of_state(Part part) { return part >= Part::delta_qkvz && part <= Part::mamba_output; }

Filling filling_of(Part part) {
  if (is_of_state(part)) return Filling::delta;
  switch (part) {
    case Part::embedding:
      return Filling::embedding;
    case Part::attention_norm:
    case Part::attention_out_norm:
    case Part::ffn_norm:
    case Part::ffn_out_norm:
    case Part::final_norm:
    case Part::query_norm:
    case Part::key_norm:
    case Part::query_down_norm:
    case Part::kv_down_norm:
    case Part::index_key_norm:
    case Part::mtp_embedding_norm:
    case Part::mtp_hidden_norm:
    case Part::mtp_head_norm:
      return Filling::neutral;
    case Part::query:
    case Part::key:
    case Part::value:
    case Part::query_down:
    case Part::query_up:
    case Part::kv_down:
    case Part::kv_up:
    case Part::output:
      return Filling::attention;
    case Part::dense_down:
    case Part::shared_down:
    case Part::expert_down:
      return Filling::down;
    case Part::mtp_projection:
      return Filling::projection;
    case Part::shared_output_gate:  // half open
    case Part::query_bias:
    case Part::key_bias:
    case Part::value_bias:
    case Part::output_bias:
    case Part::sinks:
    case Part::router_bias:
    case Part::expert_gate_bias:
    case Part::expert_up_bias:
    case Part::expert_down_bias:
    case Part::index_key_norm_bias:
      return Filling::zero;
    default:  // head, gates and up-projections
      return Filling::spread;
  }
}
}  // namespace

std::vector<float> synthetic_part(const spec::Model& model, const SyntheticOptions& o, const PartShape& shape,
                                  int layer, int expert) {
  Filler f{shape, Noise(o.seed, shape.part, layer, expert), {}};
  switch (filling_of(shape.part)) {
    case Filling::embedding:
      f.fill(1);
      for (int r = 0; r < shape.rows; ++r) f.at(r, 0) = kConstant;
      break;
    case Filling::neutral:
      f.values.assign(std::size_t(shape.size()), spec::traits_of(model.architecture).norms_from_one ? 0.0F : 1.0F);
      break;
    case Filling::attention:
      fill_attention(f, model, o, layer);
      break;
    case Filling::down:
      f.fill_matrix(o.feed_forward / std::sqrt(double(model.layers)));
      f.clear_row_zero();
      break;
    case Filling::projection:
      f.fill_matrix(1.4);
      f.clear_row_zero();
      f.at(0, 0) = 1;
      break;
    case Filling::zero:
      f.values.assign(std::size_t(shape.size()), 0.0F);
      break;
    case Filling::spread:
      f.fill_matrix(2);
      break;
    case Filling::delta:
      fill_delta(f, model, o);
      break;
  }
  return f.values;
}
}  // namespace moesim::numerics
