// Where requests come from: generators and recorded traces, one stream in order of arrival.
#pragma once
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/family.h"
#include "core/random.h"
#include "serving/requests/request.h"
#include "serving/requests/thinning.h"

namespace moesim::routing {
class RequestRouting;
}
namespace moesim::serving {

/// What every workload is built from besides its parameters.
struct WorkloadContext {
  std::uint64_t seed = 0;
  std::vector<LoadShare> shares{};  ///< of the described load, where instances are folded; empty: all of it
  Time duration{INT64_MAX};         ///< no request arrives later; sessions end there too
  /// Whether less than all of the load is simulated.
  bool folded() const {
    return std::ranges::any_of(shares, [](const LoadShare& s) { return s.prompt < 1; });
  }
};

class Workload {
 public:
  virtual ~Workload() = default;
  /// The next request; arrivals never decrease.  Nothing once the stream has ended.
  /// Throws ConfigError "FILE:ROW: problem" at a row that is not a request.
  virtual std::optional<Request> next() = 0;
  /// The request that follows `done` in its session now that it has ended, if any; its arrival is >= end.
  virtual std::optional<Request> follow_up(const Request& done, Time end);
  /// The request that whoever sent `done` sends instead, now that it was refused, if any; its arrival is > end.  The
  /// later turns of its session do not come.
  virtual std::optional<Request> refused(const Request& done, Time end);
  /// Most requests under way at once; what else arrives waits until one has ended.  0: any number.
  virtual int concurrency() const { return 0; }
  /// Whether the stream ended only because more would have come after the duration.
  virtual bool cut_off() const { return false; }
  /// Whether requests come only as others end: then they come no faster than they are served.
  virtual bool closed() const { return false; }
  /// What of the described requests was left out, and why, with counts.
  virtual std::map<std::string, std::int64_t> dropped() const { return {}; }
  /// Blocks that lie in every prefix cache when the run starts, prefix by prefix, those to be kept longest last.
  virtual std::vector<std::vector<std::uint64_t>> warm_prefixes() const { return {}; }
  /// Tokens a prefix block holds; 0 if no request carries hashes.
  virtual int hash_block() const { return 0; }
  /// Routing domains that its requests name; 1 if they name none.
  virtual int domains() const { return 1; }
  /// What the tokens of its requests (Request::recorded) chose, if they are to choose that again; else null.
  virtual std::shared_ptr<const routing::RequestRouting> own_routing() const { return nullptr; }
  /// Requests in the whole stream if known, for progress; 0 if not.
  virtual std::int64_t expected() const { return 0; }
};

/// An entry of the family `workload`.
template <class Impl>
Strategy<Workload, const WorkloadContext&> workload_kind(std::string_view kind, std::string_view summary) {
  return strategy<Impl, Workload, const WorkloadContext&>(kind, summary);
}

/// A length in tokens, drawn anew for every request.
enum class LengthKind { fixed, uniform, exponential, log_normal, gamma, table, sglang_random, vllm_random };
constexpr auto enum_names(LengthKind) {
  return std::to_array<std::pair<std::string_view, LengthKind>>({{"fixed", LengthKind::fixed},
                                                                 {"uniform", LengthKind::uniform},
                                                                 {"exponential", LengthKind::exponential},
                                                                 {"log_normal", LengthKind::log_normal},
                                                                 {"gamma", LengthKind::gamma},
                                                                 {"table", LengthKind::table},
                                                                 {"sglang_random", LengthKind::sglang_random},
                                                                 {"vllm_random", LengthKind::vllm_random}});
}
struct LengthSpec {
  LengthKind kind = LengthKind::fixed;
  double mean = 1;
  double cv = 1;     // standard deviation over mean, before clipping
  double ratio = 0;  // --random-range-ratio
  int min = 1, max = 1'000'000;
  std::vector<int> values;      // table
  std::vector<double> weights;  // table; all equal if empty
  static void fields(auto& f, auto& p) {
    f("kind", p.kind,
      "fixed, uniform (min to max), exponential, log_normal, gamma, table; as benchmark tools draw them: sglang_random "
      "(mean x ratio to mean), vllm_random (mean x (1 - ratio) to mean x (1 + ratio))");
    f("mean", p.mean, "tokens, of all kinds but uniform and table; of the random kinds, the length the tool is given");
    f("cv", p.cv, "standard deviation over mean, of log_normal and gamma");
    f("ratio", p.ratio, "the tools' --random-range-ratio, of sglang_random and vllm_random");
    f("min", p.min, "shorter draws are lengthened to this");
    f("max", p.max, "longer draws are cut to this");
    f("values", p.values, "lengths of a table");
    f("weights", p.weights, "their weights; equal if not given");
  }
};

/// Draws from a LengthSpec.  Throws ConfigError at a key of `what` if the numbers contradict each other.
class Length {
 public:
  explicit Length(const LengthSpec& spec, std::string_view what);
  int operator()(Random& random) const;

 private:
  LengthSpec spec_;
  std::optional<Discrete> pick_;
  double mu_ = 0, sigma_ = 0;
};

/// The id of block `k` of the token sequence that `key` names.
std::uint64_t block_hash(std::uint64_t key, std::uint64_t k);
}  // namespace moesim::serving
