// Closed-form exchange times from sums alone: every source sends alike.
#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "network/exchanges/exchange.h"
#include "network/member_index.h"

namespace moesim::network {
ExchangeMix mix_of(const exchange::ExchangeSums& sums, const ExchangeGroup& group) {
  const int n = group.gpus(), per_node = group.per_node();
  ExchangeMix mix;
  mix.slots = double(sums.slot_rows.size());
  for (int node = 0; node < group.nodes(); ++node) mix.tokens += sums.node_tokens(node);
  for (int m = 0; m < n; ++m) mix.copies += sums.gpu_tokens(m);
  mix.crossing = mix.copies * (per_node - 1) / per_node;
  mix.relayed = mix.tokens * (group.nodes() - 1) / group.nodes();
  mix.sent = sums.tokens;
  double all = 0;
  for (const double rows : sums.gpu_rows) all += rows;
  for (int first = 0; first < n; first += per_node) {
    double node = 0;
    for (int m = first; m < first + per_node; ++m) node += sums.gpu_rows[at(m)];
    for (int m = first; m < first + per_node; ++m) {
      const double rows = sums.gpu_rows[at(m)];
      mix.rows = std::max(mix.rows, rows);
      mix.pair = std::max(mix.pair, rows / n);
      mix.nvlink = std::max({mix.nvlink, rows * (per_node - 1) / n, (node - rows) / n});
      mix.nic = std::max({mix.nic, rows * (n - per_node) / group.ports(), (all - node) / group.ports()});
    }
  }
  for (double* const sum :
       {&mix.tokens, &mix.copies, &mix.crossing, &mix.relayed, &mix.sent, &mix.rows, &mix.nvlink, &mix.nic, &mix.pair})
    *sum /= sums.exchanges;
  return mix;
}

void ExchangeTimes::operator()(const exchange::ExchangeSums& sums, std::span<Time> arrival) {
  const int n = group_->gpus(), nodes = group_->nodes(), per_node = group_->per_node();
  check(sums.gpu_rows.size() == at(n) && sums.fan_out.gpu_reach.size() == at(n) &&
            sums.fan_out.node_reach.size() == at(nodes) && arrival.size() == at(n),
        "sums of {} GPUs for a group of {}", sums.gpu_rows.size(), n);
  if (way_of(spec_.kernel) == RowWay::gathered) {
    std::ranges::fill(arrival_, seconds(rates_.gather(sums.tokens)));
    return finish(arrival, {});
  }
  const ExchangeMix mix = mix_of(sums, *group_);
  carry(mix);
  const bool relays = way_of(spec_.kernel) == RowWay::relayed, all_nic = !spec_.nvlink && !relays;
  const double all_rows = std::accumulate(sums.gpu_rows.begin(), sums.gpu_rows.end(), 0.0);
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
      if (relays) {
        nvlink_in_[at(m)] = copies * nodes * (per_node - 1) * nvlink_byte;
        nic_in_[at(m)] = sums.node_tokens(node) * (nodes - 1) * nic_byte;
        nvlink_sources = std::max(nvlink_sources, (node_copies - copies) * nodes * nvlink_byte);
        nic_sources = std::max(nic_sources, (mix.tokens - sums.node_tokens(node)) * nic_byte);
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
  const bool dispatch = spec_.direction == ExchangeDirection::dispatch, relayed = relays && nodes > 1;
  const double hop = relays ? rail_latency_ : any_latency_, tail = rates_.kernel.forward_tail;
  const double least = seconds(group_->count_latency(spec_) + rates_.sending);
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
    arrival_[at(m)] = seconds(rates_.fixed) + end;
  }
  finish(arrival, {});
}
}  // namespace moesim::network
