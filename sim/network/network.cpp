#include "network/network.h"

#include <algorithm>

#include "core/check.h"

namespace moesim {

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

Network::Network(Engine& engine, const Cluster& cluster, const NetworkOptions& options)
    : engine_(engine),
      topology_(cluster, options.faults),
      calibration_(network_calibration_for(options.calibration, cluster.node.gpu)),
      callbacks_(std::make_unique<Callbacks>()) {
  if (options.count_pairs) pair_bytes_.resize(std::size_t(cluster.gpus()) * std::size_t(cluster.gpus()));
}

Network::~Network() = default;

void Network::send(GpuId from, GpuId to, Bytes bytes, Action done, double slowed) {
  const NetworkCalibration::Protocol& bulk = calibration_.bulk();
  const double share = topology_.node_of(from) == topology_.node_of(to) ? bulk.nvlink_share : bulk.nic_share;
  const Transfer transfer{from, to, bytes, {std::int64_t(double(bytes.v) * slowed / share)}, callbacks_->keep(done)};
  start({&transfer, 1}, *callbacks_);
}

double Network::admit(const Transfer& t) {
  check(t.bytes.v >= 0 && t.work.v >= 0, "a transfer of {} bytes from GPU {} to GPU {}", t.bytes.v, t.from, t.to);
  check(index(t.from) < std::size_t(topology_.gpus()) && index(t.to) < std::size_t(topology_.gpus()),
        "a transfer from GPU {} to GPU {}, but the cluster has {}", t.from, t.to, topology_.gpus());
  if (!pair_bytes_.empty()) pair_bytes_[index(t.from) * std::size_t(topology_.gpus()) + index(t.to)] += t.bytes.v;
  return double(std::max(t.bytes, t.work).v);
}

Route Network::route_of(const Transfer& t) const {
  return t.avoid_nvlink ? topology_.nic_route(t.from, t.to) : topology_.route(t.from, t.to);
}
}  // namespace moesim
