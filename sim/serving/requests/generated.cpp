#include "serving/requests/generated.h"

#include <cmath>
#include <numeric>

#include "core/elementary.h"

namespace moesim::serving {
namespace {
constexpr int kMostPrefixes = 1'000'000, kMostPrefixTokens = 100'000'000;
constexpr double kMostTurns = 10'000, kMostSkew = 100;
constexpr int kLongestSession = 1'000'000'000;  // tokens; no turn comes after

std::vector<double> zipf(int count, double skew) {
  std::vector<double> out;
  for (int i = 1; i <= count; ++i) out.push_back(pow_of(double(i), -skew));
  return out;
}

void between(const char* key, double value, double low, double high) {
  if (!(value >= low && value <= high))
    throw ConfigError(key, fmt::format("must lie between {} and {}, got {}", low, high, value));
}

/// What has no effect where it stands is refused.
void check_use(const Demand& d) {
  const auto idle = [](const char* key, const char* without) {
    throw ConfigError(key, fmt::format("has no effect without {}", without));
  };
  const PrefixSpec& p = d.prefixes;
  const SessionSpec& s = d.sessions;
  if (p.count == 0 && p.tokens > 0) idle("prefixes.tokens", "prefixes.count");
  if (p.count == 0 && p.warm) idle("prefixes.warm", "prefixes.count");
  if (p.count > 0 && p.tokens == 0) throw ConfigError("prefixes.tokens", "must be above 0 where there are prefixes");
  if (s.tools.share == 0 && s.tools.time.v > 0) idle("sessions.tools.time", "sessions.tools.share");
  between("sessions.tools.share", s.tools.share, 0, 1);
  if (s.count == TurnCount::fixed && s.turns != std::floor(s.turns))
    throw ConfigError("sessions.turns", fmt::format("must be whole where their number is fixed, got {}", s.turns));
}
}  // namespace

double positive(double value, std::string_view key) {
  if (!(value > 0) || !std::isfinite(value))
    throw ConfigError(std::string(key), fmt::format("must be above 0, got {}", value));
  return value;
}

Generated::Generated(const Demand& demand, const WorkloadContext& context)
    : demand_(demand),
      context_(context),
      thinning_(context.shares, context.seed),
      hashed_(demand.prefixes.count > 0 || demand.sessions.turns > 1),
      input_(demand.input, "input"),
      output_(demand.output, "output"),
      later_input_(demand.sessions.input.value_or(demand.input), "sessions.input"),
      sessions_(hashed_ ? demand.hash_block : 0),
      times_(context.seed, "workload times"),
      lengths_(context.seed, "workload lengths"),
      shares_(context.seed, "workload shares"),
      talks_(context.seed, "workload sessions") {
  positive(demand.rate_scale, "rate_scale");
  positive(demand.hash_block, "hash_block");
  if (!(demand.sessions.turns >= 1))
    throw ConfigError("sessions.turns", fmt::format("must be at least 1, got {}", demand.sessions.turns));
  if (demand.concurrency < 0)
    throw ConfigError("concurrency", fmt::format("must not be negative, got {}", demand.concurrency));
  if (demand.concurrency > 0 && context.folded())
    throw ConfigError("concurrency", "cannot be shared out to folded instances; set fold: none");
  between("sessions.turns", demand.sessions.turns, 1, kMostTurns);
  between("prefixes.count", demand.prefixes.count, 0, kMostPrefixes);
  between("prefixes.tokens", demand.prefixes.tokens, 0, kMostPrefixTokens);
  between("prefixes.skew", demand.prefixes.skew, 0, kMostSkew);
  if (!(demand.prefixes.share >= 0 && demand.prefixes.share <= 1))
    throw ConfigError("prefixes.share", fmt::format("must lie between 0 and 1, got {}", demand.prefixes.share));
  check_use(demand);
  for (double d : demand.domains)
    if (!(d >= 0)) throw ConfigError("domains", fmt::format("a share must not be negative, got {}", d));
  const double domains = std::accumulate(demand.domains.begin(), demand.domains.end(), 0.0);
  if (!demand.domains.empty() && !(domains > 0 && std::isfinite(domains)))
    throw ConfigError("domains", fmt::format("shares must add up to more than 0, got {}", domains));
  if (!demand.domains.empty()) domain_.emplace(demand.domains);
  if (demand.prefixes.count > 0) prefix_.emplace(zipf(demand.prefixes.count, demand.prefixes.skew));
}

std::optional<Request> Generated::next() {
  Request out;
  do {
    if (at_limit()) return std::nullopt;
    const double at = next_time();
    if (!(at < kClockEnds)) return std::nullopt;
    out.arrival = from_seconds(at);
    if (out.arrival > context_.duration) {
      cut_off_ = true;
      return std::nullopt;
    }
    out.row = ++rows_;
    ++arrivals_;
  } while (!thinning_.take(out));
  fill(out);
  return out;
}

std::optional<Request> Generated::another(Time arrival) {
  if (at_limit()) return std::nullopt;
  if (arrival > context_.duration) {
    cut_off_ = true;
    return std::nullopt;
  }
  Request out;
  out.arrival = arrival;
  out.row = ++rows_;
  ++arrivals_;
  fill(out);
  return out;
}

void Generated::fill(Request& out) {
  out.input = input_(lengths_);
  out.output = output_(lengths_);
  if (domain_) out.domain = std::int32_t((*domain_)(shares_));
  if (out.outside) out.output = std::min(out.output, 1);
  if (hashed_) continue_session(out);
}

bool Generated::another_turn(int turns) {
  if (demand_.sessions.count == TurnCount::fixed) return turns < int(demand_.sessions.turns);
  return talks_.uniform() < 1 - 1 / demand_.sessions.turns;
}

/// After `total` tokens, which it repeats.
Turn Generated::next_turn(int total) {
  const SessionSpec& s = demand_.sessions;
  const int input = total + later_input_(lengths_);  // before the output: one stream has both
  Turn turn{.input = input, .output = output_(lengths_), .pause = {}};
  const bool tool = s.tools.share > 0 && talks_.uniform() < s.tools.share;
  turn.pause = from_seconds(talks_.exponential(1) * seconds(tool ? s.tools.time : s.pause));
  return turn;
}

void Generated::continue_session(Request& request) {
  Sessions::Text text{.key = std::uint64_t(request.row) << 20, .shared_key = 0, .shared = 0};
  if (prefix_ && shares_.uniform() < demand_.prefixes.share) {
    text.shared_key = (*prefix_)(shares_) + 1;
    text.shared = demand_.prefixes.tokens;
    request.input = std::max(request.input, demand_.prefixes.tokens + 1);
  }
  std::vector<Turn> later;
  int total = request.input + request.output;
  while (!request.outside && another_turn(int(later.size()) + 1)) {
    if (total > kLongestSession) break;
    later.push_back(next_turn(total));
    total = later.back().input + later.back().output;
  }
  const bool repeated = !later.empty();
  if (repeated) request.session = request.row;
  sessions_.hash(request, text, repeated ? request.input + request.output : text.shared);
  if (!repeated) request.unique_blocks = request.input / demand_.hash_block - std::int32_t(request.hashes.size());
  if (repeated) sessions_.open(request.session, text, std::move(later));
}

std::optional<Request> Generated::follow_up(const Request& done, Time end) {
  std::optional<Request> out = sessions_.follow(done, end, rows_);
  if (out && out->arrival > context_.duration) {
    turns_dropped_ += 1 + sessions_.close(out->session);
    out.reset();
  }
  return out;
}

std::optional<Request> Generated::refused(const Request& done, Time) {
  turns_refused_ += sessions_.close(done.session);
  return std::nullopt;
}

std::map<std::string, std::int64_t> Generated::dropped() const {
  std::map<std::string, std::int64_t> out;
  if (turns_dropped_ > 0) out["later turns that would come after the duration"] = turns_dropped_;
  if (turns_refused_ > 0) out["later turns of conversations of which one was rejected"] = turns_refused_;
  return out;
}

std::vector<std::vector<std::uint64_t>> Generated::warm_prefixes() const {
  std::vector<std::vector<std::uint64_t>> out;
  const PrefixSpec& p = demand_.prefixes;
  for (int i = p.warm ? p.count : 0; i-- > 0;) {  // the first are the most popular
    std::vector<std::uint64_t>& blocks = out.emplace_back();
    for (int k = 0; k < p.tokens / demand_.hash_block; ++k)
      blocks.push_back(block_hash(std::uint64_t(i) + 1, std::uint64_t(k)));
  }
  return out;
}

std::optional<Request> Workload::follow_up(const Request&, Time) { return std::nullopt; }
std::optional<Request> Workload::refused(const Request&, Time) { return std::nullopt; }
}  // namespace moesim::serving
