#include "serving/report/timeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace moesim::serving {
namespace {
/// Intervals that overlap go to different lanes; each takes the first lane that is free when it begins.  `draw` is
/// called with the interval and its lane, by beginning (ties: as they came).
template <class T, class From, class To, class Draw>
void lay_out(std::vector<T>& intervals, From from, To to, Draw draw) {
  std::ranges::stable_sort(intervals, {}, from);
  std::vector<Time> free;
  for (const T& i : intervals) {
    const auto lane = std::ranges::find_if(free, [&](Time since) { return since <= std::invoke(from, i); });
    const std::size_t number = std::size_t(lane - free.begin());
    if (lane == free.end()) free.emplace_back();
    free[number] = std::invoke(to, i);
    draw(i, number);
  }
}
}  // namespace

TimelineLog::TimelineLog(ServiceLog& next, results::SpanLog& spans, const Deployment& deployment)
    : next_(next), spans_(spans), deployment_(deployment) {
  for (const auto& [name, part] : enum_names(StepPart{})) parts_.push_back(spans_.name(name));
}

/// False, from then on, once the log holds as much as a browser likes to open.
bool TimelineLog::room(Time now) {
  if (!spans_.enabled() || full_since_ <= now) return false;
  if (spans_.spans().size() + 3 * stays_.size() + moves_.size() < kMostSpans) return true;
  full_since_ = now;
  return false;
}

const TimelineLog::Tracks& TimelineLog::tracks_of(int instance) {
  const auto [at, fresh] = tracks_.try_emplace(instance);
  if (!fresh) return at->second;
  int first = 0;
  for (const PoolShape& pool : deployment_.shape.pools) {
    if (instance < first + pool.instances) {
      const auto gpu = GpuId(pool.first_of(instance - first));
      const std::string name = fmt::format("{} instance {}", pool.name, instance - first);
      at->second = {spans_.track(gpu, name + ", steps"), spans_.track(gpu, name + ", parts of a step")};
      break;
    }
    first += pool.instances;
  }
  return at->second;
}

void TimelineLog::step(int pool, const InstanceOwner::StepEnd& step) {
  next_.step(pool, step);
  if (!room(step.end)) return;
  const Tracks& tracks = tracks_of(step.instance);
  if (!spans_.wants(tracks.steps, step.start, step.end)) return;
  const std::string what =
      fmt::format("{} requests, {} prompt tokens, {} next tokens", step.requests, step.prefill, step.decode);
  spans_.add(tracks.steps, spans_.name(what), step.start, step.end);
  // Parts are sums over layers: drawn one after the other, as long as each took in all.
  Time at = step.start;
  for (std::size_t p = 0; p < kStepParts; ++p) {
    const Time until = std::min(step.end, at + from_seconds(step.times->parts[p]));
    if (until > at) spans_.add(tracks.parts, parts_[p], at, until);
    at = std::max(at, until);
  }
}

void TimelineLog::moving(const Live& live, Time now) {
  next_.moving(live, now);
  if (room(now)) moving_.insert_or_assign(live.id, now);
}

void TimelineLog::moved(const Live& live, Time now) {
  next_.moved(live, now);
  const auto began = moving_.find(live.id);
  if (began == moving_.end()) return;
  moves_.push_back({began->second, now, live.id, live.source.instance, live.hold.instance});
  moving_.erase(began);
}

void TimelineLog::request(const RequestEnd& end) {
  next_.request(end);
  const Live& l = end.live;
  if (end.state != "finished" || !room(l.last)) return;
  stays_.push_back({l.arrival, l.start, l.first, l.last, l.id, l.request.input, l.request.output, l.hold.instance});
}

void TimelineLog::draw(const Stay& s, results::TrackId lane) {
  const results::NameId queued = spans_.name("queued");
  if (s.start > s.arrival) spans_.add(lane, queued, s.arrival, s.start);
  if (s.first > s.start)
    spans_.add(lane, spans_.name(fmt::format("request {}: prompt of {} tokens", s.id, s.input)), s.start, s.first);
  if (s.last > s.first)
    spans_.add(lane, spans_.name(fmt::format("request {}: answer of {} tokens", s.id, s.output)), s.first, s.last);
  if (s.instance >= 0)
    spans_.add_flow(lane, s.first, tracks_of(s.instance).steps, s.first, spans_.name("request to its instance"));
}

void TimelineLog::draw(const Move& m, results::TrackId lane) {
  spans_.add(lane, spans_.name(fmt::format("KV cache of request {}", m.id)), m.from, m.to);
  const results::NameId arrow = spans_.name("KV cache");
  if (m.source >= 0) spans_.add_flow(tracks_of(m.source).steps, m.from, lane, m.from, arrow);
  if (m.target >= 0) spans_.add_flow(lane, m.to, tracks_of(m.target).steps, m.to, arrow);
}

void TimelineLog::close() {
  if (!spans_.enabled()) return;
  lay_out(stays_, &Stay::arrival, &Stay::last, [&](const Stay& s, std::size_t lane) {
    draw(s, spans_.track({}, fmt::format("requests, lane {}", lane), "requests"));
  });
  lay_out(moves_, &Move::from, &Move::to, [&](const Move& m, std::size_t lane) {
    draw(m, spans_.track({}, fmt::format("KV caches, lane {}", lane), "KV caches"));
  });
}
}  // namespace moesim::serving
