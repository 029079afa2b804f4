// Closed-form exchange times.  A port that serves work with release times is done at the end of its last busy period:
// end = max(end, release) + work, in order of release.
#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "network/exchanges/exchange.h"
#include "network/member_index.h"

namespace moesim::network {
namespace {
void serve(double& end, double release, double work) { end = std::max(end, release) + work; }
}  // namespace

ExchangeTimes::ExchangeTimes(const ExchangeGroup& group, const NetworkCalibration& calibration,
                             const ExchangeSpec& spec)
    : group_(&group),
      spec_(spec),
      rates_(group, calibration, spec),
      any_latency_(seconds(group.any_latency())),
      rail_latency_(seconds(group.rail_latency())),
      nvlink_latency_(seconds(group.nvlink_latency())) {
  spec_.nvlink = spec_.nvlink || !group.topology().has_nics();
  const auto per_byte = [&](double rate, Bandwidth line, std::string_view what, int number) {
    if (line.v > 0) return 1 / rate;
    throw ConfigError(
        fmt::format("{} {} of the group has failed, and only network kind fluid goes around", what, number));
  };
  if (group.nodes() > 1 || !spec_.nvlink)
    for (int p = 0; p < group.ports(); ++p)
      per_nic_byte_.push_back(per_byte(rates_.nic[at(p)], group.nic_rate(p), "adapter", p));
  per_nic_byte_.resize(at(group.ports()));
  for (int m = 0; m < group.gpus(); ++m)
    per_nvlink_byte_.push_back(
        group.per_node() > 1 ? per_byte(rates_.nvlink[at(m)], group.nvlink_rate(m), "the NVLink of member", m) : 0);
  const std::size_t n = at(group.gpus());
  for (auto* v : {&ready_, &arrival_, &nic_out_, &nic_in_, &nvlink_out_, &nvlink_in_, &gathered_, &start_})
    v->resize(n);
  handed_on_.resize(n * at(group.per_node()));
  order_.resize(n);
}

void ExchangeTimes::operator()(const exchange::ExchangeLoad& load, std::span<const Time> ready,
                               std::span<Time> arrival) {
  const std::size_t n = at(group_->gpus());
  check(at(load.gpus) == n && load.nodes == group_->nodes() && ready.size() == n && arrival.size() == n &&
            load.rows_to_gpu.size() == n * n && load.tokens_to_gpu.size() == n * n &&
            load.tokens_to_node.size() == n * at(load.nodes),
        "an exchange of {} GPUs on {} nodes with {} ready times, for a group of {} on {}", load.gpus, load.nodes,
        ready.size(), n, group_->nodes());
  const Time origin = *std::min_element(ready.begin(), ready.end());
  if (way_of(spec_.kernel) == RowWay::gathered) {
    const Time last = *std::max_element(ready.begin(), ready.end());
    std::ranges::fill(arrival_, seconds(last - origin + rates_.gather(double(load.tokens))));
    return finish(arrival, origin);
  }
  carry(mix_of(load, *group_, spec_.kernel));
  for (std::size_t m = 0; m < n; ++m) {
    ready_[m] = seconds(ready[m] - origin + rates_.fixed);
    order_[m] = int(m);
  }
  std::stable_sort(order_.begin(), order_.end(), [this](int a, int b) { return ready_[at(a)] < ready_[at(b)]; });
  for (auto* v : {&nic_out_, &nic_in_, &nvlink_out_, &nvlink_in_, &gathered_, &start_}) std::ranges::fill(*v, 0.0);
  // Every GPU waits for the counts of all others.
  std::ranges::fill(arrival_, ready_[at(order_.back())] + seconds(group_->count_latency(spec_) + rates_.sending));
  if (way_of(spec_.kernel) == RowWay::straight)
    straight(load);
  else if (spec_.direction == ExchangeDirection::dispatch)
    relayed_dispatch(load);
  else
    relayed_combine(load);
  finish(arrival, origin);
}

void ExchangeTimes::carry(const ExchangeMix& mix) {
  rates_.carry(mix);
  for (std::size_t p = 0; p < per_nic_byte_.size(); ++p)
    if (per_nic_byte_[p] > 0) per_nic_byte_[p] = 1 / rates_.nic[p];
  for (std::size_t m = 0; m < per_nvlink_byte_.size(); ++m)
    if (per_nvlink_byte_[m] > 0) per_nvlink_byte_[m] = 1 / rates_.nvlink[m];
}

void ExchangeTimes::finish(std::span<Time> arrival, Time origin) const {
  for (std::size_t m = 0; m < arrival_.size(); ++m) {
    const Time takes = from_seconds(arrival_[m]);
    if (takes.v > INT64_MAX - origin.v) beyond_the_clock();
    arrival[m] = origin + takes;
  }
}

/// Rows go straight from sender to receiver, NVLink and adapters side by side.
void ExchangeTimes::straight(const exchange::ExchangeLoad& load) {
  const int n = group_->gpus();
  const bool dispatch = spec_.direction == ExchangeDirection::dispatch;
  const double row = rates_.row;
  for (const int from : order_) {
    for (int to = 0; to < n; ++to) {
      const std::int32_t rows = load.rows_to_gpu[dispatch ? at(from * n + to) : at(to * n + from)];
      if (rows == 0 || to == from) continue;
      const double bytes = rows * row;
      if (spec_.nvlink && group_->node_of(from) == group_->node_of(to)) {
        serve(nvlink_out_[at(from)], ready_[at(from)], bytes * per_nvlink_byte_[at(from)]);
        serve(nvlink_in_[at(to)], ready_[at(from)], bytes * per_nvlink_byte_[at(to)]);
      } else {
        serve(nic_out_[at(group_->port(from))], ready_[at(from)], bytes * nic(from));
        serve(nic_in_[at(group_->port(to))], ready_[at(from)], bytes * nic(to));
      }
    }
  }
  for (int from = 0; from < n; ++from) {
    const double nvlink = nvlink_out_[at(from)] + nvlink_latency_,
                 adapter = nic_out_[at(group_->port(from))] + any_latency_;
    for (int to = 0; to < n; ++to) {
      if (to == from || load.rows_to_gpu[dispatch ? at(from * n + to) : at(to * n + from)] == 0) continue;
      const bool inside = spec_.nvlink && group_->node_of(from) == group_->node_of(to);
      arrival_[at(to)] = std::max(arrival_[at(to)], inside ? nvlink : adapter);
    }
  }
  for (int to = 0; to < n; ++to) {
    if (nvlink_in_[at(to)] > 0) arrival_[at(to)] = std::max(arrival_[at(to)], nvlink_in_[at(to)] + nvlink_latency_);
    const double in = nic_in_[at(group_->port(to))];
    if (in > 0) arrival_[at(to)] = std::max(arrival_[at(to)], in + any_latency_);
  }
}

/// Adapter to the relay on each node, then NVLink to the rest of the node while more comes in.
void ExchangeTimes::relayed_dispatch(const exchange::ExchangeLoad& load) {
  const int n = group_->gpus(), nodes = group_->nodes(), per_node = group_->per_node();
  const spec::GroupShape shape = group_->shape();
  const double row = rates_.row;
  for (const int source : order_)
    exchange::each_crossing(shape, source, &load.tokens_to_node[at(source * nodes)],
                            [&](int, int relay, std::int32_t tokens) {
                              serve(nic_out_[at(group_->port(source))], ready_[at(source)], tokens * row * nic(source));
                              serve(nic_in_[at(group_->port(relay))], ready_[at(source)], tokens * row * nic(relay));
                              start_[at(relay)] = std::max(start_[at(relay)], ready_[at(source)]);
                            });
  std::ranges::fill(handed_on_, 0.0);  // [relay][position on its node], bytes from other nodes
  for (int source = 0; source < n; ++source)
    exchange::each_crossing(
        shape, source, &load.tokens_to_node[at(source * nodes)], [&](int node, int relay, std::int32_t) {
          gathered_[at(relay)] = std::max({gathered_[at(relay)], nic_out_[at(group_->port(source))] + rail_latency_,
                                           nic_in_[at(group_->port(relay))] + rail_latency_});
          exchange::add_handed_on(shape, node, relay, &load.tokens_to_gpu[at(source * n)], row, handed_on_.data());
        });
  for (int node = 0; node < nodes; ++node) {
    const int first = node * per_node;
    for (int i = 0; i < per_node; ++i) start_[at(first + i)] = std::max(start_[at(first + i)], ready_[at(first + i)]);
    // What NVLink carries, in order of release: own rows when a member is ready, those it hands on from `start_`.
    const auto pass = [&](bool own, int from) {
      const double release = own ? ready_[at(from)] : start_[at(from)];
      for (int i = 0; i < per_node; ++i) {
        const int to = first + i;
        const double bytes = own ? load.tokens_to_gpu[at(from * n + to)] * row : handed_on_[at(from * per_node + i)];
        if (to == from || bytes == 0) continue;
        serve(nvlink_out_[at(from)], release, bytes * per_nvlink_byte_[at(from)]);
        serve(nvlink_in_[at(to)], release, bytes * per_nvlink_byte_[at(to)]);
      }
    };
    for (const int from : order_)
      if (group_->node_of(from) == node) pass(true, from);
    for (const int from : order_)
      if (group_->node_of(from) == node) pass(false, from);
    for (int i = 0; i < per_node; ++i) {
      const int to = first + i;
      double done = std::max(arrival_[at(to)], gathered_[at(to)]);
      if (nvlink_in_[at(to)] > 0) done = std::max(done, nvlink_in_[at(to)] + nvlink_latency_);
      for (int from = first; from < first + per_node; ++from) {
        if (from == to) continue;
        const double later = handed_on_[at(from * per_node + i)];
        if (later > 0)
          done = std::max(done, gathered_[at(from)] + nvlink_latency_ +
                                    rates_.kernel.forward_tail * later * per_nvlink_byte_[at(from)]);
        if (later > 0 || load.tokens_to_gpu[at(from * n + to)] > 0)
          done = std::max(done, nvlink_out_[at(from)] + nvlink_latency_);
      }
      arrival_[at(to)] = done;
    }
  }
}

/// The mirror image: NVLink to the source itself or to its relay, which adds up and sends on.
void ExchangeTimes::relayed_combine(const exchange::ExchangeLoad& load) {
  const int n = group_->gpus(), nodes = group_->nodes(), per_node = group_->per_node();
  const spec::GroupShape shape = group_->shape();
  const double row = rates_.row;
  std::ranges::fill(handed_on_, 0.0);  // [relay][position of the expert's GPU], bytes: all rows that go there
  for (int source = 0; source < n; ++source)
    for (int node = 0; node < nodes; ++node)
      exchange::add_handed_on(shape, node, exchange::relay_of(shape, source, node), &load.tokens_to_gpu[at(source * n)],
                              row, handed_on_.data());
  for (const int from : order_) {
    const int first = from - from % per_node;
    for (int relay = first; relay < first + per_node; ++relay) {
      const double bytes = handed_on_[at(relay * per_node + from % per_node)];
      if (bytes == 0) continue;
      start_[at(relay)] = std::max(start_[at(relay)], ready_[at(from)]);
      if (relay == from) continue;
      serve(nvlink_out_[at(from)], ready_[at(from)], bytes * per_nvlink_byte_[at(from)]);
      serve(nvlink_in_[at(relay)], ready_[at(from)], bytes * per_nvlink_byte_[at(relay)]);
    }
  }
  for (int relay = 0; relay < n; ++relay) {
    const int first = relay - relay % per_node;
    double& gathered = gathered_[at(relay)];
    start_[at(relay)] = std::max(start_[at(relay)], ready_[at(relay)]);
    gathered = start_[at(relay)];
    for (int from = first; from < first + per_node; ++from)
      if (from != relay && handed_on_[at(relay * per_node + from % per_node)] > 0)
        gathered =
            std::max({gathered, nvlink_out_[at(from)] + nvlink_latency_, nvlink_in_[at(relay)] + nvlink_latency_});
    arrival_[at(relay)] = std::max(arrival_[at(relay)], gathered);
  }
  std::stable_sort(order_.begin(), order_.end(), [this](int a, int b) { return start_[at(a)] < start_[at(b)]; });
  for (const int relay : order_)
    exchange::each_relayed(shape, relay, [&](int source) {
      const std::int32_t tokens = load.tokens_to_node[at(source * nodes + group_->node_of(relay))];
      if (tokens == 0) return;
      serve(nic_out_[at(group_->port(relay))], start_[at(relay)], tokens * row * nic(relay));
      serve(nic_in_[at(group_->port(source))], start_[at(relay)], tokens * row * nic(source));
    });
  for (int source = 0; source < n; ++source)
    exchange::each_crossing(
        shape, source, &load.tokens_to_node[at(source * nodes)], [&](int, int relay, std::int32_t tokens) {
          const double tail = rates_.kernel.forward_tail * tokens * row * nic(relay);
          arrival_[at(source)] = std::max({arrival_[at(source)], nic_out_[at(group_->port(relay))] + rail_latency_,
                                           nic_in_[at(group_->port(source))] + rail_latency_,
                                           gathered_[at(relay)] + tail + rail_latency_});
        });
}
}  // namespace moesim::network
