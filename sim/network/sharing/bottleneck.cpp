// Closed form: every link serves the flows in the order in which they start, and a flow is through when the slowest of
// its links is.  Exact for the last of many symmetric flows; says nothing about who shares with whom meanwhile.
#include <fmt/format.h>

#include <algorithm>

#include "core/check.h"
#include "network/link_meter.h"
#include "network/network.h"

namespace moesim::network {
namespace {
class Bottleneck final : public Network {
 public:
  struct Params {
    NetworkOptions options;
    static void fields(auto& f, auto& p) {
      f("calibration", p.options.calibration, "a network calibration's name, auto (by GPU) or none");
      f("faults", p.options.faults, "degraded and failed links");
      f("count_pairs", p.options.count_pairs, "keep bytes per pair of GPUs");
      f("sample_interval", p.options.sample_interval, "sample the links' use this often; 0: never");
    }
  };
  Bottleneck(const Params& p, Engine& engine, const spec::Cluster& cluster)
      : Network(engine, cluster, p.options),
        free_at_(topology().links().size()),
        share_(topology().links().size(), 1),
        meter_(topology().links(), p.options.sample_interval) {
    for (std::size_t i = 0; i < p.options.faults.size(); ++i)
      if (const Time at = p.options.faults[i].at; at.v > 0)
        throw ConfigError(fmt::format("faults[{}].at", i),
                          fmt::format("{}: only kind: fluid has flows for a later fault to meet", to_text(at)));
  }

  void start(std::span<const Transfer> transfers, Receiver& receiver) override {
    for (const Transfer& t : transfers) {
      const double work = admit(t);
      const Route route = route_of(t);
      Time sent = engine().now();
      if (t.bytes.v > 0)
        for (const LinkId l : route) {
          Time& free = free_at_[index(l)];
          const Bandwidth rate = topology().links()[l].capacity * share_[index(l)];
          const Time begin = std::max(free, engine().now()), takes = from_seconds(work / rate.v);
          if (takes.v > INT64_MAX - begin.v) beyond_the_clock();
          free = begin + takes;
          sent = std::max(sent, free);
        }
      for (const LinkId l : route) meter_.moved(std::uint32_t(index(l)), t.bytes.v, work, engine().now(), sent);
      engine().at(sent + topology().latency(route), "network: arrived",
                  [receiver = &receiver, tag = t.tag] { receiver->arrived(tag); });
    }
  }
  bool closed_form() const override { return true; }
  void set_share(LinkId link, double share) override {
    check(share > 0 && share <= 1, "a working link's share must lie in (0, 1], got {}", share);
    share_.at(index(link)) = share;
  }

 private:
  LinkMeter& meter() override { return meter_; }

  std::vector<Time> free_at_;
  std::vector<double> share_;
  LinkMeter meter_;
};
}  // namespace

Strategy<Network, Engine&, const spec::Cluster&> bottleneck_network() {
  return strategy<Bottleneck, Network, Engine&, const spec::Cluster&>(
      "bottleneck", "closed form from the bytes of each port, for sweeps");
}
}  // namespace moesim::network
