// DeepSeek-V4's tensors made up from a seed.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/random.h"
#include "numerics/compressed/tensors.h"

namespace moesim::numerics {
// assumed: deviations that keep sizes: of a product 1 over the root of its inputs, of logits of the gate 1.2 as
// elsewhere here (SyntheticOptions::spread), of what mixes streams and of places within an entry a tenth.
void CompressedTensors::draw(const std::string& name, std::int64_t rows, std::int64_t columns) {
  constexpr double kGateSpread = 1.2, kSmall = 0.1;
  Values& out = tensors_[name];
  out = {std::max<std::int64_t>(rows, 1), columns, {}};
  const std::size_t size = std::size_t(out.rows * columns);
  if (name.ends_with("norm.weight") || name.ends_with("_scale")) return out.values.assign(size, 1.0F);
  if (rows == 0) return out.values.assign(size, 0.0F);  // biases, sinks
  Random random(seed_, "tensor " + name);
  const bool small = name.ends_with("_fn") || name.ends_with("ape");
  const double wide = 1 / std::sqrt(double(columns));
  const double deviation = name == "embed.weight"          ? 1
                           : small                         ? kSmall * wide
                           : name.ends_with("gate.weight") ? kGateSpread * wide
                                                           : wide;
  out.values.resize(size);
  const double range = deviation * std::sqrt(12.0);  // uniform numbers: of the same deviation
  for (float& v : out.values) v = float((random.uniform() - 0.5) * range);
}

void CompressedTensors::draw_table(int layer, const std::string& name) {
  Random random(seed_, "table " + name);
  std::vector<std::int64_t>& table = tables_[layer];
  std::vector<std::int64_t> experts(static_cast<std::size_t>(shape_.experts));
  for (int e = 0; e < shape_.experts; ++e) experts[std::size_t(e)] = e;
  for (int token = 0; token < shape_.vocabulary; ++token)
    for (int k = 0; k < shape_.top_k; ++k) {  // no expert twice
      const auto at = std::size_t(k) + random.below(std::uint64_t(shape_.experts - k));
      std::swap(experts[std::size_t(k)], experts[at]);
      table.push_back(experts[std::size_t(k)]);
    }
}
}  // namespace moesim::numerics
