#include "network/link_meter.h"

#include <algorithm>

namespace moesim::network {

LinkMeter::LinkMeter(const IdVector<LinkId, Link>& links, Time interval)
    : interval_(interval), use_(links.size()), state_(links.size()), readings_(interval.v > 0 ? links.size() : 0) {
  for (const Link& link : links) capacity_.push_back(link.capacity.v);
}

void LinkMeter::read(std::uint32_t link, Time now, double used) {
  Sampling& s = readings_[link];
  for (Time at = s.since; s.used > 0 && at < now;) {
    const std::int64_t interval = at.v / interval_.v;
    const Time until = std::min(now, Time{(interval + 1) * interval_.v});
    if (s.taken.empty() || s.taken.back().interval != interval) s.taken.push_back({interval, 0});
    s.taken.back().used += s.used * double((until - at).v);
    at = until;
  }
  s.since = now;
  s.used = used;
}

void LinkMeter::moved(std::uint32_t link, std::int64_t bytes, double work, Time from, Time until) {
  carried(link, bytes, work);
  if (!sampling() || work <= 0) return;
  const double used = work / capacity_[link] * 1e12;  // picoseconds
  if (from >= until) return void(moved_[{from.v / interval_.v, link}] += used);
  for (Time at = from; at < until;) {
    const std::int64_t interval = at.v / interval_.v;
    const Time end = std::min(until, Time{(interval + 1) * interval_.v});
    moved_[{interval, link}] += used * (double((end - at).v) / double((until - from).v));
    at = end;
  }
}

void LinkMeter::settle(Time now) {
  for (std::uint32_t l = 0; l < state_.size(); ++l) {
    const State& s = state_[l];
    if (sampling()) read(l, now, readings_[l].used);
    use_[l].saturated = seconds(s.saturated_for + (s.saturated ? now - s.saturated_since : Time{}));
    use_[l].most_flows = s.most_flows;
  }
}

std::vector<UtilisationSample> LinkMeter::samples() const {
  auto used = moved_;
  for (std::uint32_t l = 0; l < readings_.size(); ++l)
    for (const Reading& s : readings_[l].taken) used[{s.interval, l}] += s.used;
  std::vector<UtilisationSample> out;
  for (const auto& [at, share] : used)
    out.push_back({{(at.first + 1) * interval_.v}, LinkId(at.second), share / double(interval_.v)});
  return out;
}
}  // namespace moesim::network
