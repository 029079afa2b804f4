// Loads of steps whose tokens choose the experts that were recorded for them: sums over who is in a step.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "routing/request_routing.h"
#include "serving/step/step_model.h"

namespace moesim::serving {

class RecordedLoads {
 public:
  /// layers: the model's numbers of its MoE layers.
  RecordedLoads(std::shared_ptr<const routing::RequestRouting> routing, std::vector<int> layers);

  /// A step begins; `tokens` must stay until the next one does.
  void begin(std::span<const RecordedTokens> tokens);
  double tokens() const { return all_; }  ///< of the step
  /// Rows of each expert in the step.
  std::span<const double> rows(std::size_t ordinal);

  /// Rows of each expert, (layers, experts), summed over the steps so far.
  const std::vector<double>& seen() const { return seen_; }
  /// Each expert's share of its layer's rows since the last look, or up to it if no step was since: (layers, experts).
  std::vector<double> recent() const;
  void look();

 private:
  std::size_t experts_;
  std::shared_ptr<const routing::RequestRouting> routing_;
  std::vector<int> layers_;
  std::span<const RecordedTokens> tokens_;
  double all_ = 0;
  std::vector<bool> summed_;                   // by layer: in this step
  std::vector<double> rows_, seen_, at_look_;  // (layers, experts): of the step; of all; of all before the last look
  std::vector<double> before_;                 // as at_look_, of the look before
};
}  // namespace moesim::serving
