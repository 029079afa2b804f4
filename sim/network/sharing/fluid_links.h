// Flows over links that are shared max-min fairly at every instant, driven by the engine.  Knows paths, not GPUs.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "core/engine.h"
#include "network/link_meter.h"
#include "network/network.h"
#include "network/sharing/earliest.h"
#include "network/sharing/fair_share.h"

namespace moesim::network {

/// Whom a flow joins: kept for cut(), else unused.
struct FlowEnds {
  GpuId from{}, to{};
  bool avoid_nvlink = false;
};

/// A flow's bytes leave at its fair rate from the instant it starts, and the last one arrives one path latency after it
/// left.  Rates are worked out once per instant, after all its starts and ends.
class FluidLinks {
 public:
  /// tolerance: in [0, 1).  Above 0, the bandwidth of flows that end is shared out anew only after up to a quarter of
  /// this part of the time that the shortest of them took, so that one sharing serves many ends.
  FluidLinks(Engine& engine, const IdVector<LinkId, Link>& links, double tolerance, Time sample_interval);

  /// Starts a flow now: `work` is what the links spend on its `bytes`.  An empty path or no work: only the latency.
  void start(std::span<const LinkId> path, Bytes bytes, double work, Time latency, Receiver& receiver,
             std::uint32_t tag, FlowEnds ends = {});
  void set_capacity(LinkId link, Bandwidth capacity);

  /// What is left of a flow whose path is cut.
  struct Stranded {
    FlowEnds ends;
    Bytes bytes{};
    double work = 0;
    Receiver* receiver = nullptr;
    std::uint32_t tag = 0;
  };
  /// The link carries nothing more: takes off every flow over it that has bytes left to send, in the order in which
  /// they started.  What they have sent counts on the old path.
  std::vector<Stranded> cut(LinkId link);
  /// Runs whenever the last flow has arrived.
  void when_idle(std::function<void()> idle) { idle_ = std::move(idle); }
  LinkMeter& meter() { return meter_; }
  /// Flows on their way, and flows that sharing has looked at so far.
  std::size_t active() const { return active_; }
  std::uint64_t visits() const { return share_.visits(); }

 private:
  struct Cold {  // of a flow: what is looked at only when it starts and ends
    Receiver* receiver = nullptr;
    std::uint64_t order = 0;
    Time latency{}, started{};
    std::int64_t bytes = 0;
    double work = 0;
    std::uint32_t tag = 0;
    FlowEnds ends;
  };
  struct Progress {
    double left = 0;  // bytes of work
    Time since{};
  };
  using Arrivals = std::vector<std::pair<Receiver*, std::uint32_t>>;

  double left_now(FairShare::Flow flow) const;
  void share_by(Time when);
  void reshare();
  void expect_next();
  void complete();
  void deliver();
  void arrive(std::uint32_t batch);

  Engine& engine_;
  double lag_;
  FairShare share_;
  LinkMeter meter_;
  std::vector<Cold> cold_;          // by flow
  std::vector<Progress> progress_;  // by flow
  Earliest finish_;                 // by flow
  std::vector<std::uint32_t> due_;
  std::vector<Cold> sent_;         // to be delivered
  std::vector<Arrivals> batches_;  // on their way through the latency
  std::vector<std::uint32_t> free_batches_;
  std::function<void()> idle_;
  std::uint64_t started_ = 0;
  std::size_t active_ = 0;
  Time share_at_{INT64_MAX}, next_at_{INT64_MAX};
  Engine::EventId share_event_{}, next_event_{};
};
}  // namespace moesim::network
