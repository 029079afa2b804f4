#include "serving/step/recorded_loads.h"

#include <algorithm>
#include <numeric>

namespace moesim::serving {

RecordedLoads::RecordedLoads(std::shared_ptr<const routing::RequestRouting> routing, std::vector<int> layers)
    : experts_(std::size_t(routing->header().experts)), routing_(std::move(routing)), layers_(std::move(layers)) {
  summed_.resize(layers_.size());
  rows_.resize(layers_.size() * experts_);
  seen_ = at_look_ = before_ = rows_;
}

void RecordedLoads::begin(std::span<const RecordedTokens> tokens) {
  tokens_ = tokens;
  all_ = 0;
  for (const RecordedTokens& t : tokens) all_ += t.count;
  summed_.assign(layers_.size(), false);
}

std::span<const double> RecordedLoads::rows(std::size_t ordinal) {
  const std::span<double> out = std::span(rows_).subspan(ordinal * experts_, experts_);
  if (summed_[ordinal]) return out;
  summed_[ordinal] = true;
  std::ranges::fill(out, 0.0);
  for (const RecordedTokens& t : tokens_) routing_->add_rows(layers_[ordinal], t.request, t.first, t.count, out);
  for (std::size_t e = 0; e < experts_; ++e) seen_[ordinal * experts_ + e] += out[e];
  return out;
}

std::vector<double> RecordedLoads::recent() const {
  const std::vector<double>& from = seen_ == at_look_ ? before_ : at_look_;
  std::vector<double> out(seen_.size());
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    double sum = 0;
    for (std::size_t i = l * experts_; i < (l + 1) * experts_; ++i) sum += out[i] = seen_[i] - from[i];
    for (std::size_t i = l * experts_; i < (l + 1) * experts_; ++i)
      out[i] = sum > 0 ? out[i] / sum : 1.0 / double(experts_);
  }
  return out;
}

void RecordedLoads::look() {
  before_ = at_look_;
  at_look_ = seen_;
}
}  // namespace moesim::serving
