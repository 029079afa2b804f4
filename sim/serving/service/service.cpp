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
      growth_(engine, fleet_, dispatcher_),
      books_(fleet_, power_),
      workload_(workload) {
  const auto decodes_too = [](const PoolShape& pool) { return pool.role != Role::prefill; };
  if (std::ranges::count_if(shape.pools, decodes_too) < 2) return;  // all that decode do so in the same
  outcome_.pool_kept.resize(shape.pools.size());
  outcome_.pool_tpot.resize(shape.pools.size());
}

bool Service::run() {
  start();
  stopped_ = !run_events();
  end_.at = shape_.drain || stopped_ ? engine_.now() : shape_.duration;
  close();
  return !stopped_;
}

/// What happens at fixed times; at the same moment, in this order.
void Service::start() {
  for (const std::vector<std::uint64_t>& prefix : workload_.warm_prefixes())
    for (Fleet::Member& m : fleet_) m.instance->warm(prefix);
  power_.start();
  faults_.start();
  growth_.start();
  if (shape_.sample.v > 0)
    engine_.at(
        shape_.sample, "sample", [this] { read(); }, Phase::observe);
  if (shape_.rebalance.v > 0)
    engine_.at(
        shape_.rebalance, "rebalance", [this] { rebalance(); }, Phase::decide);
  if (shape_.warmup.v > 0)
    engine_.at(
        shape_.warmup, "warm", [this] { begin_window(); }, Phase::observe);
  arrivals_.start();
}

