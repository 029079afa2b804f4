#include "network/exchanges/moved_rows.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "network/collectives/collective.h"

namespace moesim::network {
namespace {
std::size_t at(int i) { return std::size_t(i); }
void add_up(const std::vector<std::int32_t>& more, std::vector<double>& sum) {
  sum.resize(more.size());
  for (std::size_t i = 0; i < more.size(); ++i) sum[i] += more[i];
}
}  // namespace

MovedRows::MovedRows(const ExchangeGroup& group, const ExchangeSpec& spec, const NetworkCalibration& calibration)
    : group_(group),
      spec_(spec),
      calibration_(&calibration),
      member_sum_(at(group.gpus())),
      node_sum_(at(group.nodes())) {
  spec_.nvlink = spec_.nvlink || !group.topology().has_nics();
}

bool MovedRows::of(const ExchangeGroup& group, const ExchangeSpec& spec) const {
  ExchangeSpec same = spec;
  same.nvlink = same.nvlink || !group.topology().has_nics();
  return same == spec_ && group.members() == group_.members();
}

void MovedRows::add(const exchange::ExchangeLoad& load) {
  check(load.gpus == group_.gpus() && load.nodes == group_.nodes(), "a load of {} GPUs on {} nodes for a group of {}",
        load.gpus, load.nodes, group_.gpus());
  if (way_of(spec_.kernel) == RowWay::gathered) return gather(double(load.tokens), 1);
  ++exchanges_;
  slots_ = load.slots;
  if (way_of(spec_.kernel) == RowWay::straight) return add_up(load.rows_to_gpu, to_member_);
  add_up(load.tokens_to_gpu, to_member_);
  add_up(load.tokens_to_node, to_node_);
}

void MovedRows::add(const exchange::ExchangeSums& sums) {
  const int n = group_.gpus();
  check(sums.gpu_rows.size() == at(n), "sums of {} GPUs for a group of {}", sums.gpu_rows.size(), n);
  if (way_of(spec_.kernel) == RowWay::gathered) return gather(sums.tokens, sums.exchanges);
  exchanges_ += sums.exchanges;
  slots_ = double(sums.slot_rows.size());
  const bool relayed = way_of(spec_.kernel) == RowWay::relayed;
  for (int m = 0; m < n; ++m) member_sum_[at(m)] += relayed ? sums.gpu_tokens(m) : sums.gpu_rows[at(m)];
  for (int node = 0; relayed && node < group_.nodes(); ++node) node_sum_[at(node)] += sums.node_tokens(node);
}

/// The collective's transfers, which depend on its size, so many times.
void MovedRows::gather(double tokens, double exchanges) {
  if (tokens <= 0 || exchanges <= 0) return;
  const double carried = double(spec_.carried().v) / double(spec_.row.v);
  const Bytes bytes{std::llround(tokens / exchanges * double(spec_.row.v))};
  for (Transfer t : collective_transfers(group_.topology(), *calibration_, gathering(spec_.direction),
                                         CollectiveAlgorithm::best, group_.members(), bytes)) {
    t.bytes = {std::llround(double(t.bytes.v) * carried)};
    t = t.times(exchanges);
    const auto same = [&](const Transfer& s) { return s.from == t.from && s.to == t.to; };
    const auto before = std::ranges::find_if(sent_, same);
    if (before == sent_.end()) {
      sent_.push_back(t);
      continue;
    }
    before->bytes += t.bytes;
    before->work += t.work;
  }
}

double MovedRows::rows_to(int source, int member) const {
  const double own = to_member_.empty() ? 0 : to_member_[at(source * group_.gpus() + member)];
  return own + member_sum_[at(member)] / group_.gpus();
}
double MovedRows::tokens_to(int source, int node) const {
  const double own = to_node_.empty() ? 0 : to_node_[at(source * group_.nodes() + node)];
  return own + node_sum_[at(node)] / group_.gpus();
}

/// In the direction of a dispatch: each row from its source to its GPU.
void MovedRows::straight(const Pair& pair) const {
  const int n = group_.gpus();
  for (int from = 0; from < n; ++from)
    for (int to = 0; to < n; ++to)
      if (from != to) pair(from, to, rows_to(from, to), spec_.nvlink && group_.node_of(from) == group_.node_of(to));
}

/// The same for one copy a node, which the relay there hands on (or has added up).
void MovedRows::relayed(const Pair& pair) const {
  const int n = group_.gpus(), nodes = group_.nodes(), per_node = group_.per_node();
  const spec::GroupShape shape = group_.shape();
  std::vector<double> handed_on(at(n) * at(per_node));  // [relay][position on its node]
  std::vector<double> to_node(at(nodes)), to_member(at(n));
  for (int source = 0; source < n; ++source) {
    for (int node = 0; node < nodes; ++node) to_node[at(node)] = tokens_to(source, node);
    for (int member = 0; member < n; ++member) to_member[at(member)] = rows_to(source, member);
    exchange::each_crossing(shape, source, to_node.data(),
                            [&](int, int relay, double tokens) { pair(source, relay, tokens, false); });
    for (int node = 0; node < nodes; ++node)
      exchange::add_handed_on(shape, node, exchange::relay_of(shape, source, node), to_member.data(), 1.0,
                              handed_on.data());
  }
  for (int relay = 0; relay < n; ++relay)
    for (int i = 0; i < per_node; ++i) {
      const int to = relay - relay % per_node + i;
      if (to != relay) pair(relay, to, handed_on[at(relay * per_node + i)], true);
    }
}

/// Of the mean exchange where its size decides (the library's), of all together where only the mixture does.
ExchangeMix MovedRows::mix() const {
  ExchangeMix sum;
  sum.slots = slots_;
  if (way_of(spec_.kernel) == RowWay::straight) {
    find_fullest(
        group_, [&](int from, int to) { return rows_to(from, to) / exchanges_; }, sum);
    return sum;
  }
  for (int source = 0; source < group_.gpus(); ++source) {
    for (int node = 0; node < group_.nodes(); ++node) {
      sum.tokens += tokens_to(source, node);
      sum.relayed += node == group_.node_of(source) ? 0 : tokens_to(source, node);
    }
    for (int member = 0; member < group_.gpus(); ++member) {
      const bool stays = exchange::relay_of(group_.shape(), source, group_.node_of(member)) == member;
      sum.copies += rows_to(source, member);
      sum.crossing += stays ? 0 : rows_to(source, member);
    }
  }
  return sum;
}

void MovedRows::take(const std::function<void(const Transfer&)>& each) {
  for (const Transfer& t : sent_) each(t);
  sent_.clear();
  if (exchanges_ <= 0) return;
  ExchangeRates rates(group_, *calibration_, spec_);
  rates.carry(mix());
  const bool back = spec_.direction == ExchangeDirection::combine;
  const Pair pair = [&](int from, int to, double rows, bool nvlink) {
    if (rows <= 0) return;
    if (back) std::swap(from, to);
    const double slow = nvlink ? rates.nvlink_work[at(from)] : rates.nic_work[at(group_.port(from))];
    each({group_.gpu(from),
          group_.gpu(to),
          {std::llround(rows * double(spec_.carried().v))},
          {std::llround(rows * rates.row * slow)},
          0,
          !nvlink});
  };
  way_of(spec_.kernel) == RowWay::straight ? straight(pair) : relayed(pair);
  exchanges_ = 0;
  for (auto* sums : {&to_member_, &to_node_, &member_sum_, &node_sum_}) std::ranges::fill(*sums, 0.0);
}
}  // namespace moesim::network
