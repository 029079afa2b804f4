#include <algorithm>
#include <cmath>
#include <limits>

#include "serving/requests/generated.h"

namespace moesim::serving {
namespace {
/// Requests at equal distances; "all at once" with rate 0.
class Constant final : public Generated {
 public:
  struct Params {
    double rate = 0;
    Demand demand;
    static void fields(auto& f, auto& p) {
      f.required("rate", p.rate, "requests a second; 0 means all at time 0 (then give a limit)");
      Demand::fields(f, p.demand);
    }
  };
  Constant(const Params& p, const WorkloadContext& c) : Generated(p.demand, c), rate_(p.rate * scale()) {
    if (!(p.rate >= 0)) throw ConfigError("rate", fmt::format("must not be negative, got {}", p.rate));
    if (p.rate == 0 && p.demand.limit == 0) throw ConfigError("limit", "is needed where the rate is 0");
  }

 protected:
  double next_time() override { return rate_ > 0 ? double(count_++) / rate_ : 0; }

 private:
  double rate_;
  std::int64_t count_ = 0;
};

/// A renewal process: independent gaps with a Gamma distribution; cv 1 is the Poisson process.
class Gamma final : public Generated {
 public:
  struct Params {
    double rate = 0, cv = 1;
    Demand demand;
    static void fields(auto& f, auto& p) {
      f.required("rate", p.rate, "requests a second");
      f("cv", p.cv, "standard deviation of the gaps over their mean; above 1 is burstier than Poisson");
      Demand::fields(f, p.demand);
    }
  };
  Gamma(const Params& p, const WorkloadContext& c)
      : Generated(p.demand, c), rate_(positive(p.rate, "rate") * scale()), shape_(1 / (p.cv * p.cv)) {
    positive(p.cv, "cv");
    if (p.cv < 1e-6 || p.cv > 100) throw ConfigError("cv", fmt::format("expected 1e-06 to 100, got {}", p.cv));
  }

 protected:
  double next_time() override { return now_ += times().gamma(shape_) / shape_ / rate_; }

 private:
  double rate_, shape_, now_ = 0;
};

class Poisson final : public Generated {
 public:
  struct Params {
    double rate = 0;
    Demand demand;
    static void fields(auto& f, auto& p) {
      f.required("rate", p.rate, "requests a second");
      Demand::fields(f, p.demand);
    }
  };
  Poisson(const Params& p, const WorkloadContext& c)
      : Generated(p.demand, c), rate_(positive(p.rate, "rate") * scale()) {}

 protected:
  double next_time() override { return now_ += times().exponential(1 / rate_); }

 private:
  double rate_, now_ = 0;
};

/// A Poisson process whose rate jumps between two values (a two-state Markov-modulated Poisson process).
class Bursts final : public Generated {
 public:
  struct Params {
    double rate_on = 0, rate_off = 0;
    Time on = 10_s, off = 60_s;
    Demand demand;
    static void fields(auto& f, auto& p) {
      f.required("rate_on", p.rate_on, "requests a second within a burst");
      f("rate_off", p.rate_off, "requests a second between bursts");
      f("on", p.on, "mean length of a burst (exponential)");
      f("off", p.off, "mean time between bursts (exponential)");
      Demand::fields(f, p.demand);
    }
  };
  Bursts(const Params& p, const WorkloadContext& c) : Generated(p.demand, c), p_(p) {
    positive(p.rate_on, "rate_on");
    positive(seconds(p.on), "on");
    positive(seconds(p.off), "off");
    if (!(p.rate_off >= 0)) throw ConfigError("rate_off", fmt::format("must not be negative, got {}", p.rate_off));
    until_ = times().exponential(seconds(p_.off));
  }

 protected:
  double next_time() override {
    while (true) {
      const double rate = (on_ ? p_.rate_on : p_.rate_off) * scale();
      const double at = rate > 0 ? now_ + times().exponential(1 / rate) : std::numeric_limits<double>::infinity();
      if (at < until_) return now_ = at;
      if (!(until_ < kClockEnds)) return until_;
      now_ = until_;  // memoryless: the gap may be drawn anew from the change on
      on_ = !on_;
      until_ = now_ + times().exponential(seconds(on_ ? p_.on : p_.off));
    }
  }

