// The requests of a routing trace: those whose tokens' experts were recorded, to be served again with their routing.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "routing/trace.h"
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
    static void fields(auto& f, auto& p) {
      f.required("file", p.file,
                 "a routing trace with requests and positions (moesim trace info); for their routing "
                 "name it in `routing` too, or one kind of text after the other in `domains`");
      f.required("rate", p.rate, "requests a second (Poisson)");
      f("limit", p.limit, "stop after so many requests, from the start again after the last; 0: each once");
      f("domains", p.domains, "the trace's kinds of text, in the order of serving.domains; one domain if empty");
    }
  };
  RoutingTrace(const Params& p, const WorkloadContext& c)
      : p_(p), context_(c), thinning_(c.shares, c.seed), times_(c.seed, "workload times") {
    if (!(p.rate > 0)) throw ConfigError("rate", "must be above 0");
    if (p.limit < 0) throw ConfigError("limit", "must not be negative");
    read(routing::Trace(p.file.path));
  }

  std::optional<Request> next() override {
    Request out;
    do {
      if (given_ == expected()) return std::nullopt;
      const Row& row = rows_[std::size_t(given_) % rows_.size()];
      now_ += times_.exponential(1 / p_.rate);
      out = {};
      out.arrival = from_seconds(now_);
      if (out.arrival > context_.duration) return std::nullopt;
      out.row = ++given_;
      out.input = row.input;
      out.output = row.output;
      out.domain = row.domain;
    } while (!thinning_.take(out));
    if (out.outside) out.output = 1;
    return out;
  }
  int domains() const override { return int(std::max<std::size_t>(1, p_.domains.size())); }
  std::int64_t expected() const override { return p_.limit > 0 ? p_.limit : std::int64_t(rows_.size()); }

 private:
  struct Row {
    int input = 1, output = 1;
    std::int32_t domain = 0;
    int prompt_end = 0;             // position after the last token of the prompt that was recorded; 0: none was
    int first_decoded = INT32_MAX;  // position of the first token that was decoded
  };
  std::int32_t domain_of(const routing::Trace& trace, std::uint8_t kind) const {
    if (p_.domains.empty()) return 0;
    const std::string& name = trace.header().domains.at(kind);
    const auto at = std::ranges::find(p_.domains, name);
    if (at == p_.domains.end())
      throw ConfigError("domains",
                        fmt::format("{}: has text of the kind \"{}\", which is not among them", p_.file.name, name));
    return std::int32_t(at - p_.domains.begin());
  }
  void read(const routing::Trace& trace) {
    const std::string& file = p_.file.name;
    if (!trace.header().requests)
      throw ConfigError("file", fmt::format("{}: the trace does not say which request a token belongs to", file));
    if (!trace.header().phases)
      throw ConfigError("file", fmt::format("{}: the trace does not say where prompts end", file));
    constexpr std::int64_t kPiece = 16'384;
    std::map<std::int32_t, std::size_t> place;
    std::vector<routing::TraceToken> tokens;
    for (std::int64_t first = 0; first < trace.tokens(); first += kPiece) {
      trace.read_tokens(first, std::min(kPiece, trace.tokens() - first), tokens);
      for (const routing::TraceToken& t : tokens) {
        if (t.request < 0 || t.position < 0)
          throw ConfigError("file",
                            fmt::format("{}: token {} has no request or position", file, first + (&t - tokens.data())));
        const auto [at, fresh] = place.try_emplace(t.request, rows_.size());
        if (fresh) rows_.push_back({.domain = domain_of(trace, t.domain)});
        Row& row = rows_[at->second];
        if (t.phase == routing::TracePhase::prefill) {
          row.prompt_end = std::max(row.prompt_end, t.position + 1);
        } else {
          row.first_decoded = std::min(row.first_decoded, t.position);
          ++row.output;
        }
      }
    }
    for (Row& row : rows_) row.input = std::max(1, row.prompt_end > 0 ? row.prompt_end : row.first_decoded);
  }

  Params p_;
  WorkloadContext context_;
  Thinning thinning_;
  Random times_;
  std::vector<Row> rows_;
  std::int64_t given_ = 0;
  double now_ = 0;
};
}  // namespace

Strategy<Workload, const WorkloadContext&> routing_trace() {
  return workload_kind<RoutingTrace>(
      "routing_trace",
      "the requests of a routing trace with Poisson starts, to serve them with their own "
      "routing");
}
}  // namespace moesim::serving
