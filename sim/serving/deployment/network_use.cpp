#include "serving/deployment/network_use.h"

#include <algorithm>
#include <cmath>

#include "network/collectives/engine_all_reduce.h"
#include "serving/deployment/deployment.h"

namespace moesim::serving {
namespace {
GpuId gpu_id(int gpu) { return GpuId(std::uint32_t(gpu)); }

/// Where a group of `gpus` from `first` on lies: within a node, or from a node's first GPU on.
int aligned(int first, int gpus, int per_node) {
  const int position = first % per_node;
  return gpus > per_node || position + gpus > per_node ? first - position : first;
}
}  // namespace

void NetworkUse::move(int from, int to, Bytes bytes, double slowed, Action done) {
  network_.send(gpu_id(from), gpu_id(to), bytes, done, slowed);
}

void NetworkUse::count(int from, int to, Bytes bytes, Time start, Time until) {
  const network::Transfer transfer = network_.bulk(gpu_id(from), gpu_id(to), bytes);
  network_.count({&transfer, 1}, start, until);
}

void NetworkUse::count_outside(int gpu, bool out, Bytes bytes, Time start, Time until) {
  network_.count_outside(gpu_id(gpu), out, bytes, start, until);
  if (out) departed_ += double(bytes.v);
}

void NetworkUse::slow(int gpu, double share) {
  const network::Topology& t = network_.topology();
  if (!t.has_nics()) return;
  const int nic = t.nic_of(gpu_id(gpu));
  network_.set_share(t.nic_out(nic), share);
  network_.set_share(t.nic_in(nic), share);
}

void NetworkUse::add(std::vector<network::Transfer>& transfers, int from, int to, double bytes) const {
  transfers.push_back(network_.bulk(gpu_id(from), gpu_id(to), {std::llround(bytes)}));
}

void NetworkUse::count_instance(std::size_t p, int instance, LayeredCost& cost, Time until) {
  const network::Topology& topology = network_.topology();
  const LayeredCost::Setup& s = cost.setup();
  const PoolShape& shape = d_.shape.pools[p];
  const int tensor = s.parallel.tensor, places = s.parallel.places(), per_node = topology.gpus_per_node();
  const int first = aligned(shape.first_of(instance), s.parallel.gpus(), per_node);
  const LayeredCost::Sent sent = cost.take_sent();
  std::vector<network::Transfer> transfers;
  for (const auto& [of, times] : sent.all_reduces) {
    std::vector<GpuId> members;
    for (int i = 0; i < tensor; ++i)
      members.push_back(gpu_id(aligned(first + of.first * tensor, tensor, per_node) + i));
    for (const network::Transfer& t : network::engine_all_reduce_transfers(
             topology, d_.calibration, s.all_reduce, members, Bytes{of.second * s.model->hidden * 2}))
      transfers.push_back(t.times(times));
  }
  for (const auto& [of, times] : sent.gathers) {
    const int parts = s.parallel.context, width = tensor * parts;
    const int from = aligned(first + of.first * width, width, per_node);
    for (int i = 0; i < tensor; ++i) {
      std::vector<GpuId> members;
      for (int part = 0; part < parts; ++part) members.push_back(gpu_id(from + part * tensor + i));
      for (const network::Transfer& t :
           network::collective_transfers(topology, d_.calibration, network::Collective::all_gather,
                                         network::CollectiveAlgorithm::best, members, Bytes{of.second}))
        transfers.push_back(t.times(times));
    }
  }
  for (std::size_t place = std::size_t(places); place < sent.hop_tokens.size(); ++place)
    for (int i = 0; i < tensor && sent.hop_tokens[place] > 0; ++i)
      add(transfers, first + (int(place) - places) * tensor + i, first + int(place) * tensor + i,
          sent.hop_tokens[place] * s.model->stream_width() * 2 / tensor);
  const double expert = double(expert_bytes(*s.model, s.options).v);
  for (const auto& [stage, move] : sent.experts) {
    const int gpu = first + stage * s.parallel.stage_gpus();
    add(transfers, gpu + move.from, gpu + move.to, expert);
  }
  network_.count(transfers, since_, until);
  if (cost.bank() == nullptr || cost.bank()->setup().group == nullptr) return;
  for (std::size_t stage = 0; stage < sent.exchanges.size(); ++stage) {
    const int gpus = s.parallel.stage_gpus();
    const network::ExchangeGroup group(topology, gpu_id(aligned(first + int(stage) * gpus, gpus, per_node)), gpus);
    for (const network::ExchangeSpec& spec : {cost.bank()->setup().dispatch, cost.bank()->setup().combine})
      network_.count(group, spec, sent.exchanges[stage], since_, until);
  }
}

void NetworkUse::settle(Time until) {
  pools_.resize(d_.pools.size());
  for (std::size_t p = 0; p < d_.pools.size(); ++p) {
    const BuiltPool& pool = *d_.pools[p];
    if (pool.topology) continue;
    const network::LinkTotals before = network::link_totals(network_);
    for (std::size_t i = 0; i < pool.costs.size(); ++i)
      count_instance(p, int(i / (1 + pool.smaller.size())), *pool.costs[i], until);
    const network::LinkTotals after = network::link_totals(network_);
    for (std::size_t k = 0; k < after.size(); ++k) pools_[p][k] += after[k] - before[k];
  }
  since_ = until;
}

void NetworkUse::report(results::Results& results, const Service& service) {
  settle(service.end().at);
  // Of every second that a simulated instance of a pool is on, so many seconds of the pool's instances.
  const auto stands_for = [&](std::size_t p) {
    const PoolTotals& t = service.pool(p);
    return t.on_time > 0 ? t.all_time / t.on_time : 1;
  };
  network::LinkTotals caches = network::link_totals(network_), all{};
  caches[std::size_t(network::LinkKind::nic)] -= departed_;
  std::size_t decode = 0;  // KV caches come as often as they are decoded
  for (std::size_t p = 0; p < pools_.size(); ++p) {
    if (d_.pools[p]->section.role == Role::decode) decode = p;
    for (std::size_t k = 0; k < all.size(); ++k) {
      caches[k] -= pools_[p][k];
      all[k] += pools_[p][k] * stands_for(p);
    }
  }
  for (std::size_t k = 0; k < all.size(); ++k) all[k] += std::max(0.0, caches[k]) * stands_for(decode);
  network::write_network(results, network_, all);
}
}  // namespace moesim::serving
