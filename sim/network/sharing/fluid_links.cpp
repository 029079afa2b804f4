#include "network/sharing/fluid_links.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace moesim::network {
namespace {
constexpr Time kNever{INT64_MAX};

IdVector<LinkId, Bandwidth> capacities(const IdVector<LinkId, Link>& links) {
  IdVector<LinkId, Bandwidth> out;
  for (const Link& link : links) out.push_back(link.capacity);
  return out;
}
}  // namespace

FluidLinks::FluidLinks(Engine& engine, const IdVector<LinkId, Link>& links, double tolerance, Time sample_interval)
    : engine_(engine), lag_(tolerance / 4), share_(capacities(links)), meter_(links, sample_interval) {
  check(tolerance >= 0 && tolerance < 1, "a network's tolerance of {}", tolerance);
}

void FluidLinks::start(std::span<const LinkId> path, Bytes bytes, double work, Time latency, Receiver& receiver,
                       std::uint32_t tag, FlowEnds ends) {
  const Cold flow{&receiver, ++started_, latency, engine_.now(), bytes.v, work, tag, ends};
  ++active_;
  if (path.empty() || work <= 0) {
    sent_.push_back(flow);
    return deliver();
  }
  const FairShare::Flow index = share_.add(path);
  if (index >= cold_.size()) {
    cold_.resize(index + 1);
    progress_.resize(index + 1);
  }
  cold_[index] = flow;
  progress_[index] = {work, engine_.now()};
  finish_.set(index, kNever);
  share_by(engine_.now());
}

void FluidLinks::set_capacity(LinkId link, Bandwidth capacity) {
  share_.set_capacity(link, capacity);
  share_by(engine_.now());
}

/// Bytes of work.
double FluidLinks::left_now(FairShare::Flow flow) const {
  const Progress& p = progress_[flow];
  const double rate = share_.has_rate(flow) ? share_.rate(flow).v : 0;
  return std::max(0.0, p.left - rate * seconds(engine_.now() - p.since));
}

std::vector<FluidLinks::Stranded> FluidLinks::cut(LinkId link) {
  std::vector<FairShare::Flow> flows;
  for (const auto& [flow, other] : share_.members(std::uint32_t(index(link)))) {
    const bool sent = share_.has_rate(flow) && left_now(flow) <= share_.rate(flow).v * 1e-12;  // ends at this instant
    const bool gone = cold_[flow].receiver == nullptr;
    if (!sent && !gone) flows.push_back(flow);
  }
  std::ranges::sort(flows, {}, [this](FairShare::Flow flow) { return cold_[flow].order; });
  std::vector<Stranded> out;
  for (const FairShare::Flow flow : flows) {
    Cold& c = cold_[flow];
    Stranded stranded{c.ends, {}, left_now(flow), c.receiver, c.tag};
    stranded.bytes = {std::min(c.bytes, std::int64_t(std::ceil(double(c.bytes) * stranded.work / c.work)))};
    for (const std::uint32_t l : share_.path(flow))
      meter_.carried(l, c.bytes - stranded.bytes.v, c.work - stranded.work);
    share_.remove(flow);
    finish_.set(flow, kNever);
    c.receiver = nullptr;
    --active_;
    out.push_back(stranded);
  }
  return out;
}

/// Makes sure that rates are worked out anew at `when` or earlier.
void FluidLinks::share_by(Time when) {
  if (when >= share_at_) return;
  if (share_at_ != kNever) engine_.cancel(share_event_);
  share_at_ = when;
  share_event_ = engine_.at(
      when, "network: share", [this] { reshare(); }, Phase::decide);
}

void FluidLinks::reshare() {
  const Time now = engine_.now();
  share_at_ = kNever;
  share_.solve();
  const std::span<const FairShare::Flow> changed = share_.changed_flows();
  for (std::size_t i = 0; i < changed.size(); ++i) {
    const FairShare::Flow flow = changed[i];
    Progress& p = progress_[flow];
    p.left = std::max(0.0, p.left - share_.bytes_per_second(share_.rates_before()[i]) * seconds(now - p.since));
    p.since = now;
    const double picoseconds = p.left / share_.rate(flow).v * 1e12;
    if (!(picoseconds < double(INT64_MAX - now.v))) beyond_the_clock();
    const auto whole = std::int64_t(picoseconds);
    finish_.set(flow, now + Time{whole + (double(whole) < picoseconds)});  // up; ceil() is a call
  }
  for (const std::uint32_t link : share_.changed_links())
    meter_.change(link, now, share_.saturated(link), share_.flows_on(link));
  if (meter_.sampling())
    for (const std::uint32_t link : share_.changed_links()) meter_.read(link, now, share_.used_share(link));
  expect_next();
}

void FluidLinks::expect_next() {
  const Time next = finish_.earliest();
  if (next == next_at_) return;
  if (next_at_ != kNever) engine_.cancel(next_event_);
  next_at_ = next;
  if (next != kNever) next_event_ = engine_.at(next, "network: sent", [this] { complete(); });
}

/// Ends the flows whose last byte leaves now.
void FluidLinks::complete() {
  const Time now = engine_.now();
  next_at_ = kNever;
  due_.clear();
  finish_.take_until(now, due_);
  Time shortest = kNever;
  for (const std::uint32_t flow : due_) {
    const Cold& c = cold_[flow];
    shortest = std::min(shortest, now - c.started);
    for (const std::uint32_t link : share_.path(flow)) meter_.carried(link, c.bytes, c.work);
    sent_.push_back(c);
    share_.remove(flow);
    cold_[flow].receiver = nullptr;
  }
  share_by(now + Time{std::int64_t(double(shortest.v) * lag_)});
  if (share_at_ > now) expect_next();  // else sharing does
  deliver();
}

/// Tells the receivers of sent_ one latency from now, in the order in which their flows started.
void FluidLinks::deliver() {
  std::sort(sent_.begin(), sent_.end(), [](const Cold& a, const Cold& b) {
    return a.latency != b.latency ? a.latency < b.latency : a.order < b.order;
  });
  for (std::size_t i = 0; i < sent_.size();) {
    const Time latency = sent_[i].latency;
    if (free_batches_.empty()) {
      free_batches_.push_back(std::uint32_t(batches_.size()));
      batches_.emplace_back();
    }
    const std::uint32_t batch = free_batches_.back();
    free_batches_.pop_back();
    for (; i < sent_.size() && sent_[i].latency == latency; ++i)
      batches_[batch].emplace_back(sent_[i].receiver, sent_[i].tag);
    engine_.after(latency, "network: arrived", [this, batch] { arrive(batch); });
  }
  sent_.clear();
}

void FluidLinks::arrive(std::uint32_t batch) {
  Arrivals arrivals = std::move(batches_[batch]);  // a receiver may start flows, and batches_ may grow
  active_ -= arrivals.size();
  for (const auto& [receiver, tag] : arrivals) receiver->arrived(tag);
  arrivals.clear();
  batches_[batch] = std::move(arrivals);
  free_batches_.push_back(batch);
  if (active_ == 0 && idle_) idle_();
}
}  // namespace moesim::network
