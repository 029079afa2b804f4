// Closed-form exchange times.  A port that serves work with release times is done at the end of its last busy period:
// end = max(end, release) + work, in order of release.
#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "network/exchanges/exchange.h"

namespace moesim::network {
namespace {
void serve(double& end, double release, double work) { end = std::max(end, release) + work; }
std::size_t at(int i) { return std::size_t(i); }
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
  carry(mix_of(load, *group_));
  const Time origin = *std::min_element(ready.begin(), ready.end());
  const Time fixed = rates_.fixed + rates_.kernel.count * load.slots;
  for (std::size_t m = 0; m < n; ++m) {
    ready_[m] = seconds(ready[m] - origin + fixed);
    order_[m] = int(m);
  }
  std::stable_sort(order_.begin(), order_.end(), [this](int a, int b) { return ready_[at(a)] < ready_[at(b)]; });
  for (auto* v : {&nic_out_, &nic_in_, &nvlink_out_, &nvlink_in_, &gathered_, &start_}) std::ranges::fill(*v, 0.0);
  // Every GPU waits for the counts of all others.
  std::ranges::fill(arrival_, ready_[at(order_.back())] + seconds(group_->count_latency(spec_)));
  if (spec_.kernel == ExchangeKernel::low_latency)
    low_latency(load);
  else if (spec_.direction == ExchangeDirection::dispatch)
    normal_dispatch(load);
  else
    normal_combine(load);
  finish(arrival, origin);
}

void ExchangeTimes::carry(const ExchangeMix& mix) {
  if (!rates_.uses_sms()) return;
  rates_.carry(mix);
  for (int m = 0; m < group_->gpus() && group_->per_node() > 1; ++m) per_nvlink_byte_[at(m)] = 1 / rates_.nvlink[at(m)];
}

void ExchangeTimes::finish(std::span<Time> arrival, Time origin) const {
  for (std::size_t m = 0; m < arrival_.size(); ++m) {
    const Time takes = from_seconds(arrival_[m]);
    if (takes.v > INT64_MAX - origin.v) beyond_the_clock();
    arrival[m] = origin + takes;
  }
}

/// Rows go straight from sender to receiver, NVLink and adapters side by side.
void ExchangeTimes::low_latency(const exchange::ExchangeLoad& load) {
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
void ExchangeTimes::normal_dispatch(const exchange::ExchangeLoad& load) {
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
void ExchangeTimes::normal_combine(const exchange::ExchangeLoad& load) {
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

void ExchangeTimes::operator()(const exchange::ExchangeSums& sums, std::span<Time> arrival) {
  const int n = group_->gpus(), nodes = group_->nodes(), per_node = group_->per_node();
  check(sums.gpu_rows.size() == at(n) && sums.fan_out.gpu_reach.size() == at(n) &&
            sums.fan_out.node_reach.size() == at(nodes) && arrival.size() == at(n),
        "sums of {} GPUs for a group of {}", sums.gpu_rows.size(), n);
  const bool normal = spec_.kernel == ExchangeKernel::normal;
  const bool all_nic = !spec_.nvlink && !normal;
  double all_rows = 0, all_copies = 0, all_nodes = 0;
  for (const double rows : sums.gpu_rows) all_rows += rows;
  for (int m = 0; m < n; ++m) all_copies += sums.gpu_tokens(m);
  for (int node = 0; node < nodes; ++node) all_nodes += sums.node_tokens(node);
  carry({all_nodes, all_copies, all_copies * (per_node - 1) / per_node});
  // Every source sends a member an equal part of what it takes in, and a relay hands on for one source a node.
  // nvlink_in_ and nic_in_: seconds that a member's ports spend on its experts' rows; `sources`: the most that ports
  // spend on the rows of their own GPU's tokens.
  double nvlink_sources = 0, nic_sources = 0, nvlink_experts = 0, nic_experts = 0;
  for (int node = 0; node < nodes; ++node) {
    double node_rows = 0, node_copies = 0;
    for (int m = node * per_node; m < (node + 1) * per_node; ++m) {
      node_rows += sums.gpu_rows[at(m)];
      node_copies += sums.gpu_tokens(m);
    }
    for (int m = node * per_node; m < (node + 1) * per_node; ++m) {
      const double rows = sums.gpu_rows[at(m)], copies = sums.gpu_tokens(m);
      const double nvlink_byte = rates_.row / n * per_nvlink_byte_[at(m)];
      const double nic_byte = rates_.row / group_->ports() * nic(m);
      if (normal) {
        nvlink_in_[at(m)] = copies * nodes * (per_node - 1) * nvlink_byte;
        nic_in_[at(m)] = sums.node_tokens(node) * (nodes - 1) * nic_byte;
        nvlink_sources = std::max(nvlink_sources, (node_copies - copies) * nodes * nvlink_byte);
        nic_sources = std::max(nic_sources, (all_nodes - sums.node_tokens(node)) * nic_byte);
      } else {
        nvlink_in_[at(m)] = all_nic ? 0 : rows * (per_node - 1) * nvlink_byte;
        nic_in_[at(m)] = rows * (all_nic ? n - 1 : n - per_node) * nic_byte;
        nvlink_sources = std::max(nvlink_sources, all_nic ? 0 : (node_rows - rows) * nvlink_byte);
        nic_sources = std::max(nic_sources, (all_rows - (all_nic ? rows : node_rows)) * nic_byte);
      }
      nvlink_experts = std::max(nvlink_experts, nvlink_in_[at(m)]);
      nic_experts = std::max(nic_experts, nic_in_[at(m)]);
    }
  }
  const bool dispatch = spec_.direction == ExchangeDirection::dispatch, relayed = normal && nodes > 1;
  const double hop = normal ? rail_latency_ : any_latency_, tail = rates_.kernel.forward_tail;
  const double least = seconds(group_->count_latency(spec_));
  const Time fixed = rates_.fixed + rates_.kernel.count * std::int64_t(sums.slot_rows.size());
  for (int m = 0; m < n; ++m) {
    // A dispatch ends with what this member takes in; a combine's results need the fullest member's as well.
    const double nvlink = std::max(dispatch ? nvlink_in_[at(m)] : nvlink_experts, nvlink_sources) + nvlink_latency_;
    const double adapters = std::max(dispatch ? nic_in_[at(m)] : nic_experts, nic_sources);
    double end = std::max(least, per_node > 1 && !all_nic ? nvlink : 0);
    if (adapters > 0) end = std::max(end, adapters + hop);
    if (relayed && dispatch && per_node > 1)
      end = std::max(end, adapters + hop + nvlink_latency_ +
                              tail * sums.gpu_tokens(m) * (nodes - 1) / n * rates_.row * per_nvlink_byte_[at(m)]);
    if (relayed && !dispatch)
      end = std::max(end, nvlink + hop + tail * sums.node_tokens(group_->node_of(m)) / n * rates_.row * nic(m));
    arrival_[at(m)] = seconds(fixed) + end;
  }
  finish(arrival, {});
}
}  // namespace moesim::network