 private:
  Params p_;
  bool on_ = false;
  double now_ = 0, until_ = 0;
};

/// A Poisson process whose rate follows a curve over the day (thinning, Lewis and Shedler 1979).
class Daily final : public Generated {
 public:
  struct Params {
    double peak_rate = 0;
    std::vector<double> curve{0.5, 1.0};
    Time period = 86400_s, start{};
    Demand demand;
    static void fields(auto& f, auto& p) {
      f.required("peak_rate", p.peak_rate, "requests a second where the curve is 1");
      f("curve", p.curve,
        "relative rate at equal distances over the period, joined by straight lines, round the clock");
      f("period", p.period, "length of the curve");
      f("start", p.start, "time of day at which the run begins");
      Demand::fields(f, p.demand);
    }
  };
  Daily(const Params& p, const WorkloadContext& c) : Generated(p.demand, c), p_(p) {
    positive(p.peak_rate, "peak_rate");
    positive(seconds(p.period), "period");
    if (p.curve.empty()) throw ConfigError("curve", "needs at least one value");
    for (double v : p.curve)
      if (!(v >= 0)) throw ConfigError("curve", fmt::format("values must not be negative, got {}", v));
    top_ = std::ranges::max(p.curve);
    positive(top_, "curve");
  }

 protected:
  double next_time() override {
    while (true) {
      now_ += times().exponential(1 / (p_.peak_rate * top_ * scale()));
      if (!(now_ < kClockEnds) || times().uniform() * top_ < at(now_)) return now_;
    }
  }

 private:
  double at(double t) const {
    const std::size_t n = p_.curve.size();
    const double place = std::fmod((t + seconds(p_.start)) / seconds(p_.period), 1.0) * double(n);
    const std::size_t i = std::size_t(place) % n;
    const double part = place - std::floor(place);
    return p_.curve[i] * (1 - part) + p_.curve[(i + 1) % n] * part;
  }
  Params p_;
  double top_ = 1, now_ = 0;
};
/// A closed loop, as benchmarks with a fixed concurrency run it: so many clients, each with one request under way.
class Closed final : public Generated {
 public:
  struct Params {
    int clients = 0;
    Time think{}, ramp{};
    Demand demand;
    static void fields(auto& f, auto& p) {
      f.required("clients", p.clients, "each sends its next request when the one before has ended");
      f("think", p.think, "mean time from an answer to the client's next request (exponential)");
      f("ramp", p.ramp, "in which the clients begin, one after the other at equal distances");
      Demand::fields(f, p.demand);
    }
  };
  Closed(const Params& p, const WorkloadContext& c) : Generated(p.demand, c), p_(p) {
    if (p.clients < 1) throw ConfigError("clients", fmt::format("must be at least 1, got {}", p.clients));
    if (c.folded()) throw ConfigError("kind", "clients cannot be shared out to folded instances; set fold: none");
    if (p.demand.concurrency > 0) throw ConfigError("concurrency", "is that of the clients here; leave it out");
    if (p.demand.rate_scale != 1) throw ConfigError("rate_scale", "has no effect: there is no rate");
  }
  bool closed() const override { return true; }
  /// A client's next request, after the turns of its conversation.
  std::optional<Request> follow_up(const Request& done, Time end) override {
    if (auto turn = Generated::follow_up(done, end)) return turn;
    return another(end + pause());
  }
  /// A client that is refused goes on with its next request, after a while even if it does not think.
  std::optional<Request> refused(const Request& done, Time end) override {
    Generated::refused(done, end);
    return another(end + std::max(pause(), kAfterRefusal));
  }

 protected:
  double next_time() override {
    return begun_ < p_.clients ? seconds(p_.ramp) * begun_++ / p_.clients : std::numeric_limits<double>::infinity();
  }

 private:
  static constexpr Time kAfterRefusal = 100_ms;  // assumed: until an error is read and the next request made
  Time pause() { return p_.think.v > 0 ? from_seconds(times().exponential(seconds(p_.think))) : Time{}; }

  Params p_;
  int begun_ = 0;
};
}  // namespace

std::vector<Strategy<Workload, const WorkloadContext&>> generators() {
  return {workload_kind<Poisson>("poisson", "independent arrivals at a steady rate"),
          workload_kind<Gamma>("gamma", "steady rate with gaps more or less regular than Poisson"),
          workload_kind<Bursts>("bursts", "Poisson arrivals that switch between two rates"),
          workload_kind<Daily>("daily", "Poisson arrivals along a curve of the day"),
          workload_kind<Constant>("constant", "equal gaps, or all at once"),
          workload_kind<Closed>("closed", "clients that each wait for their answer: fixed concurrency")};
}
}  // namespace moesim::serving
