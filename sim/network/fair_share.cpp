#include "network/fair_share.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace moesim {

FairShare::FairShare(const IdVector<LinkId, Bandwidth>& capacity) : links_(capacity.size()) {
  double most = 0;
  for (const Bandwidth c : capacity) {
    check(c.v >= 0 && std::isfinite(c.v), "a link's capacity must be finite and not negative, got {} B/s", c.v);
    most = std::max(most, c.v);
  }
  if (most > 0) unit_ = std::ldexp(1.0, std::ilogb(most) + 1 - 61);
  for (std::size_t l = 0; l < links_.size(); ++l) links_[l].capacity = units(capacity[LinkId(l)]);
}

std::int64_t FairShare::units(Bandwidth capacity) const { return std::int64_t(capacity.v / unit_); }

void FairShare::touch(std::uint32_t link) {
  if (links_[link].dirty) return;
  links_[link].dirty = true;
  dirty_links_.push_back(link);
}

FairShare::Flow FairShare::add(std::span<const LinkId> path) {
  check(!path.empty() && path.size() < 256, "a flow crosses {} links", path.size());
  Flow flow = Flow(flows_.size());
  if (free_.empty()) {
    flows_.emplace_back();
  } else {
    flow = free_.back();
    free_.pop_back();
  }
  State& f = flows_[flow];
  f.length = std::uint8_t(path.size());
  if (free_paths_.size() <= path.size()) free_paths_.resize(path.size() + 1);
  if (auto& free = free_paths_[path.size()]; !free.empty()) {
    f.path = free.back();
    free.pop_back();
  } else {
    check(paths_.size() + path.size() < UINT32_MAX, "more flows at once than the network can hold");
    f.path = std::uint32_t(paths_.size());
    paths_.resize(paths_.size() + path.size());
  }
  f.rate = 0;
  f.state = State::fresh;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const auto link = std::uint32_t(index(path[i]));
    check(links_.at(link).capacity > 0, "a flow over link {}, which has no capacity", link);
    paths_[f.path + i] = link;
    links_[link].members.push_back(flow);
    links_[link].has_fresh = true;
    touch(link);
  }
  return flow;
}

void FairShare::remove(Flow flow) {
  State& f = flows_[flow];
  check(f.state == State::fresh || f.state == State::running, "flow {} is removed twice", flow);
  if (f.state == State::running) floor_ = std::min(floor_, f.rate);
  f.state = State::gone;
  gone_.push_back(flow);
  for (const std::uint32_t l : path(flow)) {
    links_[l].has_gone = true;
    touch(l);
  }
}

void FairShare::set_capacity(LinkId link, Bandwidth capacity) {
  check(capacity.v >= 0 && capacity.v / unit_ <= 0x1p61, "link {} cannot grow to {} B/s", link, capacity.v);
  links_.at(index(link)).capacity = units(capacity);
  floor_ = 0;
  touch(std::uint32_t(index(link)));
}

void FairShare::sweep() {
  for (const std::uint32_t l : dirty_links_) {
    LinkState& link = links_[l];
    link.dirty = false;
    if (link.has_gone) std::erase_if(link.members, [this](Flow f) { return flows_[f].state == State::gone; });
    // A new flow's rate, and so the lowest level that it changes, is at least an equal share of its tightest link.
    if (link.has_fresh && !link.members.empty())
      floor_ = std::min(floor_, link.capacity / std::int64_t(link.members.size()));
    link.has_gone = link.has_fresh = false;
  }
  for (const Flow f : gone_) {
    flows_[f].state = State::free;
    free_.push_back(f);
    free_paths_[flows_[f].length].push_back(flows_[f].path);
  }
  gone_.clear();
}

void FairShare::find() {
  const std::uint32_t found = round_ - 1;
  links_found_.assign(dirty_links_.begin(), dirty_links_.end());
  dirty_links_.clear();
  for (const std::uint32_t l : links_found_) links_[l].stamp = found;
  for (std::size_t i = 0; i < links_found_.size(); ++i) {
    LinkState& link = links_[links_found_[i]];
    link.left = link.capacity;
    link.waiting = 0;
    visits_ += link.members.size();
    for (const Flow member : link.members) {
      State& f = flows_[member];
      if (f.state == State::running && f.rate < floor_) {
        link.left -= f.rate;
        continue;
      }
      ++link.waiting;
      if (f.stamp == found) continue;
      f.stamp = found;
      for (std::uint32_t k = 0; k < f.length; ++k) {
        const std::uint32_t other = paths_[f.path + k];
        if (links_[other].stamp == found) continue;
        links_[other].stamp = found;
        links_found_.push_back(other);
      }
    }
  }
}

void FairShare::fill() {
  heap_.clear();
  for (const std::uint32_t l : links_found_)
    if (links_[l].waiting > 0) heap_.push_back({links_[l].left / links_[l].waiting, l});
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const Level level = heap_.back();
    LinkState& link = links_[level.link];
    heap_.pop_back();
    if (link.waiting == 0) continue;
    const std::int64_t share = link.left / link.waiting;
    if (share > level.share) {  // shares only grow as others are filled: look again later
      heap_.push_back({share, level.link});
      std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
      continue;
    }
    for (const Flow member : link.members) {
      State& f = flows_[member];
      if (f.stamp != round_ - 1) continue;
      f.stamp = round_;
      f.state = State::running;
      if (f.rate != share) {
        changed_.push_back(member);
        before_.push_back(f.rate);
        f.rate = share;
      }
      for (std::uint32_t k = 0; k < f.length; ++k) {
        LinkState& other = links_[paths_[f.path + k]];
        other.left -= share;
        --other.waiting;
      }
    }
  }
}

void FairShare::solve() {
  changed_.clear();
  before_.clear();
  links_found_.clear();
  if (dirty_links_.empty()) return;
  check(round_ < UINT32_MAX - 2, "more than two thousand million changes of a network");
  round_ += 2;
  sweep();
  find();
  fill();
  floor_ = INT64_MAX;
}

double FairShare::used_share(std::uint32_t link) const {
  const LinkState& l = links_[link];
  return l.capacity > 0 ? double(l.capacity - l.left) / double(l.capacity) : 0;
}
}  // namespace moesim
