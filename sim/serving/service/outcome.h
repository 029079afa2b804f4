// What came of the requests: latencies, tokens and counts, kept small enough for millions.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/units.h"
#include "serving/requests/live.h"
#include "serving/service/durations.h"

namespace moesim::serving {

/// Latency targets of a request; 0 s means none.
struct Slo {
  Time ttft{}, tpot{}, e2e{};
  bool any() const { return ttft.v > 0 || tpot.v > 0 || e2e.v > 0; }
  static void fields(auto& f, auto& p) {
    f("ttft", p.ttft, "time to the first token; 0 s means no target");
    f("tpot", p.tpot, "time per output token after the first");
    f("e2e", p.e2e, "whole request");
  }
};

/// How many of some requests kept every target, of those of which it is known.
struct Kept {
  std::int64_t good = 0, known = 0;
  void add(bool is_good) { good += is_good, ++known; }
};

/// Requests that came and went, since the start or between two moments.
struct Flow {
  std::int64_t arrived = 0, ended = 0;
  std::int64_t good = 0;  ///< ended within every target
  Flow operator+(const Flow& o) const { return {arrived + o.arrived, ended + o.ended, good + o.good}; }
  Flow operator-(const Flow& o) const { return {arrived - o.arrived, ended - o.ended, good - o.good}; }
};

/// Lengths of requests that can be served, summed up.
struct Lengths {
  std::int64_t count = 0;
  double input = 0, output = 0;
  double later = 0;  ///< output tokens after the first
  double held = 0;   ///< of each of these, the tokens before it
};

/// Of requests from outside (load of folded instances), nothing but their number.
struct Outcome {
  std::int64_t arrived = 0, finished = 0, rejected = 0;
  std::int64_t outside_arrived = 0, outside_finished = 0;
  std::int64_t input_tokens = 0, output_tokens = 0;  ///< of finished requests
  std::int64_t asked_tokens = 0;                     ///< output tokens that finished requests asked for
  std::int64_t preemptions = 0, retries = 0, cached_tokens = 0;
  std::int64_t longest_input = 0, longest_output = 0;
  std::map<std::string, std::int64_t> reasons;  ///< of rejections, with counts
  Lengths lengths;                              ///< of those that arrived and were not rejected
  Flow flow;                                    ///< since the start; rejected ones arrive and do not end

  // Of requests that arrived after the warm-up:
  std::int64_t measured = 0, measured_rejected = 0;
  std::int64_t begun_input = 0, begun_cached = 0;  ///< tokens of the prompts of those that began
  std::int64_t open = 0;                           ///< not ended when the run did
  std::int64_t undecided = 0;                      ///< of these, may still keep every target or not
  Kept kept;                                       ///< targets; rejected ones have not kept them
  Durations ttft, tpot, e2e, queue;
  WeightedBins itl;
  std::vector<Kept> pool_kept;       ///< by the pool they ended in; empty where only one decodes
  std::vector<Durations> pool_tpot;  ///< the same

  void add_arrival(const Live& live, Time warmup);
  void add_admitted(const Live& live);
  void add_rejected(const Live& live, Time warmup, std::string_view reason);
  /// pool: where it ended; -1 for none.
  void add_finished(const Live& live, int pool, const Slo& slo, Time warmup);
  /// The run ends now, and the request has not.
  void add_open(const Live& live, int pool, Time now, const Slo& slo, Time warmup);

 private:
  void add_kept(int pool, bool good);
  void add_tpot(int pool, double per_token);
};
}  // namespace moesim::serving
