#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "exchange/copy_shares.h"
#include "exchange/replica_kinds.h"

namespace moesim::exchange {
namespace {
class FixedShares final : public ReplicaChoice {
 public:
  FixedShares(const ExpertMap& map, std::vector<double> shares)
      : copies_(copy_table(map)), shares_(std::move(shares)), experts_of_(map.slot_to_expert) {
    check(shares_.size() == experts_of_.size(), "{} slots have {} shares", experts_of_.size(), shares_.size());
  }

  void split(const routing::Traffic& traffic, std::span<std::int32_t> by_slot) const override {
    const std::size_t slots = experts_of_.size();
    std::vector<double> rows(copies_.first.size() - 1, 0);  // of each expert so far
    std::vector<std::int32_t> given(slots, 0), gets;
    std::vector<double> wants;
    each_share(traffic, copies_, [&](std::size_t source, std::int32_t count, std::span<const int> copies) {
      double& all = rows[std::size_t(experts_of_[std::size_t(copies.front())])];
      all += count;
      wants.clear();
      for (const int s : copies) wants.push_back(all * shares_[std::size_t(s)] - given[std::size_t(s)]);
      deal(count, wants, gets);
      for (std::size_t i = 0; i < copies.size(); ++i) {
        given[std::size_t(copies[i])] += gets[i];
        by_slot[source * slots + std::size_t(copies[i])] += gets[i];
      }
    });
  }

 private:
  /// Whole rows for copies that lack so many of theirs (some have a part of a row too much); the first of equals.
  static void deal(std::int32_t count, std::span<double> wants, std::vector<std::int32_t>& gets) {
    gets.assign(wants.size(), 0);
    double lacking = 0;
    for (const double w : wants) lacking += std::max(0.0, w);
    std::int32_t left = count;
    for (std::size_t i = 0; lacking > 0 && i < wants.size(); ++i) {
      gets[i] = std::min(left, std::int32_t(std::floor(std::max(0.0, wants[i]) * count / lacking)));
      wants[i] -= gets[i];
      left -= gets[i];
    }
    for (; left > 0; --left) {
      const auto most = std::ranges::max_element(wants);
      *most -= 1;
      ++gets[std::size_t(most - wants.begin())];
    }
  }

  CopyTable copies_;
  std::vector<double> shares_;   // (slots)
  std::vector<int> experts_of_;  // (slots)
};
}  // namespace

std::unique_ptr<ReplicaChoice> fixed_share_choice(const ExpertMap& map, std::vector<double> shares) {
  return std::make_unique<FixedShares>(map, std::move(shares));
}
}  // namespace moesim::exchange
