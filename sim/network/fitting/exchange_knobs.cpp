// Which parameters of exchange kernels are fitted to which rows: those of one node, where only NVLink and SMs count.
#include <algorithm>
#include <cmath>

#include "network/fitting/knobs.h"

namespace moesim::network {
namespace {
using Kernel = NetworkCalibration::Kernel;
using Part = Kernel NetworkCalibration::*;

/// NVLink's rate that normal kernels reach at most: 160 of 200 GB/s.  Source: arXiv:2505.09343, section 4.3.
constexpr double kReached = 0.8;

Knob number(Part part, double Kernel::*field, double most = std::numeric_limits<double>::infinity()) {
  return {[=](const NetworkCalibration& c) { return c.*part.*field; },
          [=](NetworkCalibration& c, double x) { c.*part.*field = x; }, most};
}
Knob time(Part part, Time Kernel::*field) {
  return {[=](const NetworkCalibration& c) { return seconds(c.*part.*field); },
          [=](NetworkCalibration& c, double x) { c.*part.*field = from_seconds(x); }};
}
Knob rate(Part part, Bandwidth Kernel::*field) {
  return {[=](const NetworkCalibration& c) { return (c.*part.*field).v; },
          [=](NetworkCalibration& c, double x) { (c.*part.*field).v = x; }};
}
Knob bytes(Part part, Bytes Kernel::*field) {
  return {[=](const NetworkCalibration& c) { return double((c.*part.*field).v); },
          [=](NetworkCalibration& c, double x) { (c.*part.*field).v = std::int64_t(x); }};
}

/// From 128 experts and 4 choices on, what a low-latency kernel's SMs send holds nobody up.
constexpr int kLeastExperts = 128, kLeastChoices = 4;

FitPart exchange_part(Part part, ExchangeKernel kernel, ExchangeDirection direction) {
  FitPart out;
  const bool normal = kernel == ExchangeKernel::deepep_normal;
  out.belongs = [=](const NetworkRow& row) {
    const auto* e = std::get_if<ExchangeRow>(&row.call);
    return e && !e->notify && e->nodes == 1 && e->spec.kernel == kernel && e->spec.direction == direction &&
           (normal || (e->experts >= kLeastExperts && e->top_k >= kLeastChoices));
  };
  out.knobs = {number(part, &Kernel::nvlink_share, normal ? kReached : 1), time(part, &Kernel::launch),
               bytes(part, &Kernel::message)};
  if (!normal) {
    out.knobs.push_back(rate(part, &Kernel::row_rate));
    out.knobs.push_back(time(part, &Kernel::count));
    return out;
  }
  out.knobs.push_back(rate(part, &Kernel::sm_rate));
  out.knobs.push_back({[=](const NetworkCalibration& c) { return (c.*part).overlap; },
                       [=](NetworkCalibration& c, double x) { (c.*part).overlap = std::max(1.0, x); }});
  out.knobs.push_back(number(part, &Kernel::fill));
  out.knobs.push_back(number(part, &Kernel::fill_at));
  if (direction == ExchangeDirection::dispatch) {
    out.knobs.push_back(bytes(part, &Kernel::token));
  } else {
    out.knobs.push_back(number(part, &Kernel::token_rows));
    out.knobs.push_back(number(part, &Kernel::lead));
  }
  return out;
}
/// Rows of one kernel and direction over several nodes, or of its notify kernel.
std::function<bool(const NetworkRow&)> across(ExchangeKernel kernel, ExchangeDirection direction, bool notify = false) {
  return [=](const NetworkRow& row) {
    const auto* e = std::get_if<ExchangeRow>(&row.call);
    return e && e->notify == notify && e->nodes > 1 && e->spec.kernel == kernel && e->spec.direction == direction;
  };
}

/// What is left to rows over several nodes, and to those with few slots or choices, once the rest is fitted.
std::vector<FitPart> later_parts() {
  using C = NetworkCalibration;
  using enum ExchangeKernel;
  using enum ExchangeDirection;
  std::vector<FitPart> out;
  for (const auto& [direction, part] :
       {std::pair(dispatch, &C::normal_dispatch), std::pair(combine, &C::normal_combine)}) {
    out.push_back({across(deepep_normal, direction), {number(part, &Kernel::relay_rows)}});
    out.push_back({across(deepep_normal, direction, true), {time(part, &Kernel::notify)}});
  }
  out.push_back({across(deepep_low_latency, dispatch), {time(&C::low_latency_dispatch, &Kernel::nic_count)}});
  out.push_back({across(deepep_low_latency, combine), {time(&C::low_latency_combine, &Kernel::post)}});
  const auto few = [](ExchangeDirection direction) {
    return [=](const NetworkRow& row) {
      const auto* e = std::get_if<ExchangeRow>(&row.call);
      return e && e->nodes == 1 && e->spec.kernel == deepep_low_latency && e->spec.direction == direction &&
             e->top_k < kLeastChoices;
    };
  };
  out.push_back({few(dispatch), {time(&C::low_latency_dispatch, &Kernel::pace)}});
  out.push_back({few(combine), {rate(&C::low_latency_combine, &Kernel::sm_rate)}});
  return out;
}
}  // namespace

std::vector<FitPart> exchange_parts() {
  constexpr auto kDispatch = ExchangeDirection::dispatch, kCombine = ExchangeDirection::combine;
  std::vector<FitPart> out = {
      exchange_part(&NetworkCalibration::normal_dispatch, ExchangeKernel::deepep_normal, kDispatch),
      exchange_part(&NetworkCalibration::normal_combine, ExchangeKernel::deepep_normal, kCombine),
      exchange_part(&NetworkCalibration::low_latency_dispatch, ExchangeKernel::deepep_low_latency, kDispatch),
      exchange_part(&NetworkCalibration::low_latency_combine, ExchangeKernel::deepep_low_latency, kCombine)};
  for (FitPart& later : later_parts()) out.push_back(std::move(later));
  return out;
}
}  // namespace moesim::network
