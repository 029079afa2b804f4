// The requests of a routing trace: those whose tokens' experts were recorded, to be served again with their routing.
#include <fmt/format.h>

#include <algorithm>

#include "routing/request_routing.h"
#include "serving/traces/recorded.h"

namespace moesim::serving {
namespace {
/// A routing trace has no times: requests start at random, in the order in which they were recorded.  A prompt has as
/// many tokens as its last one's position says, recorded or not; an answer one more than were decoded, for the prompt's
/// pass makes the first.
class RoutingTrace final : public Workload {
 public:
  struct Params {
    DataFile file;
    double rate = 0;
    std::int64_t limit = 0;
    std::vector<std::string> domains;
    std::optional<bool> own_routing;
    static void fields(auto& f, auto& p) {
      f.required("file", p.file, "a routing trace with requests and positions (moesim trace info)");
      f.required("rate", p.rate, "requests a second (Poisson)");
      f("limit", p.limit, "stop after so many requests, from the start again after the last; 0: each once");
      f("domains", p.domains, "the trace's kinds of text, in the order of serving.domains; one domain if empty");
      f("own_routing", p.own_routing,
        "every token goes to the experts that were recorded for it, no chance added (positions that were not recorded: "
        "the mean of the request's others); false: as `routing` or serving.domains say; default: true unless domains "
        "are listed");
    }
  };
  RoutingTrace(const Params& p, const WorkloadContext& c)
      : p_(p), context_(c), thinning_(c.shares, c.seed), times_(c.seed, "workload times") {
    if (!(p.rate > 0)) throw ConfigError("rate", "must be above 0");
    if (p.limit < 0) throw ConfigError("limit", "must not be negative");
    routing_ = at_key("file", [&] { return std::make_shared<const routing::RequestRouting>(p.file.path); });
    for (const routing::RequestRouting::Request& r : routing_->requests()) domains_.push_back(domain_of(r.domain));
  }

  std::optional<Request> next() override {
    Request out;
    do {
      if (given_ == expected()) return std::nullopt;
      const std::size_t number = std::size_t(given_) % domains_.size();
      const routing::RequestRouting::Request& recorded = routing_->requests()[number];
      now_ += times_.exponential(1 / p_.rate);
      out = {};
      out.arrival = from_seconds(now_);
      if (out.arrival > context_.duration) return std::nullopt;
      out.row = ++given_;
      out.input = recorded.prompt;
      out.output = recorded.decoded + 1;
      out.domain = domains_[number];
      out.recorded = std::int32_t(number);
    } while (!thinning_.take(out));
    if (out.outside) out.output = 1;
    return out;
  }
  int domains() const override { return int(std::max<std::size_t>(1, p_.domains.size())); }
  std::int64_t expected() const override { return p_.limit > 0 ? p_.limit : std::int64_t(domains_.size()); }
  std::shared_ptr<const routing::RequestRouting> own_routing() const override {
    return p_.own_routing.value_or(p_.domains.empty()) ? routing_ : nullptr;
  }

 private:
  std::int32_t domain_of(std::uint8_t kind) const {
    if (p_.domains.empty()) return 0;
    const std::string& name = routing_->header().domains.at(kind);
    const auto at = std::ranges::find(p_.domains, name);
    if (at == p_.domains.end())
      throw ConfigError("domains",
                        fmt::format("{}: has text of the kind \"{}\", which is not among them", p_.file.name, name));
    return std::int32_t(at - p_.domains.begin());
  }

  Params p_;
  WorkloadContext context_;
  Thinning thinning_;
  Random times_;
  std::shared_ptr<const routing::RequestRouting> routing_;
  std::vector<std::int32_t> domains_;  // of each recorded request
  std::int64_t given_ = 0;
  double now_ = 0;
};
}  // namespace

Strategy<Workload, const WorkloadContext&> routing_trace() {
  return workload_kind<RoutingTrace>(
      "routing_trace", "the requests of a routing trace with Poisson starts, served with their own routing");
}
}  // namespace moesim::serving
