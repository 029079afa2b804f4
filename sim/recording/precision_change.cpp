#include "recording/precision_change.h"

#include <algorithm>
#include <cmath>

namespace moesim::recording {

void PrecisionDifference::add_choices(const std::map<int, numerics::Routing>& reference,
                                      const std::map<int, numerics::Routing>& other) {
  std::vector<bool> touched;
  for (const auto& [layer, a] : reference) {
    const numerics::Routing& b = other.at(layer);
    LayerChange& change = by_layer_[layer];
    touched.resize(std::size_t(a.tokens));
    const int k = a.top_k;
    for (int t = 0; t < a.tokens; ++t) {
      std::vector<int> x(a.experts.begin() + t * k, a.experts.begin() + (t + 1) * k);
      std::vector<int> y(b.experts.begin() + t * k, b.experts.begin() + (t + 1) * k);
      if (x == y) continue;
      std::ranges::sort(x);
      std::ranges::sort(y);
      if (x == y) {
        ++change.order;
      } else {
        ++change.experts;
        touched[std::size_t(t)] = true;
      }
    }
  }
  change_.tokens_touched += std::ranges::count(touched, true);
}

void PrecisionDifference::add_logits(const numerics::Matrix& a, const numerics::Matrix& b) {
  for (int r = 0; r < a.rows; ++r) {
    const float *x = a.row(r), *y = b.row(r);
    double row = 0;
    for (int i = 0; i < a.columns; ++i) {
      const double d = std::fabs(double(x[i]) - double(y[i]));
      row += d;
      change_.largest_logit = std::max(change_.largest_logit, d);
    }
    sum_ += row / a.columns;
    if (std::max_element(x, x + a.columns) - x == std::max_element(y, y + a.columns) - y) ++change_.same_best;
    ++rows_;
  }
}

PrecisionChange PrecisionDifference::result() {
  change_.mean_logit = rows_ == 0 ? 0 : sum_ / double(rows_);
  for (auto& [layer, change] : by_layer_) {
    change.layer = layer;
    change_.layers.push_back(change);
  }
  return change_;
}
}  // namespace moesim::recording
