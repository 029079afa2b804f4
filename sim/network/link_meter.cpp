#include "network/link_meter.h"

#include <algorithm>

namespace moesim {

LinkMeter::LinkMeter(const IdVector<LinkId, Link>& links, Time interval)
    : interval_(interval), use_(links.size()), state_(links.size()), samples_(interval.v > 0 ? links.size() : 0) {
  for (const Link& link : links) capacity_.push_back(link.capacity.v);
}

void LinkMeter::account(std::uint32_t link, Time now) {
  State& s = state_[link];
  if (s.saturated) use_[link].saturated += seconds(now - s.since);
  if (!samples_.empty() && s.used > 0) {
    std::vector<Sample>& samples = samples_[link];
    for (Time at = s.since; at < now;) {
      const std::int64_t interval = at.v / interval_.v;
      const Time until = std::min(now, Time{(interval + 1) * interval_.v});
      if (samples.empty() || samples.back().interval != interval) samples.push_back({interval, 0});
      samples.back().used += s.used * double((until - at).v);
      at = until;
    }
  }
  s.since = now;
}

void LinkMeter::change(std::uint32_t link, Time now, double used, bool saturated, int flows) {
  account(link, now);
  state_[link].used = used;
  state_[link].saturated = saturated;
  use_[link].most_flows = std::max(use_[link].most_flows, flows);
}

void LinkMeter::settle(Time now) {
  for (std::uint32_t l = 0; l < state_.size(); ++l) account(l, now);
}

std::vector<UtilisationSample> LinkMeter::samples() const {
  std::vector<UtilisationSample> out;
  for (std::size_t l = 0; l < samples_.size(); ++l)
    for (const Sample& s : samples_[l])
      out.push_back({{(s.interval + 1) * interval_.v}, LinkId(l), s.used / double(interval_.v)});
  std::sort(out.begin(), out.end(), [](const UtilisationSample& a, const UtilisationSample& b) {
    return a.until != b.until ? a.until < b.until : a.link < b.link;
  });
  return out;
}
}  // namespace moesim
