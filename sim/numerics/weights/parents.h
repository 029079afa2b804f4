// Checkpoints that are to be assembled, held to each other.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "formats/safetensors.h"

namespace moesim::numerics {

class Parents {
 public:
  /// Throws ConfigError for the first difference in a configuration value that shapes or runs the model, or in a
  /// tensor's name, shape or type, naming both files and values; and for FP8 matrices without 128x128 scales.
  explicit Parents(const std::vector<std::string>& folders);

  const formats::SafetensorsFolder& first() const { return *folders_.front(); }
  const formats::StoredTensor& tensor(int parent, const std::string& name) const;
  /// The scales of an FP8 matrix, nullptr for others.
  const formats::StoredTensor* scales(int parent, const std::string& name) const;
  /// Whether `name` holds the scales of another tensor.
  bool is_scale(const std::string& name) const;
  /// Throws ConfigError if a file has become shorter since it was opened.
  void check_whole() const;

 private:
  void compare_tensors(const formats::SafetensorsFolder& other) const;
  void check_scales(const formats::SafetensorsFolder& folder) const;
  std::vector<std::unique_ptr<formats::SafetensorsFolder>> folders_;
};
}  // namespace moesim::numerics