/// In slices, to show progress and to hear the user; false if the user stopped it.
bool Service::run_events() {
  const bool timed = shape_.duration.v != INT64_MAX;
  Progress progress("serving", timed ? std::uint64_t(shape_.duration.v / 1'000'000'000'000) : 0, "s simulated");
  constexpr std::int64_t kSlices = 512;
  const Time end = shape_.drain ? Time{INT64_MAX} : shape_.duration;
  const Time slice = timed ? std::max(1_ps, shape_.duration / kSlices) : 10_s;
  Time until = slice;
  while (true) {
    const std::uint64_t before = engine_.executed();
    const bool to_duration = timed && !marks_[std::size_t(WindowEnd::duration)] && until >= shape_.duration;
    engine_.run(to_duration ? shape_.duration : std::min(until, end));
    if (to_duration) end_window(shape_.duration, WindowEnd::duration);
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
  if (!fleet_.can_decode()) live.request.output = std::min(live.request.output, 1);  // the rest comes from elsewhere
  outcome_.add_arrival(live, shape_.warmup);
  if (!arrivals_.streaming()) end_window(engine_.now(), WindowEnd::last_arrival);
  if (const std::string_view why = refusal(fleet_, live.request, shape_.context); !why.empty()) {
    live.state = RequestState::rejected;
    outcome_.add_rejected(live, shape_.warmup, why);
    log_.request({live, "rejected", why});
    arrivals_.ended(live.request, false, engine_.now());
    return;
  }
  outcome_.add_admitted(live);
  if (!fleet_.has_prompts()) come_prefilled(live);
  pace_.change(engine_.now(), 1, 1);
  const std::uint32_t slot = requests_.add(std::move(live));
  if (requests_[slot].generated == requests_[slot].request.output) {  // the token that came with the prompt was all
    Live& done = requests_[slot];
    done.start = done.first = done.last = engine_.now();
    return finished(slot);
  }
  admit(slot);
}

/// To the balancer, once HTTP and tokenizer are done with it.
void Service::admit(std::uint32_t slot) {
  const Time before = shape_.front_end.before(requests_[slot].request.input);
  if (before.v == 0) return dispatcher_.send(slot);
  engine_.after(before, "tokenised", [this, slot] { dispatcher_.send(slot); });
}

/// Tokens are with their sender later than their step ends.
void Service::reach_sender(Live& live) const {
  if (live.generated == 0) return;
  live.first += shape_.front_end.output;
  live.last += shape_.front_end.output;
}

void Service::finished(std::uint32_t slot) {
  Live& live = requests_[slot];
  live.state = RequestState::finished;
  const Request& r = live.request;
  check(live.generated == r.output, "request {} ended with {} of {} tokens", live.id, live.generated, r.output);
  check(live.arrival <= live.start && live.start <= live.first && live.first <= live.last,
        "request {} has times out of order", live.id);
  reach_sender(live);
  const bool placed = live.hold.instance >= 0;
  outcome_.add_finished(live, placed ? int(fleet_.of(live.hold).pool) : -1, shape_.slo, shape_.warmup);
  pace_.change(engine_.now(), -1, -1);
  if (!r.outside)
    log_.request({live, "finished", ""});
  else if (placed && fleet_.has_decode_instances())
    transfers_.count_departed(live);
  arrivals_.ended(r, true, engine_.now() + shape_.front_end.output);
  if (placed) power_.left(fleet_.of(live.hold).pool, live);
  requests_.remove(slot);
}

void Service::changed(int instance, const Change& change) {
  books_.changed(instance, change, engine_.now());
  if (change.placed != 0) pace_.change(engine_.now(), 0, -change.placed);  // who is under way without a place waits
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

void Service::begin_window() {
  books_.begin_window(engine_.now());
  begin_ = mark(engine_.now());
  outcome_.itl = {};
}

Service::Mark Service::mark(Time at) {
  pace_.advance(at);
  return {at, outcome_.flow, pace_.open_now(), pace_.open_sum(), arrivals_.held()};
}

/// Later arrivals move the end where the stream has ended and turns follow: at steps of 1/256, since each looks at all
/// instances.
void Service::end_window(Time at, WindowEnd end) {
  std::optional<Mark>& last = marks_[std::size_t(end)];
  if (at <= shape_.warmup || (last && at < last->at + last->at / 256)) return;
  last = mark(at);
  books_.end_window(at, end);
}

/// The duration, where more would have come; else the last arrival, unless it lies in the run's first half or finds
/// more than a fifth of the requests still there: a batch is measured to its end.
WindowEnd Service::choose_window() {
  const auto& duration = marks_[std::size_t(WindowEnd::duration)];
  const auto& arrival = marks_[std::size_t(WindowEnd::last_arrival)];
  WindowEnd out = WindowEnd::run;
  if (workload_.cut_off())
    out = duration ? WindowEnd::duration : out;
  else if (arrival && arrival->at * 2 >= end_.at && arrival->open * 5 <= outcome_.measured)
    out = WindowEnd::last_arrival;
  window_.from = std::min(shape_.warmup, end_.at);
  window_.until = out == WindowEnd::run ? end_.at : marks_[std::size_t(out)]->at;
  window_.whole = out == WindowEnd::run && !workload_.cut_off() && !stopped_;
  const Mark end = out == WindowEnd::run ? mark(end_.at) : *marks_[std::size_t(out)];
  window_.flow = end.flow - begin_.flow;
  window_.held = end.held;
  window_.open = window_.length() > 0 ? (end.open_sum - begin_.open_sum) / window_.length() : 0;
  return out;
}

/// Adds up what is still under way.
void Service::close() {
  for (Fleet::Member& m : fleet_) m.instance->settle();
  requests_.each([&](Live& live) {
    reach_sender(live);
    const bool runs = live.started && live.state != RequestState::waiting;
    end_.output_tokens += live.generated;
    if (live.request.outside) return;
    (runs ? end_.running : end_.waiting) += 1;
    const int pool = live.hold.instance >= 0 ? int(fleet_.of(live.hold).pool) : -1;
    outcome_.add_open(live, pool, end_.at, shape_.slo, shape_.warmup);
    log_.request({live, runs ? "running" : "waiting", ""});
  });
  books_.close(end_.at, choose_window());
  pace_.advance(end_.at);
  const auto& last = marks_[std::size_t(WindowEnd::last_arrival)];
  const Time from = window_.from,
             until = !window_.whole ? window_.until
                     : last         ? std::max(from, last->at)
                                    : from,
             quarter = (until - from) / 4, third = until - quarter * 2;
  window_.arriving = seconds(until - from);
  window_.open_before = pace_.open(third, third + quarter);
  window_.open_last = pace_.open(third + quarter, until);
  window_.waiting_before = pace_.waiting(third, third + quarter);
  window_.waiting_last = pace_.waiting(third + quarter, until);
}
}  // namespace moesim::serving
