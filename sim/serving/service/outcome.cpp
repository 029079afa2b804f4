#include "serving/service/outcome.h"

#include <algorithm>

namespace moesim::serving {

void Outcome::add_arrival(const Live& live, Time warmup) {
  if (live.request.outside) return void(++outside_arrived);
  ++arrived;
  ++flow.arrived;
  measured += live.arrival >= warmup;
  longest_input = std::max<std::int64_t>(longest_input, live.request.input);
  longest_output = std::max<std::int64_t>(longest_output, live.request.output);
}

void Outcome::add_admitted(const Live& live) {
  const Request& r = live.request;
  if (r.outside) return;
  const double later = double(r.output) - 1;
  ++lengths.count;
  lengths.input += r.input;
  lengths.output += r.output;
  lengths.later += later;
  lengths.held += later * (double(r.input) + double(r.output) / 2);
}

void Outcome::add_rejected(const Live& live, Time warmup, std::string_view reason) {
  ++reasons[std::string(reason)];
  if (live.request.outside) return;
  ++rejected;
  if (live.arrival < warmup) return;
  ++measured_rejected;
  kept.add(false);
}

void Outcome::add_kept(int pool, bool good) {
  kept.add(good);
  if (pool >= 0 && !pool_kept.empty()) pool_kept[std::size_t(pool)].add(good);
}

void Outcome::add_tpot(int pool, double per_token) {
  tpot.ended.push_back(float(per_token));
  if (pool >= 0 && !pool_tpot.empty()) pool_tpot[std::size_t(pool)].ended.push_back(float(per_token));
}

void Outcome::add_finished(const Live& live, int pool, const Slo& slo, Time warmup) {
  const Request& r = live.request;
  preemptions += live.preemptions;
  retries += live.retries;
  if (r.outside) return void(++outside_finished);
  ++finished;
  ++flow.ended;
  input_tokens += r.input;
  output_tokens += live.generated;
  asked_tokens += r.output;
  cached_tokens += live.cached;
  const Time first = live.first - live.arrival, whole = live.last - live.arrival;
  const double per_token = r.output > 1 ? seconds(live.last - live.first) / double(r.output - 1) : 0;
  const bool good = (slo.ttft.v == 0 || first <= slo.ttft) && (slo.e2e.v == 0 || whole <= slo.e2e) &&
                    (slo.tpot.v == 0 || per_token <= seconds(slo.tpot));
  flow.good += good;
  if (live.arrival < warmup) return;
  begun_input += r.input, begun_cached += live.cached;
  add_kept(pool, good);
  ttft.ended.push_back(float(seconds(first)));
  e2e.ended.push_back(float(seconds(whole)));
  queue.ended.push_back(float(seconds(live.start - live.arrival)));
  if (r.output > 1) add_tpot(pool, per_token);
}

void Outcome::add_open(const Live& live, int pool, Time now, const Slo& slo, Time warmup) {
  if (live.request.outside || live.arrival < warmup) return;
  ++open;
  if (live.started) begun_input += live.request.input, begun_cached += live.cached;
  const Time age = now - live.arrival;
  const bool begun = live.started && live.generated > 0;
  const auto note = [&](Durations& d, bool known, Time at) {
    (known ? d.ended : d.open).push_back(float(seconds(known ? at - live.arrival : age)));
  };
  note(ttft, begun, live.first);
  note(queue, live.started, live.start);
  note(e2e, false, now);
  const bool paced = begun && live.generated > 1;
  const double per_token = paced ? seconds(live.last - live.first) / double(live.generated - 1) : 0;
  if (paced) add_tpot(pool, per_token);
  const bool late = (slo.ttft.v > 0 && (begun ? live.first - live.arrival : age) > slo.ttft) ||
                    (slo.e2e.v > 0 && age > slo.e2e) || (slo.tpot.v > 0 && paced && per_token > seconds(slo.tpot));
  const bool open_ended = !begun || slo.e2e.v > 0 || (slo.tpot.v > 0 && !paced);
  if (late)
    add_kept(pool, false);
  else if (open_ended)
    ++undecided;
  else
    add_kept(pool, true);
}
}  // namespace moesim::serving
