// A model's weights from a Hugging Face folder: memory-mapped, converted to FP32 as they are used.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "formats/safetensors.h"
#include "numerics/weights/weights.h"

namespace moesim::numerics {

class Checkpoint final : public Weights {
 public:
  /// keep: converted weights that stay in memory; what comes later is converted anew at each use.  FP32 tensors are
  /// read in place and never count.  Kept weights are never dropped: a pass reads all layers in turn, and dropping the
  /// oldest would drop each just before its next use.
  /// Throws ConfigError naming file, tensor and both values if a tensor is missing, extra, of an unknown type or of
  /// another shape than `model` says.
  Checkpoint(const spec::Model& model, const std::string& folder, Bytes keep = Bytes{std::int64_t{8} << 30});

  const float* get(const PartShape& shape, int layer, int expert, WeightScratch& scratch) override;
  Bytes kept() const { return {kept_bytes_.load()}; }

 private:
  struct Source {
    const formats::StoredTensor* tensor = nullptr;
    const formats::SafetensorsFile* file = nullptr;
    const formats::StoredTensor* scales = nullptr;  // of 128x128 blocks of an FP8 matrix, or of 32 MXFP4 values each
    StoredPlace place;
    std::atomic<const float*> ready{nullptr};  // values that can be used in place
  };
  void claim_all();
  void claim(const PartShape& shape, int layer, int expert);
  bool claim_mxfp4(const StoredPlace& place, Source& made);
  void check_no_extras() const;
  Source& source(Part part, int layer, int expert);
  void read(const Source& source, const PartShape& shape, float* out) const;
  void check_numbers(const Source& source, const PartShape& shape, const float* values) const;

  spec::Model model_;
  formats::SafetensorsFolder folder_;
  std::map<std::string, formats::SafetensorsFolder::Found> by_name_;  // names as in layout.h
  std::set<std::string> claimed_;
  std::vector<std::unique_ptr<Source>> sources_;
  std::vector<int> layer_base_;  // of layer -1, 0, 1, ... in sources_
  Bytes keep_;
  std::atomic<std::int64_t> kept_bytes_{0};
  std::mutex mutex_;
  std::vector<std::unique_ptr<float[]>> kept_;
};
}  // namespace moesim::numerics
