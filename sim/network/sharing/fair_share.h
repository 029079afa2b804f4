// Max-min fair sharing of links, kept up to date as flows come and go: only what a change can reach is worked out
// again.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/ids.h"
#include "core/units.h"

namespace moesim::network {

/// Progressive filling (Bertsekas and Gallager, Data Networks, 2nd ed., section 6.5.2), with three savings that change
/// no result: links are filled from a heap instead of by search; a change spreads only over links that hold flows back,
/// since one with capacity to spare passes nothing on (should it run out of it, it is looked at after all); and of the
/// flows on those only the ones at least as fast as the slowest rate the change can touch are looked at, since filling
/// below it runs the same.
///
/// Rates are whole multiples of a unit, 2^-61 or less of the largest capacity, so sums are exact and the order in which
/// flows were added cannot matter.
class FairShare {
 public:
  using Flow = std::uint32_t;  // index of a flow, reused after remove()

  /// Throws std::logic_error if a capacity is negative or not finite.  A link of capacity 0 carries nothing.
  explicit FairShare(const IdVector<LinkId, Bandwidth>& capacity);

  /// Adds a flow over at least one link, each once and with capacity.  It has no rate before the next solve().
  Flow add(std::span<const LinkId> path);
  void remove(Flow flow);
  void set_capacity(LinkId link, Bandwidth capacity);

  /// Gives every flow its max-min fair rate.
  void solve();
  /// The flows whose rate the last solve() changed, and the links whose load it may have changed.
  std::span<const Flow> changed_flows() const { return {changed_.data(), changes_}; }
  std::span<const std::uint32_t> changed_links() const { return links_found_; }
  /// What changed_flows()' rates were before, in the same order.
  std::span<const std::int64_t> rates_before() const { return {before_.data(), changes_}; }

  bool has_rate(Flow flow) const { return rates_[flow].units != kNew; }
  Bandwidth rate(Flow flow) const { return {double(rates_[flow].units) * unit_}; }
  double bytes_per_second(std::int64_t rate) const { return double(rate) * unit_; }
  /// In units: rate() has rounded it to a double.  For tests that compare bit by bit.
  std::int64_t exact_rate(Flow flow) const { return rates_[flow].units; }
  std::span<const std::uint32_t> path(Flow flow) const { return {&paths_[flows_[flow].path], flows_[flow].length}; }
  /// Capacity in use, and whether all of it is: less is left than one unit a flow.
  double used_share(std::uint32_t link) const;
  bool saturated(std::uint32_t link) const { return links_[link].left < std::int64_t(links_[link].members.size()); }
  /// A flow over a link, and the other link if it crosses two, as most do.
  struct Member {
    Flow flow;
    std::uint32_t other;
  };
  std::span<const Member> members(std::uint32_t link) const { return links_[link].members; }
  int flows_on(std::uint32_t link) const { return int(links_[link].members.size()); }
  std::size_t size() const { return flows_.size(); }
  /// Flows looked at by all solves so far: the work that incremental solving saves or not.
  std::uint64_t visits() const { return visits_; }

 private:
  static constexpr std::int64_t kNew = INT64_MAX, kGone = -1;
  static constexpr std::uint32_t kMany = UINT32_MAX;  // other, of a flow over one link or more than two
  struct State {
    std::uint32_t path = 0;  // into paths_
    std::uint8_t length = 0;
    bool used = false;
  };
  struct Rate {
    std::int64_t units = kNew;  // kGone: removed, but not yet from its links' lists
    std::uint32_t stamp = 0;    // round_ - 1: seen by this solve; round_: has its rate
  };
  struct LinkState {
    std::int64_t capacity = 0, left = 0;  // left: by the flows that have a rate; between find() and fill(), by others
    std::uint32_t waiting = 0;            // flows found that have no rate yet
    std::uint32_t first = 0, last = 0;    // of open_: flows found
    bool touched = false, has_gone = false, has_fresh = false;
    bool spreads = false;   // was full when it changed
    bool expanded = false;  // by this solve: all its flows that may change are found
    std::vector<Member> members;
    /// Nearly all is used: it may hold flows back.  The margin, of parts in 10^15, makes ties safe.
    bool full() const { return left < std::int64_t(members.size()) * 1024; }
  };
  struct Level {
    std::int64_t share;
    std::uint64_t link;
    // One comparison of both: which of two links fills first is a coin toss to the processor.
    __extension__ typedef unsigned __int128 Key;
    Key key() const { return Key(share) << 64 | link; }
    bool operator<(const Level& b) const { return key() < b.key(); }
  };
  LinkState& touch(std::uint32_t link);
  std::int64_t units(Bandwidth capacity) const;
  void sweep();  // drops flows that are gone from the links' lists
  void find();
  void reach(std::uint32_t link);
  void include(Flow flow);
  void give_back(std::uint32_t link, const Rate& rate);
  void expand(std::uint32_t link, std::int64_t floor);
  void expand_all(std::int64_t floor);
  std::int64_t level_of(const LinkState& link) const;
  void order();
  void fill();
  void give(std::uint32_t full, std::int64_t share);
  void sink(std::size_t i);

  std::vector<LinkState> links_;
  std::vector<std::uint32_t> stamps_;  // by link: the solve that found it last
  std::vector<State> flows_;
  std::vector<Rate> rates_;  // by flow
  std::vector<std::uint32_t> paths_;
  std::vector<Flow> free_, gone_;
  std::vector<Member> open_;  // flows whose rate this solve works out, by expanded link: the first opened_ of it
  std::size_t opened_ = 0;
  std::vector<Flow> fresh_;                             // added since the last solve
  std::vector<std::vector<std::uint32_t>> free_paths_;  // by length
  std::vector<std::uint32_t> touched_, links_found_;
  std::vector<std::uint32_t> queue_;  // links to be expanded
  std::vector<Flow> changed_;         // the first changes_ of it
  std::vector<std::int64_t> before_;  // likewise
  std::size_t changes_ = 0;
  std::size_t waiting_ = 0;    // flows found that have no rate yet
  std::vector<Level> levels_;  // heap of the links that are not yet full

  std::int64_t floor_ = INT64_MAX;  // rates below it stay
  std::uint32_t round_ = 1;
  std::uint64_t visits_ = 0;
  double unit_ = 1;  // bytes per second
};
}  // namespace moesim::network
