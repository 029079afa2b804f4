#include "numerics/pass/balance.h"

#include <algorithm>

#include "core/ceil_div.h"

namespace moesim::numerics {
namespace {
/// Load of each expert under a bias on the scores the choice is made on; counted by blocks of tokens, then summed.
std::vector<double> load_of(const Machine& machine, const spec::MoeShape& moe, const Matrix& scores,
                            const std::vector<float>& bias) {
  constexpr int kBlock = 128;
  const auto experts = std::size_t(moe.experts);
  const auto blocks = static_cast<std::size_t>(ceil_div(scores.rows, kBlock));
  std::vector<std::vector<int>> counts(blocks, std::vector<int>(experts));
  each_block(machine, scores.rows, kBlock, [&](int first, int count) {
    std::vector<float> values(experts);
    std::vector<int> chosen(std::size_t(moe.top_k));
    std::vector<int>& mine = counts[std::size_t(first / kBlock)];
    for (int t = first; t < first + count; ++t) {
      const float* row = scores.row(t);
      for (std::size_t i = 0; i < experts; ++i) values[i] = row[i] + bias[i];
      select_experts(moe, values.data(), chosen.data());
      for (const int e : chosen) ++mine[std::size_t(e)];
    }
  });
  std::vector<double> load(experts);
  for (const std::vector<int>& some : counts)
    for (std::size_t i = 0; i < experts; ++i) load[i] += some[i];
  return load;
}
}  // namespace

void balance_step(std::span<const double> load, std::span<const double> target, double gamma, std::span<float> bias) {
  for (std::size_t i = 0; i < bias.size(); ++i) {
    if (load[i] > target[i]) bias[i] -= float(gamma);
    if (load[i] < target[i]) bias[i] += float(gamma);
  }
}

std::vector<float> balanced_bias(const Machine& machine, const spec::MoeShape& moe, const Matrix& logits,
                                 std::span<const double> share, const BalanceSchedule& schedule) {
  Matrix scores = logits;
  if (moe.selection == spec::Selection::noaux_tc)
    each_block(machine, logits.rows, 64, [&](int first, int count) {
      for (int t = first; t < first + count; ++t) gate_scores(moe, logits.row(t), scores.row(t));
    });
  std::vector<double> target(share.begin(), share.end());
  for (double& t : target) t *= double(logits.rows) * moe.top_k;
  std::vector<float> bias(target.size());
  for (double gamma = schedule.first_gamma; gamma >= schedule.last_gamma; gamma /= 2)
    for (int step = 0; step < schedule.steps_each; ++step)
      balance_step(load_of(machine, moe, scores, bias), target, gamma, bias);
  return bias;
}
}  // namespace moesim::numerics
