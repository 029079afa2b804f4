// Links shared max-min fairly at every instant: who is slowed by whom, hot spots, faults.
#include <fmt/format.h>

#include <algorithm>

#include "core/check.h"
#include "network/network.h"
#include "network/sharing/fluid_links.h"

namespace moesim::network {
namespace {
class Fluid final : public Network {
 public:
  struct Params {
    NetworkOptions options;
    double tolerance = 0;
    static void fields(auto& f, auto& p) {
      f("calibration", p.options.calibration, "a network calibration's name, auto (by GPU) or none");
      f("faults", p.options.faults, "degraded and failed links");
      f("count_pairs", p.options.count_pairs, "keep bytes per pair of GPUs");
      f("sample_interval", p.options.sample_interval, "sample the links' use this often; 0: never");
      f("tolerance", p.tolerance, "largest error of a transfer's time, for speed; 0: exact");
    }
  };

  Fluid(const Params& p, Engine& engine, const spec::Cluster& cluster)
      : Network(engine, cluster, p.options),
        links_(engine, topology().links(), checked(p.tolerance), p.options.sample_interval) {
    for (const LinkFault& fault : p.options.faults)
      if (fault.at.v > 0) later_.push_back({fault.at, topology().link_called(fault.link), fault.share});
    std::ranges::stable_sort(later_, {}, &Later::at);
    links_.when_idle([this] {
      if (armed_) this->engine().cancel(alarm_);
      armed_ = false;
    });
  }

  void start(std::span<const Transfer> transfers, Receiver& receiver) override {
    meet_faults();
    for (const Transfer& t : transfers) {
      const double work = admit(t);
      const Route route = route_of(t);
      links_.start(route, t.bytes, work, topology().latency(route), receiver, t.tag, {t.from, t.to, t.avoid_nvlink});
    }
    await_fault();
  }
  bool closed_form() const override { return false; }
  void set_share(LinkId link, double share) override {
    check(share > 0 && share <= 1, "a working link's share must lie in (0, 1], got {}", share);
    links_.set_capacity(link, topology().links()[link].capacity * share);
  }

 private:
  LinkMeter& meter() override { return links_.meter(); }

  struct Later {
    Time at{};
    LinkId link{};
    double share = 0;
  };
  /// Faults whose time has come.
  void meet_faults() {
    for (; next_ < later_.size() && later_[next_].at <= engine().now(); ++next_) {
      const Later& fault = later_[next_];
      apply(fault.link, fault.share);
      if (fault.share == 0)
        go_around(fault.link);
      else
        links_.set_capacity(fault.link, topology().links()[fault.link].capacity);
    }
  }
  /// Wakes up at the next fault, but only while there are flows: else it would keep the engine running.
  void await_fault() {
    if (armed_ || next_ == later_.size() || links_.active() == 0) return;
    armed_ = true;
    alarm_ = engine().at(later_[next_].at, "network: fault", [this] {
      armed_ = false;
      meet_faults();
      await_fault();
    });
  }
  void go_around(LinkId link) {
    for (const FluidLinks::Stranded& s : links_.cut(link)) {
      const Transfer rest{s.ends.from, s.ends.to, s.bytes, {}, s.tag, s.ends.avoid_nvlink};
      const Route route = route_of(rest);
      links_.start(route, s.bytes, s.work, topology().latency(route), *s.receiver, s.tag, s.ends);
    }
  }
  static double checked(double tolerance) {
    if (tolerance >= 0 && tolerance < 1) return tolerance;
    throw ConfigError("tolerance", fmt::format("must be at least 0 and below 1, got {}", tolerance));
  }
  FluidLinks links_;
  std::vector<Later> later_;  // by time
  std::size_t next_ = 0;      // of them
  Engine::EventId alarm_{};
  bool armed_ = false;
};
}  // namespace

Strategy<Network, Engine&, const spec::Cluster&> fluid_network() {
  return strategy<Fluid, Network, Engine&, const spec::Cluster&>(
      "fluid", "links shared max-min fairly between the flows of each instant");
}
}  // namespace moesim::network
