#include "network/exchanges/exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/check.h"
#include "network/network.h"

namespace moesim::network {

Bytes fp8_row(int hidden) { return {hidden + (hidden + 127) / 128 * 4 + 16}; }
Bytes bf16_row(int hidden) { return {std::int64_t(hidden) * 2}; }

namespace {
std::vector<GpuId> consecutive(GpuId first, int count) {
  std::vector<GpuId> out;
  for (int i = 0; i < count; ++i) out.push_back(GpuId{std::uint32_t(index(first)) + std::uint32_t(i)});
  return out;
}
}  // namespace

ExchangeGroup::ExchangeGroup(const Topology& topology, GpuId first, int count)
    : ExchangeGroup(topology, consecutive(first, count)) {}

ExchangeGroup::ExchangeGroup(const Topology& topology, std::vector<GpuId> members)
    : topology_(&topology), members_(std::move(members)), shape_{int(members_.size()), 1} {
  check(!members_.empty(), "an exchange group without members");
  for (const GpuId gpu : members_)
    if (index(gpu) >= std::size_t(topology.gpus()))
      throw ConfigError(fmt::format("an exchange group names GPU {}, but the cluster has {}", gpu, topology.gpus()));
  int& per_node = shape_.gpus_per_node;
  while (per_node < gpus() && topology.node_of(gpu(per_node)) == topology.node_of(gpu(0))) ++per_node;
  for (int m = 0; m < gpus(); ++m) {
    const int first = shape_.first_of(node_of(m));
    check(topology.node_of(gpu(m)) == topology.node_of(gpu(first)) && gpus() % per_node == 0 &&
              (m != first || m == 0 || topology.node_of(gpu(m)) != topology.node_of(gpu(m - 1))),
          "the {} members of an exchange group must lie on their nodes in equal runs, {} a node as on the first",
          gpus(), per_node);
  }
  find_ports();
  find_latencies();
}

void ExchangeGroup::find_ports() {
  const Topology& t = *topology_;
  const double kFree = std::numeric_limits<double>::infinity();
  std::vector<int> sharers;
  for (int m = 0; m < gpus(); ++m) {
    nvlink_rate_.push_back({kFree});
    if (t.has_nvlink())
      nvlink_rate_.back() = std::min(t.links()[t.nvlink_out(gpu(m))].capacity, t.links()[t.nvlink_in(gpu(m))].capacity);
    const bool shared = t.has_nics() && m % per_node() != 0 && t.nic_of(gpu(m)) == t.nic_of(gpu(m - 1));
    if (!shared) {
      ++ports_;
      sharers.push_back(0);
      nic_rate_.push_back({kFree});
      if (t.has_nics()) {
        const int nic = t.nic_of(gpu(m));
        nic_rate_.back() = std::min(t.links()[t.nic_out(nic)].capacity, t.links()[t.nic_in(nic)].capacity);
      }
    }
    port_.push_back(ports_ - 1);
    ++sharers.back();
  }
  const Bandwidth pcie = t.cluster().node.pcie;
  if (pcie.v > 0)
    for (int p = 0; p < ports_; ++p)
      nic_rate_[std::size_t(p)] = std::min(nic_rate_[std::size_t(p)], pcie * double(sharers[std::size_t(p)]));
}

void ExchangeGroup::find_latencies() {
  const Topology& t = *topology_;
  if (per_node() > 1) nvlink_latency_ = t.latency(t.route(gpu(0), gpu(1)));
  if (!t.has_nics()) return;
  for (int a = 0; a < per_node(); ++a)
    for (int m = 0; m < gpus(); ++m) {
      if (m == a) continue;
      const Time latency = t.latency(t.nic_route(gpu(a), gpu(m)));
      any_latency_ = std::max(any_latency_, latency);
      if (m % per_node() == a) rail_latency_ = std::max(rail_latency_, latency);
    }
}

Time ExchangeGroup::count_latency(const ExchangeSpec& spec) const {
  const bool inside = nodes() == 1 && (spec.kernel == ExchangeKernel::normal || spec.nvlink || !topology_->has_nics());
  if (inside) return nvlink_latency_;
  return spec.kernel == ExchangeKernel::normal ? rail_latency_ : any_latency_;
}

namespace {
const NetworkCalibration::Kernel& kernel_of(const NetworkCalibration& c, const ExchangeSpec& spec) {
  const bool dispatch = spec.direction == ExchangeDirection::dispatch;
  if (spec.kernel == ExchangeKernel::normal) return dispatch ? c.normal_dispatch : c.normal_combine;
  return dispatch ? c.low_latency_dispatch : c.low_latency_combine;
}
}  // namespace

ExchangeMix mix_of(const exchange::ExchangeLoad& load, const ExchangeGroup& group) {
  ExchangeMix mix;
  for (const std::int32_t tokens : load.tokens_to_node) mix.tokens += tokens;
  for (const std::int32_t copies : load.tokens_to_gpu) mix.copies += copies;
  mix.crossing = mix.copies;
  for (int source = 0; source < group.gpus(); ++source)
    for (int node = 0; node < group.nodes(); ++node)
      mix.crossing -=
          load.tokens_to_gpu[std::size_t(source * group.gpus() + exchange::relay_of(group.shape(), source, node))];
  return mix;
}

ExchangeRates::ExchangeRates(const ExchangeGroup& group, const NetworkCalibration& calibration,
                             const ExchangeSpec& spec)
    : kernel(kernel_of(calibration, spec)),
      row(double(spec.row.v)),
      sms(spec.kernel == ExchangeKernel::normal ? spec.sms : 0) {
  check(spec.row.v > 0, "an exchange with rows of {} bytes", spec.row.v);
  check(spec.kernel != ExchangeKernel::normal || spec.sms > 0, "a normal exchange kernel on {} SMs", spec.sms);
  called = kernel.launch;
  if (kernel.row_rate.v > 0) called += spec.row / kernel.row_rate;
  fixed = called;
  const double whole = row + double(kernel.message.v);
  // What must go around a failed port is paced like the rest: its own line says nothing of the links it will take.
  Bandwidth best_nic{}, best_nvlink{};
  for (int p = 0; p < group.ports(); ++p) best_nic = std::max(best_nic, group.nic_rate(p));
  for (int m = 0; m < group.gpus(); ++m) best_nvlink = std::max(best_nvlink, group.nvlink_rate(m));
  const auto line_of = [](Bandwidth own, Bandwidth best) { return own.v > 0 ? own.v : best.v; };
  for (int p = 0; p < group.ports(); ++p) {
    const double line = line_of(group.nic_rate(p), best_nic);
    nic.push_back(reached(line * kernel.nic_share, whole));
    nic_work.push_back(line / nic.back());
  }
  for (int m = 0; m < group.gpus(); ++m) {
    nvlink_line.push_back(line_of(group.nvlink_rate(m), best_nvlink));
    nvlink.push_back(reached(nvlink_line.back() * kernel.nvlink_share, whole));
    nvlink_work.push_back(nvlink_line.back() / nvlink.back());
  }
}

/// Bytes of payload a second: a row is sent at line rate, and the SMs copy so many bytes for it, more or less at the
/// same time.
double ExchangeRates::reached(double line, double copied) const {
  if (sms == 0) return line * row / copied;
  if (kernel.sm_rate.v <= 0 || line <= 0) return line;
  const double send = row / line, copy = copied / (kernel.sm_rate.v * sms);
  const double longest = std::max(send, copy);
  return row / (longest * std::pow(std::pow(send / longest, kernel.overlap) + std::pow(copy / longest, kernel.overlap),
                                   1 / kernel.overlap));
}

void ExchangeRates::carry(const ExchangeMix& mix) {
  fixed = called;
  if (!uses_sms() || mix.tokens <= 0) return;
  const double copied =
      mix.copies * (row + double(kernel.message.v)) + mix.tokens * (double(kernel.token.v) + kernel.token_rows * row);
  const double one = copied / mix.tokens / kernel.sm_rate.v;  // seconds in which one SM handles a token
  const double each = mix.tokens / (double(nvlink_line.size()) * sms);
  fixed += from_seconds(one * (kernel.lead + kernel.fill * each / (each + kernel.fill_at)));
  if (mix.crossing <= 0) return;
  for (std::size_t m = 0; m < nvlink.size(); ++m) {
    const bool as_before = m > 0 && nvlink_line[m] == nvlink_line[m - 1];
    nvlink[m] = as_before ? nvlink[m - 1] : reached(nvlink_line[m] * kernel.nvlink_share, copied / mix.crossing);
    nvlink_work[m] = nvlink_line[m] / nvlink[m];
  }
}

void check_load(const exchange::ExchangeLoad& load, const ExchangeGroup& group, const ExchangeSpec& spec,
                std::string_view where) {
  const auto refuse = [&](std::string_view problem) { throw ConfigError(fmt::format("{}: {}", where, problem)); };
  if (load.gpus != group.gpus() || load.nodes != group.nodes())
    refuse(fmt::format("traffic of {} GPUs on {} nodes, but the group has {} on {}", load.gpus, load.nodes,
                       group.gpus(), group.nodes()));
  const auto n = std::size_t(load.gpus);
  if (load.rows_to_gpu.size() != n * n || load.tokens_to_gpu.size() != n * n ||
      load.tokens_to_node.size() != n * std::size_t(load.nodes))
    refuse(fmt::format("traffic of {} GPUs with {} pairs", load.gpus, load.rows_to_gpu.size()));
  double bytes = 0;
  const auto scan = [&](const std::vector<std::int32_t>& counts, std::size_t columns, std::string_view what) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] < 0) refuse(fmt::format("{} rows from GPU {} to {} {}", counts[i], i / columns, what, i % columns));
      bytes += double(counts[i]) * double(spec.row.v);
    }
  };
  scan(load.rows_to_gpu, n, "GPU");
  scan(load.tokens_to_gpu, n, "GPU");
  scan(load.tokens_to_node, std::size_t(load.nodes), "node");
  if (bytes > 0x1p62) refuse("traffic of more than 2^62 bytes");
}
}  // namespace moesim::network
