// A DeepSeek-V4 checkpoint's tensors, as FP32, under their released names.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "formats/safetensors.h"
#include "numerics/algebra/blas.h"
#include "numerics/compressed/shape.h"

namespace moesim::numerics {

class CompressedTensors {
 public:
  /// Reads everything.  Throws ConfigError naming file, tensor and both values if a tensor is missing, of another shape
  /// than `shape` says or of an unknown type, if one is there that has no place, or a table names an expert that is
  /// not.
  CompressedTensors(const CompressedShape& shape, const std::string& folder);

  /// Draws everything from a seed: matrices that keep the size of what passes through them, norms of 1, tables that
  /// give each token id `top_k` experts; biases that choose experts stay 0, so that no load is aimed at.
  CompressedTensors(const CompressedShape& shape, std::uint64_t seed);

  /// (outputs, inputs)
  MatrixView matrix(const std::string& name) const;
  const float* vector(const std::string& name) const { return matrix(name).data; }
  /// The experts of a token id in a layer that looks them up.
  const std::int64_t* experts_of(int layer, int token) const;

 private:
  void add_all();
  void draw(const std::string& name, std::int64_t rows, std::int64_t columns);
  void draw_table(int layer, const std::string& name);
  void add(const std::string& name, std::int64_t rows, std::int64_t columns);
  void add_layer(int layer);
  void add_compressor(const std::string& prefix, int ratio, int width);
  void add_attention(const std::string& prefix, int layer);
  void add_experts(const std::string& prefix, int layer);
  void add_table(int layer, const std::string& name);
  const formats::StoredTensor& claim(const std::string& name, const std::vector<std::int64_t>& shape);

  struct Values {
    std::int64_t rows = 0, columns = 0;
    std::vector<float> values;
  };
  const CompressedShape& shape_;
  std::optional<formats::SafetensorsFolder> folder_;  // none: drawn from the seed
  std::uint64_t seed_ = 0;
  std::map<std::string, Values> tensors_;
  std::map<int, std::vector<std::int64_t>> tables_;
  std::size_t claimed_ = 0;
};
}  // namespace moesim::numerics
