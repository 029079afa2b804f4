#include "results/span.h"

#include <algorithm>

namespace moesim::results {
namespace {
bool is_link(const SpanLog::Track& track) { return !track.gpu && track.group == "links"; }
}  // namespace

TrackId SpanLog::track(std::optional<GpuId> gpu, std::string_view stream, std::string_view group) {
  const std::int64_t who = gpu ? std::int64_t(index(*gpu)) : -1;
  const auto [it, added] = track_ids_.try_emplace({who, std::string(stream)}, TrackId(tracks_.size()));
  if (added) {
    tracks_.push_back({gpu, std::string(stream), gpu ? std::string() : std::string(group)});
    const bool wanted = gpu ? (filter_.gpus.empty() || filter_.gpus.contains(std::uint32_t(*gpu))) &&
                                  !dropped_gpus_.contains(std::uint32_t(*gpu))
                            : links_ || !is_link(tracks_.back());
    kept_.push_back(filter_.enabled && wanted);
  }
  return it->second;
}

NameId SpanLog::name(std::string_view text) {
  if (const auto it = name_ids_.find(text); it != name_ids_.end()) return it->second;
  names_.emplace_back(text);
  return name_ids_.emplace(std::string(text), NameId(names_.size() - 1)).first->second;
}

bool SpanLog::wants(TrackId track, Time start, Time end) const {
  return kept_.at(index(track)) && end >= filter_.from && start <= std::min(filter_.to, full_since_);
}

void SpanLog::add(TrackId track, NameId name, Time start, Time end, int layer) {
  if (!wants(track, start, end)) return;
  spans_.push_back({track, name, layer, start, end});
  grow(bytes_of(spans_.back()));
}

void SpanLog::add_flow(TrackId from, Time leaves, TrackId to, Time arrives, NameId name) {
  if (!wants(from, leaves, leaves) || !wants(to, arrives, arrives)) return;
  flows_.push_back({from, to, leaves, arrives, name});
  grow(bytes_of(flows_.back()));
}

void SpanLog::grow(std::size_t bytes) {
  bytes_ += bytes;
  while (filter_.most_bytes > 0 && bytes_ > filter_.most_bytes && full_since_.v == INT64_MAX) keep_less();
}

std::set<std::uint32_t> SpanLog::gpus(bool kept) const {
  std::set<std::uint32_t> out;
  for (std::size_t i = 0; i < tracks_.size(); ++i)
    if (tracks_[i].gpu && (kept_[i] || (!kept && dropped_gpus_.contains(std::uint32_t(*tracks_[i].gpu)))))
      out.insert(std::uint32_t(*tracks_[i].gpu));
  return out;
}
std::size_t SpanLog::gpus_kept() const { return gpus(true).size(); }
std::size_t SpanLog::gpus_seen() const { return gpus(false).size(); }

// What results/perfetto.cpp writes, with numbers as long as they get.
std::size_t SpanLog::bytes_of(const Span& span) const { return 120 + text(span.name).size(); }
std::size_t SpanLog::bytes_of(const Flow& flow) const { return 2 * (110 + text(flow.name).size()); }

void SpanLog::count_again() {
  const auto dropped = [&](TrackId track) { return !kept_[index(track)]; };
  std::erase_if(spans_, [&](const Span& s) { return dropped(s.track); });
  std::erase_if(flows_, [&](const Flow& f) { return dropped(f.from) || dropped(f.to); });
  bytes_ = 0;
  for (const Span& s : spans_) bytes_ += bytes_of(s);
  for (const Flow& f : flows_) bytes_ += bytes_of(f);
}

void SpanLog::keep_less() {
  if (const std::set<std::uint32_t> now = gpus(true); filter_.gpus.empty() && now.size() > kFewGpus) {
    std::set<std::uint32_t> dropped;
    bool drop = false;
    for (const std::uint32_t gpu : now) {
      if (drop) dropped.insert(gpu);
      drop = !drop;
    }
    for (std::size_t i = 0; i < tracks_.size(); ++i)
      if (tracks_[i].gpu && dropped.contains(std::uint32_t(*tracks_[i].gpu))) kept_[i] = false;
    dropped_gpus_.merge(dropped);
  } else if (links_) {
    links_ = false;
    for (std::size_t i = 0; i < tracks_.size(); ++i)
      if (is_link(tracks_[i])) kept_[i] = false;
  } else {
    full_since_ = spans_.empty() ? filter_.from : spans_.back().start;
    return;
  }
  count_again();
}
}  // namespace moesim::results
