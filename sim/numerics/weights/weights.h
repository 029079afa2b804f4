// Where the forward pass gets its weights from: a checkpoint on disk or a generator; all arrive as FP32.
#pragma once
#include <array>
#include <vector>

#include "numerics/algebra/blas.h"
#include "numerics/weights/layout.h"

namespace moesim::numerics {

/// Room for weights that are converted anew at each use; one a thread.
using WeightScratch = std::array<std::vector<float>, kParts>;

/// Gives any part of a model as FP32, row-major.  Safe to call from several threads, each with its own scratch.
class Weights {
 public:
  virtual ~Weights() = default;
  /// layer: -1 for the outer parts; expert: -1 unless it is an expert's.  The values live as long as this object, or,
  /// if they do not fit the memory set aside, until `scratch` is used for the same part again.
  /// Throws ConfigError naming file and tensor if the values are not numbers.
  virtual const float* get(const PartShape& shape, int layer, int expert, WeightScratch& scratch) = 0;
};

/// A linear map (outputs, inputs) with an optional bias (outputs).
struct LinearWeights {
  MatrixView matrix;
  const float* bias = nullptr;
};
/// gate: without data in families that have none.
struct FfnWeights {
  LinearWeights gate, up, down;
};
/// Of gated DeltaNet: the first two of its projections, or the other four.
struct DeltaWeights {
  LinearWeights qkvz, ba, qkv, z, b, a;
  const float *convolution = nullptr, *decay = nullptr, *step_bias = nullptr, *norm = nullptr;
};
struct MambaWeights {
  LinearWeights input;
  const float *convolution = nullptr, *convolution_bias = nullptr, *decay = nullptr, *skip = nullptr,
              *step_bias = nullptr, *norm = nullptr;
};
struct LayerWeights {
  const float *attention_norm = nullptr, *attention_out_norm = nullptr, *ffn_norm = nullptr, *ffn_out_norm = nullptr;
  LinearWeights query, key, value, output;  // output: gated DeltaNet's too
  const float *query_norm = nullptr, *key_norm = nullptr, *sinks = nullptr;
  LinearWeights query_down, query_up, kv_down, kv_up;
  const float *query_down_norm = nullptr, *kv_down_norm = nullptr;
  LinearWeights index_query, index_key, index_weights;
  const float *index_key_norm = nullptr, *index_key_norm_bias = nullptr;
  DeltaWeights delta;
  MambaWeights mamba;
  FfnWeights dense;  // or
  LinearWeights router;
  const float* selection_bias = nullptr;
  FfnWeights shared;
  LinearWeights shared_output_gate;
  const float *mtp_embedding_norm = nullptr, *mtp_hidden_norm = nullptr, *mtp_embedding = nullptr,
              *mtp_head_norm = nullptr;
  LinearWeights mtp_projection, mtp_head;
};
/// All of one layer but its experts; absent parts have null data.
LayerWeights layer_weights(const spec::Model& model, Weights& weights, int layer, WeightScratch& scratch);
FfnWeights expert_weights(const spec::Model& model, Weights& weights, int layer, int expert, WeightScratch& scratch);
}  // namespace moesim::numerics
