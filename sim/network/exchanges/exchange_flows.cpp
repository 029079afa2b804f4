// An exchange as events: joins, flows, what each GPU still waits for.
#include <fmt/format.h>

#include <algorithm>

#include "core/check.h"
#include "network/exchanges/exchange.h"
#include "network/exchanges/opened.h"
#include "network/member_index.h"
#include "network/network.h"

namespace moesim::network {
namespace {
/// Flows in up to two stages.  Stage one ends at a relay (dispatch: what it takes in by adapter; combine: what it takes
/// in by NVLink) and stage two at the member that needs it.
class FlowExchange final : public Rendezvous, private Receiver {
 public:
  FlowExchange(Network& network, const ExchangeGroup& group, const ExchangeSpec& spec,
               const exchange::ExchangeLoad& load, std::function<void(int)> arrived)
      : network_(network),
        group_(group),
        spec_(spec),
        rates_(group, network.calibration(), spec),
        joins_(group.gpus()),
        arrived_(std::move(arrived)),
        on_join_(at(group.gpus())),
        on_relay_(at(group.gpus())),
        listeners_(at(group.gpus())),
        relay_waits_(at(group.gpus()), 0),
        relay_in_(at(group.gpus()), 0),
        tails_(at(group.gpus())),
        missing_(at(group.gpus()), 1),  // the counts of all others
        unfinished_(group.gpus()) {
    check_load(load, group, spec, "exchange");
    rates_.carry(mix_of(load, group, spec.kernel));
    if (way_of(spec.kernel) == RowWay::straight)
      plan_straight(load);
    else if (spec.direction == ExchangeDirection::dispatch)
      plan_dispatch(load);
    else
      plan_combine(load);
    for (int m = 0; m < group.gpus(); ++m)
      if (relay_in_[at(m)] > 0) ++missing_[at(m)];
  }

  void join(int member) override {
    const bool last = joins_.join(member);
    network_.engine().after(rates_.fixed, "exchange: launch", [this, member, last] { launch(member, last); });
  }
  bool finished() const override { return unfinished_ == 0; }

 private:
  struct Tail {
    int to;
    Time delay;
  };

  Transfer transfer(int from, int to, std::int64_t rows, bool nvlink, std::uint32_t tag) const {
    const double slow = nvlink ? rates_.nvlink_work[at(from)] : rates_.nic_work[at(group_.port(from))];
    const double work = double(rows) * rates_.row * slow;
    return {group_.gpu(from), group_.gpu(to), spec_.carried() * rows, {std::int64_t(work)}, tag, !nvlink};
  }
  std::uint32_t relay_tag(int member) const { return std::uint32_t(member); }
  std::uint32_t final_tag(int member) const { return std::uint32_t(group_.gpus() + member); }

  void plan_straight(const exchange::ExchangeLoad& load) {
    const int n = group_.gpus();
    const bool dispatch = spec_.direction == ExchangeDirection::dispatch;
    for (int from = 0; from < n; ++from)
      for (int to = 0; to < n; ++to) {
        const std::int32_t rows = load.rows_to_gpu[dispatch ? at(from * n + to) : at(to * n + from)];
        if (rows == 0 || from == to) continue;
        const bool nvlink = spec_.nvlink && group_.node_of(from) == group_.node_of(to);
        on_join_[at(from)].push_back(transfer(from, to, rows, nvlink, final_tag(to)));
        ++missing_[at(to)];
      }
  }

  void plan_dispatch(const exchange::ExchangeLoad& load) {
    const int n = group_.gpus(), nodes = group_.nodes(), per_node = group_.per_node();
    const spec::GroupShape shape = group_.shape();
    std::vector<std::int64_t> handed_on(at(n) * at(per_node));  // what came from other nodes
    for (int source = 0; source < n; ++source)
      exchange::each_crossing(
          shape, source, &load.tokens_to_node[at(source * nodes)], [&](int node, int relay, std::int32_t tokens) {
            on_join_[at(source)].push_back(transfer(source, relay, tokens, false, relay_tag(relay)));
            ++relay_in_[at(relay)];
            listen(source, relay);
            exchange::add_handed_on(shape, node, relay, &load.tokens_to_gpu[at(source * n)], std::int64_t{1},
                                    handed_on.data());
          });
    for (int from = 0; from < n; ++from) {
      listen(from, from);
      const int first = from - from % per_node;
      for (int to = first; to < first + per_node; ++to) {
        if (to == from) continue;
        const std::int64_t own = load.tokens_to_gpu[at(from * n + to)];
        const std::int64_t later = handed_on[at(from * per_node + to - first)];
        if (own > 0) final_flow(on_join_, from, to, own, true);
        if (later == 0) continue;
        final_flow(on_relay_, from, to, later, true);
        tail(from, to, later, rates_.nvlink[at(from)], group_.nvlink_latency());
      }
    }
  }

