#include "network/sharing/fair_share.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/check.h"

namespace moesim::network {

FairShare::FairShare(const IdVector<LinkId, Bandwidth>& capacity)
    : links_(capacity.size()), stamps_(capacity.size(), 0) {
  double most = 0;
  for (const Bandwidth c : capacity) {
    check(c.v >= 0 && std::isfinite(c.v), "a link's capacity must be finite and not negative, got {} B/s", c.v);
    most = std::max(most, c.v);
  }
  if (most > 0) unit_ = std::ldexp(1.0, std::ilogb(most) + 1 - 61);
  for (std::size_t l = 0; l < links_.size(); ++l) links_[l].capacity = links_[l].left = units(capacity[LinkId(l)]);
}

std::int64_t FairShare::units(Bandwidth capacity) const { return std::int64_t(capacity.v / unit_); }

FairShare::LinkState& FairShare::touch(std::uint32_t l) {
  LinkState& link = links_[l];
  if (!link.touched) touched_.push_back(l);
  link.touched = true;
  return link;
}

FairShare::Flow FairShare::add(std::span<const LinkId> path) {
  check(!path.empty() && path.size() < 256, "a flow crosses {} links", path.size());
  Flow flow = Flow(flows_.size());
  if (free_.empty()) {
    flows_.emplace_back();
    rates_.emplace_back();
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
  rates_[flow].units = kNew;
  f.used = true;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const auto link = std::uint32_t(index(path[i]));
    check(links_.at(link).capacity > 0, "a flow over link {}, which has no capacity", link);
    paths_[f.path + i] = link;
    links_[link].members.push_back({flow, path.size() == 2 ? std::uint32_t(index(path[1 - i])) : kMany});
    touch(link).has_fresh = true;
  }
  fresh_.push_back(flow);
  return flow;
}

void FairShare::remove(Flow flow) {
  State& f = flows_[flow];
  check(f.used, "flow {} is removed twice", flow);
  const std::int64_t rate = std::exchange(rates_[flow].units, kGone);
  floor_ = std::min(floor_, rate);
  f.used = false;
  gone_.push_back(flow);
  for (const std::uint32_t l : path(flow)) {
    LinkState& link = touch(l);
    link.has_gone = true;
    link.spreads = link.spreads || link.full();
    if (rate != kNew) link.left += rate;
  }
}

void FairShare::set_capacity(LinkId link, Bandwidth capacity) {
  check(capacity.v >= 0 && capacity.v / unit_ <= 0x1p61, "link {} cannot grow to {} B/s", link, capacity.v);
  LinkState& l = touch(std::uint32_t(index(link)));
  l.left += units(capacity) - l.capacity;
  l.capacity = units(capacity);
  l.spreads = true;
  floor_ = 0;
}

void FairShare::sweep() {
  for (const std::uint32_t l : touched_) {
    LinkState& link = links_[l];
    link.touched = false;
    if (link.has_gone) std::erase_if(link.members, [this](Member m) { return rates_[m.flow].units == kGone; });
    // A new flow's rate, and so the lowest level that it changes, is at least an equal share of its tightest link.
    if (link.has_fresh && !link.members.empty())
      floor_ = std::min(floor_, link.capacity / std::int64_t(link.members.size()));
    link.has_gone = link.has_fresh = false;
  }
}

void FairShare::reach(std::uint32_t l) {
  stamps_[l] = round_;
  links_found_.push_back(l);
  LinkState& link = links_[l];
  link.waiting = 0;
  link.expanded = false;
  if (link.spreads || link.full()) queue_.push_back(l);
  link.spreads = false;
}

/// Works the flow's rate out again, and gives back to its links what it has.
void FairShare::include(Flow flow) {
  Rate& rate = rates_[flow];
  rate.stamp = round_ - 1;
  ++waiting_;
  for (const std::uint32_t l : path(flow)) give_back(l, rate);
}

void FairShare::give_back(std::uint32_t l, const Rate& rate) {
  if (stamps_[l] != round_) reach(l);
  LinkState& link = links_[l];
  link.left += rate.units == kNew ? 0 : rate.units;
  ++link.waiting;
}

/// Lists in open_ the link's flows that are not slower than `floor`.
void FairShare::expand(std::uint32_t l, std::int64_t floor) {
  LinkState& link = links_[l];
  if (link.expanded) return;
  link.expanded = true;
  visits_ += link.members.size();
  if (open_.size() < opened_ + link.members.size())
    open_.resize(std::max(opened_ + link.members.size(), open_.size() * 2));
  Member* open = open_.data() + opened_;
  Rate* const rates = rates_.data();
  const std::uint32_t round = round_, found = round_ - 1;
  for (const Member member : link.members) {
    Rate& rate = rates[member.flow];
    if (rate.stamp == round) continue;
    if (rate.stamp != found) {
      if (rate.units < floor) continue;
      if (member.other == kMany) {
        include(member.flow);
      } else {
        rate.stamp = found;
        ++waiting_;
        ++link.waiting;
        link.left += rate.units;
        give_back(member.other, rate);
      }
    }
    *open++ = member;
  }
  link.first = std::uint32_t(opened_);
  opened_ = std::size_t(open - open_.data());
  link.last = std::uint32_t(opened_);
}

void FairShare::expand_all(std::int64_t floor) {
  for (std::size_t i = 0; i < queue_.size(); ++i) expand(queue_[i], floor);
  queue_.clear();
}

/// Finds the links that a change can reach, and the flows on them that are not slower than it reaches.
void FairShare::find() {
  opened_ = 0;
  for (const std::uint32_t l : touched_) reach(l);
  touched_.clear();
  for (const Flow flow : fresh_)
    if (rates_[flow].units == kNew) include(flow);
  fresh_.clear();
  for (const Flow f : gone_) {
    free_.push_back(f);
    free_paths_[flows_[f].length].push_back(flows_[f].path);
  }
  gone_.clear();
  expand_all(floor_);
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

/// When a link's turn comes at the earliest: a link that is not expanded shares among too few, and a rounding more.
std::int64_t FairShare::level_of(const LinkState& link) const {
  const std::int64_t share = link.left / link.waiting;
  return link.expanded ? share : std::max<std::int64_t>(0, share - std::int64_t(link.members.size()));
}

void FairShare::order() {
  levels_.clear();
  for (const std::uint32_t l : links_found_)
    if (links_[l].waiting > 0) levels_.push_back({level_of(links_[l]), l});
  for (std::size_t i = levels_.size() / 2; i-- > 0;) sink(i);
  if (changed_.size() < changes_ + waiting_) {
    changed_.resize((changes_ + waiting_) * 2);
    before_.resize(changed_.size());
  }
}

/// Gives every link's open flows an equal share of what is left of it, the links with the lowest share first.
void FairShare::fill() {
  order();
  while (waiting_ > 0) {
    Level& level = levels_[0];
    const auto here = std::uint32_t(level.link);
    const LinkState& link = links_[here];
    if (link.waiting > 0) {
      const std::int64_t share = level_of(link);
      if (share > level.share) {  // shares only grow as others are filled: look again later
        level.share = share;
        sink(0);
        continue;
      }
      if (!link.expanded) {
        const std::size_t before = waiting_;
        expand(here, share);
        expand_all(share);
        if (waiting_ > before) order();
        continue;
      }
      give(here, share);
    }
    level = levels_.back();
    levels_.pop_back();
    sink(0);
  }
}

/// Gives the open flows of a link this rate, and takes it from the links on their paths.
void FairShare::give(std::uint32_t full, std::int64_t share) {
  const std::uint32_t round = round_;
  LinkState* const links = links_.data();
  std::size_t changes = changes_;
  LinkState& link = links[full];
  waiting_ -= link.waiting;
  link.left -= share * link.waiting;
  link.waiting = 0;
  for (std::uint32_t k = link.first, last = link.last; k < last; ++k) {
    const Member member = open_[k];
    Rate& rate = rates_[member.flow];
    if (rate.stamp == round) continue;
    rate.stamp = round;
    changed_[changes] = member.flow;
    before_[changes] = rate.units == kNew ? 0 : rate.units;
    changes += rate.units != share;
    rate.units = share;
    if (member.other != kMany) {
      links[member.other].left -= share;
      --links[member.other].waiting;
      continue;
    }
    for (const std::uint32_t other : path(member.flow)) {
      if (other == full) continue;
      links[other].left -= share;
      --links[other].waiting;
    }
  }
  changes_ = changes;
}

void FairShare::solve() {
  changes_ = 0;
  links_found_.clear();
  if (touched_.empty()) return;
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
}  // namespace moesim::network
