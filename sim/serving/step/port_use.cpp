#include "serving/step/port_use.h"

#include <algorithm>

namespace moesim::serving {
namespace {
constexpr double kMost = 0.5;    // of a port: two sides with data to send share it evenly
constexpr double kLeast = 0.01;  // less is not worth the time
}  // namespace

PortUse::PortUse(const network::ExchangeGroup& group, const network::NetworkCalibration& calibration)
    : nvlink_(group.nodes() == 1) {
  const network::NetworkCalibration::Protocol& bulk = calibration.bulk();
  std::vector<int> users(std::size_t(group.ports()));
  for (int g = 0; g < group.gpus(); ++g) ++users[std::size_t(group.port(g))];
  for (int g = 0; g < group.gpus(); ++g)
    rate_.push_back(nvlink_ ? group.nvlink_rate(g).v * bulk.nvlink_share
                            : group.nic_rate(group.port(g)).v * bulk.nic_share / users[std::size_t(group.port(g))]);
  wanted_.assign(rate_.size(), 0);
}

void PortUse::add(int gpu, double bytes, double seconds) {
  if (rate_.empty() || bytes <= 0) return;
  streams_.push_back({gpu, bytes, seconds > 0 ? bytes / seconds : rate_.at(std::size_t(gpu))});
}

std::span<const PortUse::Left> PortUse::left() {
  left_.clear();
  std::ranges::fill(wanted_, 0.0);
  for (const Stream& s : streams_) wanted_[std::size_t(s.gpu)] += std::min(s.bytes, s.rate * last_);
  for (std::size_t g = 0; g < rate_.size() && !streams_.empty(); ++g) {
    const double share = last_ > 0 ? wanted_[g] / (rate_[g] * last_) : 0;
    if (share >= kLeast) left_.push_back({int(g), 1 - std::min(share, kMost)});
  }
  return left_;
}

void PortUse::stepped(double seconds) {
  for (Stream& s : streams_) {
    const double most = kMost * rate_[std::size_t(s.gpu)] * last_, wanted = wanted_[std::size_t(s.gpu)];
    const double crossed = std::min(s.bytes, s.rate * last_) * (wanted > most ? most / wanted : 1.0);
    s.bytes -= std::min(s.bytes, last_ > 0 ? crossed * std::min(1.0, seconds / last_) : 0);
  }
  std::erase_if(streams_, [](const Stream& s) { return s.bytes < 1; });  // less than a byte
  last_ = seconds;
}
}  // namespace moesim::serving