  void plan_combine(const exchange::ExchangeLoad& load) {
    const int n = group_.gpus(), nodes = group_.nodes(), per_node = group_.per_node();
    const spec::GroupShape shape = group_.shape();
    std::vector<std::int64_t> gathered(at(n) * at(per_node));  // what relays add up, from their own node's GPUs
    for (int source = 0; source < n; ++source)
      for (int node = 0; node < nodes; ++node)
        exchange::add_handed_on(shape, node, exchange::relay_of(shape, source, node),
                                &load.tokens_to_gpu[at(source * n)], std::int64_t{1}, gathered.data());
    for (int relay = 0; relay < n; ++relay) {
      listen(relay, relay);
      const int first = relay - relay % per_node;
      for (int from = first; from < first + per_node; ++from) {
        const std::int64_t rows = gathered[at(relay * per_node + from - first)];
        if (from == relay || rows == 0) continue;
        on_join_[at(from)].push_back(transfer(from, relay, rows, true, relay_tag(relay)));
        ++relay_in_[at(relay)];
        listen(from, relay);
      }
    }
    for (int source = 0; source < n; ++source)
      exchange::each_crossing(shape, source, &load.tokens_to_node[at(source * nodes)],
                              [&](int, int relay, std::int32_t tokens) {
                                final_flow(on_relay_, relay, source, tokens, false);
                                tail(relay, source, tokens, rates_.nic[at(group_.port(relay))], group_.rail_latency());
                              });
  }

  /// The relay's second stage waits for `member` to join.
  void listen(int member, int relay) {
    listeners_[at(member)].push_back(relay);
    ++relay_waits_[at(relay)];
  }
  void final_flow(std::vector<std::vector<Transfer>>& when, int from, int to, std::int64_t rows, bool nvlink) {
    when[at(from)].push_back(transfer(from, to, rows, nvlink, final_tag(to)));
    ++missing_[at(to)];
  }
  /// `to` waits for the part of these rows that moves on, at this rate, only after all has come in at the relay.
  void tail(int relay, int to, std::int64_t rows, double rate, Time latency) {
    if (relay_in_[at(relay)] == 0) return;
    const double bytes = rates_.kernel.forward_tail * double(rows) * rates_.row;
    tails_[at(relay)].push_back({to, from_seconds(bytes / rate) + latency});
    ++missing_[at(to)];
  }

  void launch(int member, bool last) {
    if (starting_.empty()) network_.engine().after({}, "exchange: start", [this] { start(); });
    starting_.push_back(member);
    if (!last) return;
    network_.engine().after(group_.count_latency(spec_) + rates_.sending, "exchange: counts", [this] {
      for (int m = 0; m < group_.gpus(); ++m) one_less(m);
    });
  }
  /// Everything that can start at this instant.
  void start() {
    std::vector<int> relays;
    for (const int member : starting_)
      for (const int relay : listeners_[at(member)])
        if (--relay_waits_[at(relay)] == 0) relays.push_back(relay);
    for (const int relay : relays) join_queues(relay);
    for (const int member : starting_) start(on_join_[at(member)]);
    for (const int relay : relays) start(on_relay_[at(relay)]);
    starting_.clear();
  }
  /// A relay's own rows and those it hands on to the same GPU stand in one queue if they can start together.  Both
  /// lists are in the order of tags.
  void join_queues(int relay) {
    std::vector<Transfer>& own = on_join_[at(relay)];
    auto next = own.begin();
    std::erase_if(on_relay_[at(relay)], [&](const Transfer& later) {
      while (next != own.end() && next->tag < later.tag) ++next;
      if (next == own.end() || next->tag != later.tag) return false;
      next->bytes += later.bytes;
      next->work += later.work;
      --missing_[at(int(later.tag) % group_.gpus())];
      return true;
    });
  }
  void start(std::vector<Transfer>& transfers) {
    network_.start(transfers, *this);
    transfers.clear();
  }

  void arrived(std::uint32_t tag) override {
    const int n = group_.gpus(), member = int(tag) % n;
    if (int(tag) >= n) return one_less(member);
    if (--relay_in_[at(member)] > 0) return;
    one_less(member);
    for (const Tail& t : tails_[at(member)])
      network_.engine().after(t.delay, "exchange: tail", [this, to = t.to] { one_less(to); });
  }
  void one_less(int member) {
    if (--missing_[at(member)] > 0) return;
    --unfinished_;
    arrived_(member);
  }

  Network& network_;
  const ExchangeGroup& group_;
  ExchangeSpec spec_;
  ExchangeRates rates_;
  Joins joins_;
  std::function<void(int)> arrived_;
  std::vector<std::vector<Transfer>> on_join_, on_relay_;  // by member that sends
  std::vector<std::vector<int>> listeners_;                // by member: relays that wait for it to join
  std::vector<int> starting_;                              // members that start at this instant
  std::vector<int> relay_waits_, relay_in_;                // joins, flows that a relay waits for
  std::vector<std::vector<Tail>> tails_;                   // by relay
  std::vector<int> missing_;                               // what each member waits for
  int unfinished_;
};
}  // namespace

std::unique_ptr<Rendezvous> open_flows(Network& network, const ExchangeGroup& group, const ExchangeSpec& spec,
                                       const exchange::ExchangeLoad& load, std::function<void(int)> arrived) {
  return std::make_unique<FlowExchange>(network, group, spec, load, std::move(arrived));
}
}  // namespace moesim::network
