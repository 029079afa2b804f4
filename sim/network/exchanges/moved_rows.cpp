#include "network/exchanges/moved_rows.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "network/collectives/collective.h"
#include "network/member_index.h"

namespace moesim::network {
namespace {
void add_up(const std::vector<std::int32_t>& more, double times, std::vector<double>& sum) {
  sum.resize(more.size());
  for (std::size_t i = 0; i < more.size(); ++i) sum[i] += more[i] * times;
}
}  // namespace

MovedRows::MovedRows(const ExchangeGroup& group, const ExchangeSpec& spec, const NetworkCalibration& calibration)
    : group_(std::make_unique<ExchangeGroup>(group)),
      spec_(spec),
      calibration_(&calibration),
      rates_(*group_, calibration, spec) {
  spec_.nvlink = spec_.nvlink || !group.topology().has_nics();
  for (Sums* sums : {&rows_, &work_}) {
    sums->member.resize(at(group.gpus()));
    sums->member_afar.resize(at(group.gpus()));
    sums->node.resize(at(group.nodes()));
  }
}

bool MovedRows::of(const ExchangeGroup& group, const ExchangeSpec& spec) const {
  ExchangeSpec same = spec;
  same.nvlink = same.nvlink || !group.topology().has_nics();
  return same == spec_ && group.members() == group_->members();
}

void MovedRows::add(const exchange::ExchangeLoad& load) {
  const int n = group_->gpus();
  check(load.gpus == n && load.nodes == group_->nodes(), "a load of {} GPUs on {} nodes for a group of {}", load.gpus,
        load.nodes, n);
  if (way_of(spec_.kernel) == RowWay::gathered) return gather(double(load.tokens), 1);
  used_ = true;
  rates_.carry(mix_of(load, *group_, spec_.kernel));
  if (way_of(spec_.kernel) == RowWay::relayed) {
    add_up(load.tokens_to_gpu, 1, rows_.to_member);
    add_up(load.tokens_to_gpu, nvlink_slow(), work_.to_member);
    add_up(load.tokens_to_node, 1, rows_.to_node);
    return add_up(load.tokens_to_node, nic_slow(), work_.to_node);
  }
  add_up(load.rows_to_gpu, 1, rows_.to_member);
  work_.to_member.resize(rows_.to_member.size());
  for (int from = 0; from < n; ++from)
    for (int to = 0; to < n; ++to) {
      const bool inside = spec_.nvlink && group_->node_of(from) == group_->node_of(to);
      work_.to_member[at(from * n + to)] += load.rows_to_gpu[at(from * n + to)] * (inside ? nvlink_slow() : nic_slow());
    }
}

void MovedRows::add(const exchange::ExchangeSums& sums) {
  const int n = group_->gpus();
  check(sums.gpu_rows.size() == at(n), "sums of {} GPUs for a group of {}", sums.gpu_rows.size(), n);
  if (way_of(spec_.kernel) == RowWay::gathered) return gather(sums.tokens, sums.exchanges);
  used_ = true;
  rates_.carry(mix_of(sums, *group_));
  const bool relayed = way_of(spec_.kernel) == RowWay::relayed;
  for (int m = 0; m < n; ++m) {
    const double more = relayed ? sums.gpu_tokens(m) : sums.gpu_rows[at(m)];
    rows_.member[at(m)] += more;
    rows_.member_afar[at(m)] += more;
    work_.member[at(m)] += more * nvlink_slow();
    work_.member_afar[at(m)] += more * nic_slow();
  }
  for (int node = 0; node < group_->nodes(); ++node) {
    rows_.node[at(node)] += sums.node_tokens(node);
    work_.node[at(node)] += sums.node_tokens(node) * nic_slow();
  }
}

/// The collective's transfers, which depend on its size, so many times.
void MovedRows::gather(double tokens, double exchanges) {
  if (tokens <= 0 || exchanges <= 0) return;
  const double carried = double(spec_.carried().v) / double(spec_.row.v);
  const Bytes bytes{std::llround(tokens / exchanges * double(spec_.row.v))};
  for (Transfer t : collective_transfers(group_->topology(), *calibration_, gathering(spec_.direction),
                                         CollectiveAlgorithm::best, group_->members(), bytes)) {
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

/// In the direction of a dispatch: each row from its source to its GPU.
std::vector<MovedRows::Moved> MovedRows::straight(const Sums& sums) const {
  const int n = group_->gpus();
  std::vector<Moved> out;
  for (int from = 0; from < n; ++from)
    for (int to = 0; to < n; ++to) {
      const bool inside = spec_.nvlink && group_->node_of(from) == group_->node_of(to);
      const double own = sums.to_member.empty() ? 0 : sums.to_member[at(from * n + to)];
      const double others = (inside ? sums.member : sums.member_afar)[at(to)] / n;
      if (from != to) out.push_back({from, to, inside, own + others});
    }
  return out;
}

/// The same for one copy a node, which the relay there hands on (or has added up).
std::vector<MovedRows::Moved> MovedRows::relayed(const Sums& sums) const {
  const int n = group_->gpus(), nodes = group_->nodes(), per_node = group_->per_node();
  const spec::GroupShape shape = group_->shape();
  std::vector<Moved> out;
  std::vector<double> handed_on(at(n) * at(per_node));  // [relay][position on its node]
  std::vector<double> to_node(at(nodes)), to_member(at(n));
  for (int source = 0; source < n; ++source) {
    for (int node = 0; node < nodes; ++node)
      to_node[at(node)] =
          sums.node[at(node)] / n + (sums.to_node.empty() ? 0 : sums.to_node[at(source * nodes + node)]);
    for (int member = 0; member < n; ++member)
      to_member[at(member)] =
          sums.member[at(member)] / n + (sums.to_member.empty() ? 0 : sums.to_member[at(source * n + member)]);
    exchange::each_crossing(shape, source, to_node.data(), [&](int, int relay, double tokens) {
      out.push_back({source, relay, false, tokens});
    });
    for (int node = 0; node < nodes; ++node)
      exchange::add_handed_on(shape, node, exchange::relay_of(shape, source, node), to_member.data(), 1.0,
                              handed_on.data());
  }
  for (int relay = 0; relay < n; ++relay)
    for (int i = 0; i < per_node; ++i) {
      const int to = relay - relay % per_node + i;
      if (to != relay) out.push_back({relay, to, true, handed_on[at(relay * per_node + i)]});
    }
  return out;
}

void MovedRows::take(const std::function<void(const Transfer&)>& each) {
  for (const Transfer& t : sent_) each(t);
  sent_.clear();
  if (!used_) return;
  used_ = false;
  const bool back = spec_.direction == ExchangeDirection::combine, apart = way_of(spec_.kernel) == RowWay::straight;
  // Both lists name the same pairs.
  const std::vector<Moved> moved = apart ? straight(rows_) : relayed(rows_),
                           worked = apart ? straight(work_) : relayed(work_);
  for (std::size_t i = 0; i < moved.size(); ++i) {
    auto [from, to, nvlink, rows] = moved[i];
    if (rows <= 0) continue;
    if (back) std::swap(from, to);
    // Of a member or adapter with another line than the first, so many times the first's.
    const double slower =
        nvlink ? rates_.nvlink_work[at(from)] / nvlink_slow() : rates_.nic_work[at(group_->port(from))] / nic_slow();
    each({group_->gpu(from),
          group_->gpu(to),
          {std::llround(rows * double(spec_.carried().v))},
          {std::llround(worked[i].rows * slower * rates_.row)},
          0,
          !nvlink});
  }
  for (Sums* sums : {&rows_, &work_})
    for (auto* v : {&sums->to_member, &sums->to_node, &sums->member, &sums->node, &sums->member_afar})
      std::ranges::fill(*v, 0.0);
}
}  // namespace moesim::network
