// What an exchange that was opened can be: flows of its own, or what follows from a closed form.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "core/check.h"
#include "network/exchanges/exchange.h"

namespace moesim::network {

/// Notes joins, and refuses a second one.
class Joins {
 public:
  explicit Joins(int count) : joined_(std::size_t(count), 0), waiting_(count) {}
  /// True for the last one.
  bool join(int member) {
    check(member >= 0 && std::size_t(member) < joined_.size() && joined_[std::size_t(member)] == 0,
          "member {} of {} joins an exchange it cannot join or has joined", member, joined_.size());
    joined_[std::size_t(member)] = 1;
    return --waiting_ == 0;
  }

 private:
  std::vector<char> joined_;
  int waiting_;
};

/// Flows that start as members join; not of a gather.
std::unique_ptr<Rendezvous> open_flows(Network& network, const ExchangeGroup& group, const ExchangeSpec& spec,
                                       const exchange::ExchangeLoad& load, std::function<void(int member)> arrived);
}  // namespace moesim::network
