// The load of a plan, as its workload draws it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "results/summary.h"
#include "serving/deployment/section.h"
#include "serving/traces/workloads.h"
#include "sizing/design.h"
#include "sizing/trial.h"
#include "spec/count.h"

namespace moesim::sizing {
namespace {
constexpr int kDrawn = 20'000;  // requests that stand for all

/// Of requests that an engine takes: longer than its model's context, it refuses them, whatever it runs on.
struct Drawn {
  int requests = 0, first = 0;  // first: of a conversation, or alone
  int beyond = 0, looked = 0;   // longer than the context, of how many
  bool whole = false;           // no other comes
  double last = 0;              // s, arrival of the last first one
  double inputs = 0, outputs = 0, fresh = 0, pauses = 0;
  std::int64_t longest_input = 0, longest = 0;  // tokens
  std::optional<serving::Request> any{};        // of those that came first

  int all() const { return requests + beyond; }
  /// Whether it is one that engines take.
  bool looks_at(const serving::Request& r, std::int64_t context) {
    const std::int64_t tokens = std::int64_t{r.input} + r.output;
    ++looked;
    if (context > 0 && tokens > context) return ++beyond, false;
    longest_input = std::max<std::int64_t>(longest_input, r.input);
    longest = std::max(longest, tokens);
    return true;
  }
};

/// With the later turns of conversations, each as if answers took no time.
Drawn draw(serving::Workload& workload, int most, bool later, bool kept, std::int64_t context) {
  Drawn out;
  std::set<std::uint64_t> seen;  // prefixes
  while (out.all() < most) {
    auto request = workload.next();
    if (!request) {
      out.whole = true;
      break;
    }
    out.last = seconds(request->arrival);
    out.any = request;
    for (int before = 0; request;) {
      if (!out.looks_at(*request, context)) {  // no turn comes after one that is refused
        (void)workload.refused(*request, request->arrival);
        break;
      }
      if (before == 0) ++out.first;
      ++out.requests;
      out.inputs += request->input;
      out.outputs += request->output;
      std::int64_t known = before < request->input ? before : 0, begun = 0;
      for (const std::uint64_t hash : request->hashes)
        if (!seen.insert(hash).second) begun += workload.hash_block();
      known = std::max(known, std::min<std::int64_t>(begun, request->input - 1));
      out.fresh += double(request->input - (kept ? known : 0));
      if (!later || out.all() >= most) break;
      before = request->input + request->output;
      const Time end = request->arrival;
      request = workload.follow_up(*request, end);
      if (request) out.pauses += seconds(request->arrival - end);
    }
  }
  return out;
}

/// Looks at what clients ask next, too: few of them ask for many lengths.
void look_further(serving::Workload& workload, std::int64_t context, Drawn& drawn) {
  auto request = drawn.any;
  while (request && drawn.looked < kDrawn) {
    request = workload.follow_up(*request, request->arrival);
    if (request) drawn.looks_at(*request, context);
  }
}

/// s, when the last one comes; 0: there is no last, or it is so late that no window that is simulated ends after it.
double end_of(serving::Workload& workload, const Drawn& drawn) {
  constexpr int kMost = 5'000'000;
  double last = drawn.last;
  for (int k = 0; !drawn.whole; ++k) {
    const auto request = k < kMost ? workload.next() : std::nullopt;
    if (!request) return k < kMost ? last : 0;
    last = seconds(request->arrival);
  }
  return last;
}

/// A prompt that goes on from an earlier one is computed from where that ended.
bool keeps_prefixes(const Plan& plan) {
  const Config candidates = plan.config.at("size").at("candidates");
  return spec::state_bytes(plan.model).v == 0 &&
         (!candidates.has("kv") || read<serving::KvSection>(candidates.at("kv")).prefix_cache);
}

void check_length(const Config& size, const Plan& plan, const Load& load) {
  constexpr double kLongest = 1e6;  // s; times are whole picoseconds in 64 bits
  if (load.rate > 0 && kJudged / load.rate > kLongest)
    size.fail(fmt::format("{:.3g} requests/s are fewer than {} in {:.0f} days: too few to take percentiles of",
                          load.rate, kJudged, kLongest / 86400));
  const Time most = plan.section.search.longest();
  const auto too_short = [&](const std::string& why, double needed) {
    size.fail_below("search.most", fmt::format("{}: give at least {:.0f} s, got {}", why, needed, to_text(most)));
  };
  if (plan.section.search.most && load.rate > 0 && kJudged / load.rate > seconds(most))
    too_short(fmt::format("{:.3g} requests/s are too few to judge in less", load.rate), kJudged / load.rate + 1);
  if (2 * load.pauses > seconds(most))
    too_short(fmt::format("a conversation pauses for {}, and its later turns are part of the load",
                          results::pretty(load.pauses, "s")),
              2 * load.pauses + 1);
}

/// Of a load that ends, half counts at least: as many requests as have one beyond each percentile with a target.
void check_enough(const Config& size, const Plan& plan, int requests) {
  const auto [percentile, name] = highest_percentile(plan.section.targets);
  const int least = int(std::ceil(2 / (1 - percentile) - 1e-9));
  if (requests < least)
    size.at("workload")
        .fail(fmt::format("has {} requests, and {} takes at least {}: half of them come before what counts", requests,
                          name, least));
}

std::string context_text(const Plan& plan) {
  return fmt::format("longer than {}'s context of {} tokens", plan.model.name, plan.model.max_positions);
}

/// Objectives that requests miss which nobody takes, and loads of nothing else.
void check_beyond(const Config& size, const Plan& plan, double beyond) {
  if (beyond == 1)
    size.at("workload").fail(fmt::format("all requests are {}: engines refuse them", context_text(plan)));
  if (const double share = plan.section.targets.share; share > 1 - beyond)
    size.fail_below("targets.share", fmt::format("cannot be met: {:.3g} % of the requests are {}, engines refuse them "
                                                 "and they count as missed; got {}",
                                                 100 * beyond, context_text(plan), share));
}
}  // namespace

std::string beyond_text(const Plan& plan) {
  if (plan.load.beyond == 0) return "";
  return fmt::format("{} of the requests are {}: engines refuse them, on any hardware; they count as {}",
                     results::share_text(plan.load.beyond), context_text(plan),
                     plan.section.targets.share > 0 ? "missed in `share`" : "no part of the load that is judged");
}

Load read_load(const Config& size, const Plan& plan) {
  const Config at = size.at("workload");
  const auto workload = at.placed([&] { return serving::workloads().make(at, {.seed = plan.seed}); });
  Load out;
  const auto kind = at.is_scalar() ? at.text() : at.at("kind").text();
  if (kind == "closed") at.at("clients").parse(out.clients);
  const bool open = out.clients == 0;
  Drawn drawn = draw(*workload, open ? kDrawn : std::min(out.clients, kDrawn), open, keeps_prefixes(plan),
                     plan.model.max_positions);
  if (drawn.all() == 0) at.fail("has no requests: there is nothing to size for");
  if (!open) look_further(*workload, plan.model.max_positions, drawn);
  out.beyond = double(drawn.beyond) / drawn.looked;
  check_beyond(size, plan, out.beyond);
  out.input = drawn.inputs / drawn.requests;
  out.output = drawn.outputs / drawn.requests;
  out.fresh = drawn.fresh / drawn.requests;
  out.turns = double(drawn.requests) / drawn.first;
  out.pauses = drawn.pauses / drawn.first;
  out.longest_input = drawn.longest_input;
  out.longest = drawn.longest;
  if (open) {
    if (!(drawn.last > 0)) at.fail("all requests arrive at once: give a rate");
    out.rate = drawn.requests / drawn.last * plan.section.growth;
    if (drawn.whole) check_enough(size, plan, drawn.requests);
    if (!has_gaps(plan)) out.span = end_of(*workload, drawn) / plan.section.growth;
  } else {
    constexpr double kMostClients = 1e6;  // that a simulation keeps
    const double clients = double(out.clients) * plan.section.growth + 0.5;
    if (clients > kMostClients)
      size.fail_below("growth", fmt::format("makes {:.3g} clients of {}; at most {:.0f} are simulated", clients,
                                            out.clients, kMostClients));
    out.clients = std::max(1, int(clients));
  }
  check_length(size, plan, out);
  return out;
}
}  // namespace moesim::sizing
