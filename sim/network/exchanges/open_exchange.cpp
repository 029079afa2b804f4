#include <algorithm>

#include "core/check.h"
#include "network/collectives/collective.h"
#include "network/exchanges/exchange.h"
#include "network/exchanges/opened.h"
#include "network/member_index.h"
#include "network/network.h"

namespace moesim::network {
namespace {
/// All times follow from the ready times once the last member has joined.
class ClosedExchange final : public Rendezvous {
 public:
  ClosedExchange(Network& network, const ExchangeGroup& group, const ExchangeSpec& spec,
                 const exchange::ExchangeLoad& load, std::function<void(int)> arrived)
      : network_(network),
        group_(group),
        times_(group, network.calibration(), spec),
        load_(load),
        joins_(group.gpus()),
        ready_(at(group.gpus())),
        arrived_(std::move(arrived)),
        missing_(group.gpus()) {}

  void join(int member) override {
    const bool last = joins_.join(member);
    ready_[at(member)] = network_.engine().now();
    if (!last) return;
    std::vector<Time> arrival(ready_.size());
    times_(load_, ready_, arrival);
    network_.count(group_, times_.spec(), load_, std::ranges::min(ready_), std::ranges::max(arrival));
    for (int m = 0; at(m) < arrival.size(); ++m)
      network_.engine().at(arrival[at(m)], "exchange: arrived", [this, m] {
        --missing_;
        arrived_(m);
      });
  }
  bool finished() const override { return missing_ == 0; }

 private:
  Network& network_;
  const ExchangeGroup& group_;
  ExchangeTimes times_;
  exchange::ExchangeLoad load_;
  Joins joins_;
  std::vector<Time> ready_;
  std::function<void(int)> arrived_;
  int missing_;
};
}  // namespace

std::unique_ptr<Rendezvous> open_exchange(Network& network, const ExchangeGroup& group, const ExchangeSpec& given,
                                          const exchange::ExchangeLoad& load, std::function<void(int member)> arrived) {
  ExchangeSpec spec = given;
  spec.nvlink = spec.nvlink || !group.topology().has_nics();
  if (network.closed_form()) return std::make_unique<ClosedExchange>(network, group, spec, load, std::move(arrived));
  if (way_of(spec.kernel) != RowWay::gathered) return open_flows(network, group, spec, load, std::move(arrived));
  check_load(load, group, spec, "exchange");
  return open_collective(network, gathering(spec.direction), CollectiveAlgorithm::best, group.members(),
                         spec.row * load.tokens, std::move(arrived), double(spec.carried().v) / double(spec.row.v));
}
}  // namespace moesim::network
