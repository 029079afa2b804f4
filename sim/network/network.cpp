#include "network/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "network/exchanges/moved_rows.h"
#include "network/link_meter.h"

namespace moesim::network {

Transfer Transfer::times(double n) const {
  Transfer out = *this;
  out.bytes = {std::llround(double(bytes.v) * n)};
  out.work = {std::llround(double(work.v) * n)};
  return out;
}

/// The actions of single sends, kept until their flow arrives.
class Network::Callbacks final : public Receiver {
 public:
  std::uint32_t keep(Action done) {
    if (free_.empty()) {
      actions_.push_back(done);
      return std::uint32_t(actions_.size() - 1);
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    actions_[slot] = done;
    return slot;
  }
  void arrived(std::uint32_t tag) override {
    Action done = actions_[tag];
    free_.push_back(tag);
    done();
  }

 private:
  std::vector<Action> actions_;
  std::vector<std::uint32_t> free_;
};

Network::Network(Engine& engine, const spec::Cluster& cluster, const NetworkOptions& options)
    : engine_(engine),
      topology_(cluster, options.faults),
      calibration_(network_calibration_for(options.calibration, cluster.node.gpu)),
      sampling_(options.sample_interval.v > 0),
      callbacks_(std::make_unique<Callbacks>()) {
  if (options.sample_interval.v > 0 && options.sample_interval < 1_us)
    throw ConfigError("sample_interval",
                      fmt::format("must be 0 s or at least 1 us, got {}", to_text(options.sample_interval)));
  if (options.count_pairs) pair_bytes_.resize(std::size_t(cluster.gpus()) * std::size_t(cluster.gpus()));
}

Network::~Network() = default;

Transfer Network::bulk(GpuId from, GpuId to, Bytes bytes, double slowed) const {
  const NetworkCalibration::Protocol& bulk = calibration_.bulk();
  const double share = topology_.node_of(from) == topology_.node_of(to) ? bulk.nvlink_share : bulk.nic_share;
  return {from, to, bytes, {std::int64_t(double(bytes.v) * slowed / share)}};
}

void Network::send(GpuId from, GpuId to, Bytes bytes, Action done, double slowed) {
  Transfer transfer = bulk(from, to, bytes, slowed);
  transfer.tag = callbacks_->keep(done);
  start({&transfer, 1}, *callbacks_);
}

double Network::admit(const Transfer& t) {
  check(t.bytes.v >= 0 && t.work.v >= 0, "a transfer of {} bytes from GPU {} to GPU {}", t.bytes.v, t.from, t.to);
  check(index(t.from) < std::size_t(topology_.gpus()) && index(t.to) < std::size_t(topology_.gpus()),
        "a transfer from GPU {} to GPU {}, but the cluster has {}", t.from, t.to, topology_.gpus());
  if (!pair_bytes_.empty()) pair_bytes_[index(t.from) * std::size_t(topology_.gpus()) + index(t.to)] += t.bytes.v;
  return double(std::max(t.bytes, t.work).v);
}

MovedRows& Network::moved(const ExchangeGroup& group, const ExchangeSpec& spec) {
  for (MovedRows& rows : moved_)
    if (rows.of(group, spec)) return rows;
  return moved_.emplace_back(group, spec, calibration_);
}

/// Puts what was moved on its links.
void Network::lay(MovedRows& rows, Time from, Time until) {
  rows.take([&](const Transfer& t) { count({&t, 1}, from, until); });
}

void Network::count(const ExchangeGroup& group, const ExchangeSpec& spec, const exchange::ExchangeLoad& load, Time from,
                    Time until) {
  MovedRows& rows = moved(group, spec);
  rows.add(load);
  if (sampling_) lay(rows, from, until);
}

void Network::count(const ExchangeGroup& group, const ExchangeSpec& spec, const exchange::ExchangeSums& sums, Time from,
                    Time until) {
  MovedRows& rows = moved(group, spec);
  rows.add(sums);
  if (sampling_) lay(rows, from, until);
}

void Network::count(std::span<const Transfer> transfers, Time from, Time until) {
  for (const Transfer& t : transfers) {
    const double work = admit(t);
    for (const LinkId l : route_of(t)) meter().moved(std::uint32_t(index(l)), t.bytes.v, work, from, until);
  }
}

void Network::count_outside(GpuId gpu, bool out, Bytes bytes, Time from, Time until) {
  if (!topology_.has_nics()) return;
  const int nic = topology_.nic_of(gpu);
  const LinkId link = out ? topology_.nic_out(nic) : topology_.nic_in(nic);
  meter().moved(std::uint32_t(index(link)), bytes.v, double(bytes.v), from, until);
}

LinkMeter& Network::settled() {
  for (MovedRows& rows : moved_) lay(rows, {}, engine_.now());
  meter().settle(engine_.now());
  return meter();
}
std::vector<LinkUse> Network::link_use() { return settled().use(); }
std::vector<UtilisationSample> Network::utilisation() { return settled().samples(); }
const std::vector<std::int64_t>& Network::pair_bytes() {
  settled();
  return pair_bytes_;
}

Route Network::route_of(const Transfer& t) const {
  return t.avoid_nvlink ? topology_.nic_route(t.from, t.to) : topology_.route(t.from, t.to);
}
}  // namespace moesim::network
