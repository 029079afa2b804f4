#include "results/span.h"

namespace moesim::results {

TrackId SpanLog::track(std::optional<GpuId> gpu, std::string_view stream, std::string_view group) {
  const std::int64_t who = gpu ? std::int64_t(index(*gpu)) : -1;
  const auto [it, added] = track_ids_.try_emplace({who, std::string(stream)}, TrackId(tracks_.size()));
  if (added) {
    tracks_.push_back({gpu, std::string(stream), gpu ? std::string() : std::string(group)});
    kept_.push_back(filter_.enabled && (!gpu || filter_.gpus.empty() || filter_.gpus.contains(std::uint32_t(*gpu))));
  }
  return it->second;
}

NameId SpanLog::name(std::string_view text) {
  if (const auto it = name_ids_.find(text); it != name_ids_.end()) return it->second;
  names_.emplace_back(text);
  return name_ids_.emplace(std::string(text), NameId(names_.size() - 1)).first->second;
}

bool SpanLog::wants(TrackId track, Time start, Time end) const {
  return kept_.at(index(track)) && end >= filter_.from && start <= filter_.to;
}

void SpanLog::add(TrackId track, NameId name, Time start, Time end, int layer) {
  if (wants(track, start, end)) spans_.push_back({track, name, layer, start, end});
}

void SpanLog::add_flow(TrackId from, Time leaves, TrackId to, Time arrives, NameId name) {
  if (wants(from, leaves, leaves) && wants(to, arrives, arrives)) flows_.push_back({from, to, leaves, arrives, name});
}
}  // namespace moesim::results
