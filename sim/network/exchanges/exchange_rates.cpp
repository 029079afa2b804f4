#include "network/exchanges/exchange_rates.h"

#include <algorithm>

#include "core/check.h"
#include "core/elementary.h"
#include "exchange/relay.h"
#include "network/collectives/collective_plan.h"

namespace moesim::network {
namespace {
NetworkCalibration::Kernel kernel_of(const NetworkCalibration& c, const ExchangeSpec& spec) {
  const bool dispatch = spec.direction == ExchangeDirection::dispatch;
  switch (spec.kernel) {
    case ExchangeKernel::deepep_normal:
      return dispatch ? c.normal_dispatch : c.normal_combine;
    case ExchangeKernel::deepep_low_latency:
      return dispatch ? c.low_latency_dispatch : c.low_latency_combine;
    case ExchangeKernel::hybrid:
      return dispatch ? c.hybrid_dispatch : c.hybrid_combine;
    case ExchangeKernel::all_to_all:
    case ExchangeKernel::all_gather:
      return {};  // the library's protocols
  }
  throw std::logic_error("an exchange kernel without rates");
}

bool brings_its_own(ExchangeKernel kernel) {
  return kernel != ExchangeKernel::all_to_all && kernel != ExchangeKernel::all_gather;
}

bool copies_with_sms(ExchangeKernel kernel) {
  return kernel == ExchangeKernel::deepep_normal || kernel == ExchangeKernel::hybrid;
}

/// Tokens on each node but their own.
double relayed_tokens(const exchange::ExchangeLoad& load, const ExchangeGroup& group) {
  double sum = 0;
  for (int source = 0; source < group.gpus(); ++source)
    for (int node = 0; node < group.nodes(); ++node)
      if (node != group.node_of(source)) sum += load.tokens_to_node[std::size_t(source * group.nodes() + node)];
  return sum;
}
}  // namespace

Collective gathering(ExchangeDirection direction) {
  return direction == ExchangeDirection::dispatch ? Collective::all_gather : Collective::reduce_scatter;
}

ExchangeMix mix_of(const exchange::ExchangeLoad& load, const ExchangeGroup& group, ExchangeKernel kernel) {
  ExchangeMix mix;
  mix.slots = load.slots;
  if (kernel == ExchangeKernel::all_to_all)
    find_fullest(
        group, [&](int from, int to) { return load.rows_to_gpu[std::size_t(from * group.gpus() + to)]; }, mix);
  mix.sent = double(load.tokens);
  for (int gpu = 0; gpu < group.gpus() && kernel == ExchangeKernel::deepep_low_latency; ++gpu) {
    double rows = 0;
    for (int source = 0; source < group.gpus(); ++source)
      rows += load.rows_to_gpu[std::size_t(source * group.gpus() + gpu)];
    mix.rows = std::max(mix.rows, rows);
  }
  if (way_of(kernel) != RowWay::relayed) return mix;
  mix.relayed = relayed_tokens(load, group);
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
      group_(&group),
      which_(spec.kernel),
      direction_(spec.direction),
      over_nics_(group.nodes() > 1 || (!spec.nvlink && group.topology().has_nics())),
      nvlink_(spec.nvlink || !group.topology().has_nics()),
      sms_(copies_with_sms(spec.kernel) ? spec.sms : 0) {
  check(spec.row.v > 0, "an exchange with rows of {} bytes", spec.row.v);
  check(!copies_with_sms(spec.kernel) || spec.sms > 0, "a {} exchange on {} SMs", name_of(spec.kernel), spec.sms);
  find_lines();
  if (!brings_its_own(spec.kernel)) {
    library_.collectives = calibration.collectives;
    set_shares(1, 1);
    return;
  }
  called_ = kernel.launch;
  if (kernel.row_rate.v > 0) called_ += spec.row / kernel.row_rate;
  if (over_nics_) called_ += kernel.post;
  if (group.nodes() > 1) called_ += kernel.notify + kernel.peer * std::int64_t(group.nodes() - 1);
  fixed = called_;
  const double whole = row + double(kernel.message.v);
  for (const double line : nic_line_) {
    nic.push_back(reached(line * kernel.nic_share, whole));
    nic_work.push_back(line / nic.back());
  }
  for (const double line : nvlink_line_) {
    nvlink.push_back(reached(line * kernel.nvlink_share, whole));
    nvlink_work.push_back(line / nvlink.back());
  }
}

/// What must go around a failed port is paced like the rest: its own line says nothing of the links it will take.
void ExchangeRates::find_lines() {
  Bandwidth best_nic{}, best_nvlink{};
  for (int p = 0; p < group_->ports(); ++p) best_nic = std::max(best_nic, group_->nic_rate(p));
  for (int m = 0; m < group_->gpus(); ++m) best_nvlink = std::max(best_nvlink, group_->nvlink_rate(m));
  const auto line_of = [](Bandwidth own, Bandwidth best) { return own.v > 0 ? own.v : best.v; };
  for (int p = 0; p < group_->ports(); ++p) nic_line_.push_back(line_of(group_->nic_rate(p), best_nic));
  for (int m = 0; m < group_->gpus(); ++m) nvlink_line_.push_back(line_of(group_->nvlink_rate(m), best_nvlink));
}

/// Bytes of payload a second: a row is sent at line rate, and the SMs copy so many bytes for it, more or less at the
/// same time.
double ExchangeRates::reached(double line, double copied) const {
  if (sms_ == 0) return line * row / copied;
  if (kernel.sm_rate.v <= 0 || line <= 0) return line;
  const double send = row / line, copy = copied / (kernel.sm_rate.v * sms_);
  const double longest = std::max(send, copy);
  return row / (longest * pow_of(pow_of(send / longest, kernel.overlap) + pow_of(copy / longest, kernel.overlap),
                                 1 / kernel.overlap));
}

void ExchangeRates::carry(const ExchangeMix& mix) {
  if (which_ == ExchangeKernel::all_to_all) return use_library(mix);
  fixed = called_ + kernel.count * std::int64_t(mix.slots) + between_nodes(mix.slots);
  if (sms_ > 0 && kernel.sm_rate.v > 0 && mix.tokens > 0) use_sms(mix);
  if (which_ == ExchangeKernel::deepep_low_latency) send_from_slots(mix);
}

/// A count (of a combine: the flag that all is there) for every slot beyond what NVLink reaches, which the adapter
/// there adds to memory.  Source: DeepEP, csrc/kernels/internode_ll.cu.
Time ExchangeRates::between_nodes(double slots) const {
  if (!over_nics_ || kernel.nic_count.v == 0) return {};
  const int near = nvlink_ ? group_->per_node() : 1;
  return kernel.nic_count * std::int64_t(slots * (group_->gpus() - near) / group_->gpus());
}

/// Low-latency kernels run on as many SMs as there are slots, each with tokens (of a combine: rows) of its own: with
/// few slots most SMs have nothing to send.  Source: DeepEP, csrc/kernels/internode_ll.cu.
void ExchangeRates::send_from_slots(const ExchangeMix& mix) {
  const double sms = std::min(mix.slots, double(group_->topology().cluster().node.gpu.sms));
  sending = {};
  if (sms <= 0) return;
  if (direction_ == ExchangeDirection::dispatch)
    sending = from_seconds(seconds(kernel.pace) * mix.sent / group_->gpus() / sms);
  else if (kernel.sm_rate.v > 0)
    sending = from_seconds(mix.rows * row / (kernel.sm_rate.v * sms));
}

void ExchangeRates::use_sms(const ExchangeMix& mix) {
  const double copied = mix.copies * (row + double(kernel.message.v)) +
                        mix.tokens * (double(kernel.token.v) + kernel.token_rows * row) +
                        mix.relayed * kernel.relay_rows * row;
  const double one = copied / mix.tokens / kernel.sm_rate.v;  // seconds in which one SM handles a token
  const double each = mix.tokens / (double(nvlink_line_.size()) * sms_);
  fixed += from_seconds(one * (kernel.lead + kernel.fill * each / (each + kernel.fill_at)));
  if (mix.crossing <= 0) return;
  for (std::size_t m = 0; m < nvlink.size(); ++m) {
    const bool as_before = m > 0 && nvlink_line_[m] == nvlink_line_[m - 1];
    nvlink[m] = as_before ? nvlink[m - 1] : reached(nvlink_line_[m] * kernel.nvlink_share, copied / mix.crossing);
    nvlink_work[m] = nvlink_line_[m] / nvlink[m];
  }
}

/// The counts first, then every pair at once.  The latency that rows take in the end stands in the protocol's steps.
void ExchangeRates::use_library(const ExchangeMix& mix) {
  const auto slowest = [](const std::vector<double>& lines) { return std::ranges::min(lines); };
  const PairsPlan plan =
      plan_pairs(*group_, library_,
                 {mix.pair * row, mix.nvlink * row / slowest(nvlink_line_), mix.nic * row / slowest(nic_line_)});
  set_shares(plan.protocol.nic_share, plan.protocol.nvlink_share);
  const Time latency = group_->nodes() > 1 ? group_->any_latency() : group_->nvlink_latency();
  fixed = counts(mix.slots) + std::max(Time{}, from_seconds(plan.beside) - latency);
}

void ExchangeRates::set_shares(double nic_share, double nvlink_share) {
  nic = nic_line_, nvlink = nvlink_line_;
  for (double& rate : nic) rate *= nic_share;
  for (double& rate : nvlink) rate *= nvlink_share;
  nic_work.assign(nic.size(), 1 / nic_share);
  nvlink_work.assign(nvlink.size(), 1 / nvlink_share);
}

/// Before a dispatch every member learns what all others send to every slot, 8 bytes each; a combine knows it.  Source:
/// Megatron-Core's and vLLM's dispatchers, which gather torch.int64 counts.
Time ExchangeRates::counts(double slots) {
  if (direction_ == ExchangeDirection::combine || group_->gpus() < 2 || slots <= 0) return {};
  if (counted_ != slots) {
    counted_ = slots;
    counts_ = from_seconds(plan_collective(*group_, library_, Collective::all_gather, CollectiveAlgorithm::best,
                                           8 * slots * group_->gpus())
                               .time);
  }
  return counts_;
}

Time ExchangeRates::gather(double tokens) const {
  if (group_->gpus() < 2 || tokens <= 0) return {};
  return from_seconds(
      plan_collective(*group_, library_, gathering(direction_), CollectiveAlgorithm::best, tokens * row).time);
}
}  // namespace moesim::network
