#include "serving/service/service.h"

#include <algorithm>

#include "core/check.h"
#include "core/interrupt.h"
#include "core/log.h"

namespace moesim::serving {
namespace {
/// Only decode instances are simulated: the prompt, and with it the first token, comes from elsewhere.
void come_prefilled(Live& live) {
  live.generated = std::max(live.generated, 1);
  live.computed = live.request.input + live.generated - 1;
  live.remote = true;
  live.source = {};
}
}  // namespace

Service::Service(Engine& engine, Workload& workload, const ServiceShape& shape, std::unique_ptr<Balancer> prompts,
                 std::unique_ptr<Balancer> decodes, KvMover* mover, ServiceLog& log, std::uint64_t seed)
    : engine_(engine),
      shape_(shape),
      log_(log),
      fleet_(engine, requests_, *this, shape.pools, seed),
      dispatcher_(fleet_, requests_, std::move(prompts), std::move(decodes)),
      arrivals_(engine, workload, [this](std::int64_t id, Request request) { arrive(id, std::move(request)); }),
      power_(engine, fleet_, requests_, arrivals_, dispatcher_, shape.duration),
      transfers_(engine, fleet_, requests_, power_, mover, log, shape.layers, shape.gpus_per_node),
      faults_(engine, fleet_, dispatcher_, mover, shape.faults, shape.gpus_per_node),
      books_(fleet_, power_) {}

bool Service::run() {
  start();
  const bool complete = run_events();
  end_.at = shape_.drain || !complete ? engine_.now() : shape_.duration;
  close();
  return complete;
}

/// What happens at fixed times; at the same moment, in this order.
void Service::start() {
  power_.start();
  faults_.start();
  if (shape_.sample.v > 0)
    engine_.at(
        shape_.sample, "sample", [this] { read(); }, Phase::observe);
  if (shape_.rebalance.v > 0)
    engine_.at(
        shape_.rebalance, "rebalance", [this] { rebalance(); }, Phase::decide);
  if (shape_.warmup.v > 0)
    engine_.at(
        shape_.warmup, "warm", [this] { books_.end_warmup(engine_.now()); }, Phase::observe);
  arrivals_.start();
}

/// In slices, to show progress and to hear the user; false if the user stopped it.
bool Service::run_events() {
  const bool timed = shape_.duration.v != INT64_MAX;
  Progress progress("serving", timed ? std::uint64_t(shape_.duration.v / 1'000'000'000'000) : 0);
  constexpr std::int64_t kSlices = 512;
  const Time end = shape_.drain ? Time{INT64_MAX} : shape_.duration;
  const Time slice = timed ? std::max(1_ps, shape_.duration / kSlices) : 10_s;
  Time until = slice;
  while (true) {
    const std::uint64_t before = engine_.executed();
    engine_.run(std::min(until, end));
    progress.at(std::uint64_t(engine_.now().v / 1'000'000'000'000));
    const bool done = !more_to_do() && !arrivals_.awaiting_turns() && dispatcher_.lobby_empty();
    if (done || until >= end || (engine_.executed() == before && until.v > INT64_MAX / 4)) return true;
    until = engine_.executed() == before ? until * 2 : until + slice;
    if (interrupted()) return false;
  }
}

void Service::arrive(std::int64_t id, Request request) {
  Live live;
  live.id = id;
  live.arrival = engine_.now();
  live.target = request.input;
  live.request = std::move(request);
  outcome_.add_arrival(live);
  if (const std::string_view why = refusal(fleet_, live.request, shape_.context); !why.empty()) {
    live.state = RequestState::rejected;
    outcome_.add_rejected(live, why);
    log_.request({live, "rejected", why});
    arrivals_.ended(live.request, false);
    return;
  }
  if (!fleet_.has_prompts()) come_prefilled(live);
  const std::uint32_t slot = requests_.add(std::move(live));
  if (requests_[slot].generated == requests_[slot].request.output) {  // the token that came with the prompt was all
    Live& done = requests_[slot];
    done.start = done.first = done.last = engine_.now();
    return finished(slot);
  }
  dispatcher_.send(slot);
}

void Service::finished(std::uint32_t slot) {
  Live& live = requests_[slot];
  live.state = RequestState::finished;
  const Request& r = live.request;
  check(live.generated == r.output, "request {} ended with {} of {} tokens", live.id, live.generated, r.output);
  check(live.arrival <= live.start && live.start <= live.first && live.first <= live.last,
        "request {} has times out of order", live.id);
  outcome_.add_finished(live, shape_.slo, shape_.warmup);
  const bool placed = live.hold.instance >= 0;
  if (!r.outside)
    log_.request({live, "finished", ""});
  else if (placed && fleet_.has_decode_instances())
    transfers_.count_departed(live);
  arrivals_.ended(r, true);
  if (placed) power_.left(fleet_.of(live.hold).pool, live);
  requests_.remove(slot);
}

void Service::homeless(std::uint32_t slot) {
  if (!fleet_.has_prompts() && !requests_[slot].remote) come_prefilled(requests_[slot]);
  dispatcher_.send(slot);
}

void Service::stepped(const StepEnd& step) {
  Fleet::Member& m = fleet_[std::size_t(step.instance)];
  books_.add(step);
  power_.stepped(m);
  log_.step(int(m.pool), step);
}

void Service::read() {
  books_.read(engine_.now(), shape_.sample, log_);
  if (more_to_do() || arrivals_.awaiting_turns())
    engine_.after(
        shape_.sample, "sample", [this] { read(); }, Phase::observe);
}

/// New placements for every instance, from what each routed lately.
void Service::rebalance() {
  for (Fleet::Member& m : fleet_) {
    const Time pause = m.instance->step_model().rebalance();
    if (pause.v > 0) m.instance->stall(pause);
  }
  if (more_to_do())
    engine_.after(
        shape_.rebalance, "rebalance", [this] { rebalance(); }, Phase::decide);
}

/// Adds up what is still under way.
void Service::close() {
  requests_.each([&](const Live& live) {
    const bool runs = live.started && live.state != RequestState::waiting;
    end_.output_tokens += live.generated;
    if (live.request.outside) return;
    (runs ? end_.running : end_.waiting) += 1;
    log_.request({live, runs ? "running" : "waiting", ""});
  });
  books_.close(end_.at);
}
}  // namespace moesim::serving
