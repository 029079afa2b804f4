#include "numerics/compressed/compressor.h"

#include <algorithm>

#include "core/elementary.h"
#include "numerics/algebra/elementwise.h"

namespace moesim::numerics {
namespace {
/// One column of an entry: the mean of `count` keys by the softmax of their weights, `stride` apart.
struct Mean {
  double most = -1e300, sum = 0, value = 0;
  void add(double key, double weight) {
    if (weight > most) {
      const double shrink = exp_of(most - weight);
      sum *= shrink, value *= shrink, most = weight;
    }
    const double e = exp_of(weight - most);
    sum += e, value += e * key;
  }
};

/// The entry that the cache's tokens make: the last `ratio` of them, and those before where entries overlap.
void add_entry(const CompressedShape& shape, const float* norm, int ratio, int width, const Turn& turn,
               EntryCache& cache) {
  const bool overlaps = ratio == CompressedShape::kIndexedRatio;
  const int columns = overlaps ? 2 * width : width, held = int(cache.keys.size()) / columns;
  std::vector<float> entry(static_cast<std::size_t>(width));
  for (int c = 0; c < width; ++c) {
    Mean mean;
    for (int t = 0; t < held; ++t) {
      const bool own = t >= held - ratio;
      const std::size_t at = std::size_t(t) * std::size_t(columns) + std::size_t(own && overlaps ? width + c : c);
      mean.add(double(cache.keys[at]), double(cache.weights[at]));
    }
    entry[std::size_t(c)] = float(mean.value / mean.sum);
  }
  rms_norm(entry.data(), width, 1, width, norm, shape.norm_epsilon, false, entry.data(), width);
  turn.forwards(entry.data(), width, cache.tokens - ratio);  // it stands where its first token does
  cache.entries.insert(cache.entries.end(), entry.begin(), entry.end());
  const std::size_t kept = overlaps ? std::size_t(ratio) * std::size_t(columns) : 0;
  for (std::vector<float>* values : {&cache.keys, &cache.weights})
    values->erase(values->begin(), values->end() - std::ptrdiff_t(kept));
}
}  // namespace

void compress(const Machine& machine, const CompressedShape& shape, const CompressedTensors& tensors,
              const std::string& prefix, int ratio, int width, const Turn& turn, const MatrixView& h,
              EntryCache& cache) {
  Matrix keys, weights;
  linear(machine, h, {tensors.matrix(prefix + "wkv.weight"), nullptr}, LinearRole::attention, keys);
  linear(machine, h, {tensors.matrix(prefix + "wgate.weight"), nullptr}, LinearRole::attention, weights);
  const MatrixView places = tensors.matrix(prefix + "ape");  // of a token within its entry
  const float* const norm = tensors.vector(prefix + "norm.weight");
  for (int t = 0; t < h.rows; ++t) {
    const float* const place = places.data + std::int64_t(cache.tokens % ratio) * places.columns;
    for (int c = 0; c < keys.columns; ++c) weights.row(t)[c] += place[c];
    cache.keys.insert(cache.keys.end(), keys.row(t), keys.row(t) + keys.columns);
    cache.weights.insert(cache.weights.end(), weights.row(t), weights.row(t) + weights.columns);
    if (++cache.tokens % ratio == 0) add_entry(shape, norm, ratio, width, turn, cache);
  }
}
}  // namespace moesim::numerics
