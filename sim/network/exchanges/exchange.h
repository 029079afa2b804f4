// One dispatch or combine of an expert-parallel group: who sends how much to whom, and when each GPU has all it needs.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "exchange/exchange_load.h"
#include "exchange/fan_out.h"
#include "exchange/relay.h"
#include "network/calibration.h"
#include "network/exchanges/exchange_rates.h"
#include "network/groups/exchange_group.h"
#include "network/groups/rendezvous.h"

namespace moesim::network {

class Network;

/// Throws ConfigError, prefixed with `where`, for a load that no exchange can carry: negative counts, sizes that do not
/// fit the group, more than 2^62 bytes.
void check_load(const exchange::ExchangeLoad& load, const ExchangeGroup& group, const ExchangeSpec& spec,
                std::string_view where);

/// The bottleneck model's closed form: every port carries its bytes after the GPUs that use it are ready, and a GPU has
/// all it needs when the slowest port on any of its inputs is done.  On symmetric traffic never later than `fluid` by
/// more than rounding.  Keeps its buffers: calls of kernels with rates of
/// their own allocate nothing.  64 GPUs cost under 50 us.  One per thread.
class ExchangeTimes {
 public:
  /// Throws ConfigError if a port the group needs has failed: only `fluid` goes around.
  ExchangeTimes(const ExchangeGroup& group, const NetworkCalibration& calibration, const ExchangeSpec& spec);

  /// ready: (gpus) when each GPU starts to send.  arrival: (gpus) when each GPU has all it needs (dispatch: the rows of
  /// its slots; combine: its tokens' results); at least the last ready time plus the kernel's fixed time and a latency,
  /// since every GPU waits for the counts of all.  Throws std::logic_error if the load has another size.
  void operator()(const exchange::ExchangeLoad& load, std::span<const Time> ready, std::span<Time> arrival);
  /// The same from sums alone, all GPUs ready at 0: O(gpus).
  void operator()(const exchange::ExchangeSums& sums, std::span<Time> arrival);

  const ExchangeSpec& spec() const { return spec_; }

 private:
  double nic(int member) const { return per_nic_byte_[std::size_t(group_->port(member))]; }
  void carry(const ExchangeMix& mix);
  void straight(const exchange::ExchangeLoad& load);
  void relayed_dispatch(const exchange::ExchangeLoad& load);
  void relayed_combine(const exchange::ExchangeLoad& load);
  void finish(std::span<Time> arrival, Time origin) const;

  const ExchangeGroup* group_;
  ExchangeSpec spec_;
  ExchangeRates rates_;
  double any_latency_ = 0, rail_latency_ = 0, nvlink_latency_ = 0;  // seconds, like all below
  std::vector<double> per_nic_byte_, per_nvlink_byte_;              // by port, by member
  std::vector<int> order_;                                          // members by ready time
  std::vector<double> ready_, arrival_, nic_out_, nic_in_, nvlink_out_, nvlink_in_, gathered_, start_, handed_on_;
};

/// Opens one exchange: GPUs join() when ready, and `arrived(member)` runs when all that the member needs is there.
/// With a closed-form network the times are ExchangeTimes'; with fluid, flows start as members join.  Dispatch: a
/// source's rows leave at once; what a relay takes in crosses NVLink from when it and all its senders have joined,
/// and `forward_tail` of it after the last byte came in.  Combine is the mirror image.  A gather starts when all have
/// joined, as a collective.
/// The load is read during the call only; the group must live as long.  Destroy the object after finished(), not inside
/// `arrived`.
std::unique_ptr<Rendezvous> open_exchange(Network& network, const ExchangeGroup& group, const ExchangeSpec& spec,
                                          const exchange::ExchangeLoad& load, std::function<void(int member)> arrived);
}  // namespace moesim::network
