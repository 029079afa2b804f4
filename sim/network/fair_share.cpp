#include "network/fair_share.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace moesim {

FairShare::FairShare(const IdVector<LinkId, Bandwidth>& capacity)
    : links_(capacity.size()), stamps_(capacity.size(), 0) {
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
    rates_.push_back(kNew);
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
  f.both = std::uint32_t(index(path.front()) ^ index(path.back()));
  rates_[flow] = kNew;
  f.state = State::used;
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
  check(f.state == State::used, "flow {} is removed twice", flow);
  floor_ = std::min(floor_, rates_[flow]);
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

/// Finds the links that a change can reach, and lists in open_ the flows on them that are not slower than it reaches.
void FairShare::find() {
  const std::uint32_t found = round_ - 1;
  links_found_.assign(dirty_links_.begin(), dirty_links_.end());
  dirty_links_.clear();
  for (const std::uint32_t l : links_found_) stamps_[l] = found;
  const std::int64_t floor = floor_, *const rates = rates_.data();
  LinkState* const links = links_.data();
  State* const flows = flows_.data();
  std::uint32_t* const stamps = stamps_.data();
  const std::uint32_t* const paths = paths_.data();
  std::size_t used = 0;
  const auto reach = [&](std::uint32_t link) {
    if (stamps[link] == found) return;
    stamps[link] = found;
    links_found_.push_back(link);
  };
  for (std::size_t i = 0; i < links_found_.size(); ++i) {
    const std::uint32_t here = links_found_[i];
    LinkState& link = links[here];
    const std::size_t first = used, members = link.members.size();
    visits_ += members;
    if (open_.size() < used + members) open_.resize(std::max(used + members, open_.size() * 2));
    Flow* open = open_.data() + used;
    std::int64_t left = link.capacity;
    for (const Flow member : link.members) {  // no branch: the floor divides them as chance has it
      const std::int64_t rate = rates[member];
      const bool stays = rate < floor;
      left -= stays ? rate : 0;
      *open = member;
      open += !stays;
    }
    used = std::size_t(open - open_.data());
    link.left = left;
    link.first = std::uint32_t(first);
    link.last = std::uint32_t(used);
    link.waiting = std::uint32_t(used - first);
    for (const Flow* member = open_.data() + first; member != open; ++member) {
      State& f = flows[*member];
      if (f.length == 2) {
        reach(f.both ^ here);
      } else if (f.stamp != found) {
        f.stamp = found;
        for (std::uint32_t k = 0; k < f.length; ++k) reach(paths[f.path + k]);
      }
    }
  }
  waiting_ = used;
}

/// Restores the heap's order below i.
void FairShare::sink(std::size_t i) {
  Level* const heap = levels_.data();
  const std::size_t size = levels_.size();
  const Level level = heap[i];
  for (std::size_t child; (child = 2 * i + 1) < size; i = child) {
    if (child + 1 < size) child += heap[child + 1] < heap[child];
    if (!(heap[child] < level)) break;
    heap[i] = heap[child];
  }
  heap[i] = level;
}

/// Gives every link's open flows an equal share of what is left of it, the links with the lowest share first.
void FairShare::fill() {
  levels_.clear();
  for (const std::uint32_t l : links_found_)
    if (links_[l].waiting > 0) levels_.push_back({links_[l].left / links_[l].waiting, l});
  for (std::size_t i = levels_.size() / 2; i-- > 0;) sink(i);
  if (changed_.size() < waiting_) {
    changed_.resize(open_.size());
    before_.resize(open_.size());
  }
  while (waiting_ > 0) {
    Level& level = levels_[0];
    const LinkState& link = links_[level.link];
    const std::int64_t share = link.waiting > 0 ? link.left / link.waiting : level.share;
    if (share > level.share) {  // shares only grow as others are filled: look again later
      level.share = share;
    } else {
      if (link.waiting > 0) give(std::uint32_t(level.link), share);
      level = levels_.back();
      levels_.pop_back();
    }
    sink(0);
  }
}

/// Gives the open flows of a link this rate, and takes it from the other links on their paths.
void FairShare::give(std::uint32_t full, std::int64_t share) {
  const std::uint32_t round = round_;
  LinkState* const links = links_.data();
  LinkState& link = links[full];
  const auto take = [&](std::uint32_t other) {
    links[other].left -= share;
    --links[other].waiting;
    --waiting_;
  };
  waiting_ -= link.waiting;
  link.left -= share * link.waiting;
  link.waiting = 0;
  std::size_t changes = changes_;
  for (std::uint32_t k = link.first, last = link.last; k < last; ++k) {
    const Flow member = open_[k];
    State& f = flows_[member];
    if (f.stamp == round) continue;
    f.stamp = round;
    const std::int64_t rate = rates_[member];
    changed_[changes] = member;
    before_[changes] = rate == kNew ? 0 : rate;
    changes += rate != share;
    rates_[member] = share;
    if (f.length == 2) {
      take(f.both ^ full);
      continue;
    }
    for (const std::uint32_t other : path(member))
      if (other != full) take(other);
  }
  changes_ = changes;
}

void FairShare::solve() {
  changes_ = 0;
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
