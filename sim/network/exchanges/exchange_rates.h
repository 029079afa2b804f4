// What one kernel reaches on one group: line rates, calibration, SMs and the library's protocols put together.
#pragma once
#include <algorithm>
#include <vector>

#include "exchange/exchange_load.h"
#include "exchange/fan_out.h"
#include "network/calibration.h"
#include "network/groups/exchange_group.h"

namespace moesim::network {

enum class Collective;

/// What decides, of one exchange, the rates that it reaches.
struct ExchangeMix {
  double tokens = 0;    // each on every node it reaches
  double copies = 0;    // one of a token for each GPU it reaches, its own among them
  double crossing = 0;  // of them, those that cross NVLink
  double relayed = 0;   // tokens on other nodes than their own
  double slots = 0;     // of the group, whose counts are exchanged
  double sent = 0;      // tokens of all sources
  double rows = 0;      // of the GPU whose experts have most
  // Rows that go straight, all_to_all alone: of the fullest NVLink and adapter, one way, and of the pair with most or
  // that stay with a GPU.
  double nvlink = 0, nic = 0, pair = 0;
};
ExchangeMix mix_of(const exchange::ExchangeLoad& load, const ExchangeGroup& group, ExchangeKernel kernel);
/// Every source sends a member an equal part of what it takes in; of the mean where many are added up.
ExchangeMix mix_of(const exchange::ExchangeSums& sums, const ExchangeGroup& group);

/// Puts into the mix what ports and pairs have at most, where rows(from, to) go straight.
template <class Rows>
void find_fullest(const ExchangeGroup& group, Rows rows, ExchangeMix& mix) {
  const int n = group.gpus();
  const std::size_t members = std::size_t(n), ports = std::size_t(group.ports());
  std::vector<double> out(members), in(members), nic_out(ports), nic_in(ports);
  for (int from = 0; from < n; ++from)
    for (int to = 0; to < n; ++to) {
      const double sent = rows(from, to);
      mix.pair = std::max(mix.pair, sent);
      if (from == to) continue;
      const bool inside = group.node_of(from) == group.node_of(to);
      (inside ? out[std::size_t(from)] : nic_out[std::size_t(group.port(from))]) += sent;
      (inside ? in[std::size_t(to)] : nic_in[std::size_t(group.port(to))]) += sent;
    }
  mix.nvlink = std::max(std::ranges::max(out), std::ranges::max(in));
  mix.nic = std::max(std::ranges::max(nic_out), std::ranges::max(nic_in));
}

/// The rates one kernel reaches on one group.
struct ExchangeRates {
  /// Until carry(): as if rows were all that SMs handle.
  ExchangeRates(const ExchangeGroup& group, const NetworkCalibration& calibration, const ExchangeSpec& spec);
  /// Puts into `fixed` and the rates what SMs spend on this mix, or the protocol that the library takes for it.
  void carry(const ExchangeMix& mix);
  /// What a gather of `tokens` (a scatter of their results) takes in all.
  Time gather(double tokens) const;

  NetworkCalibration::Kernel kernel;
  Time fixed{};                               // before the first byte moves
  Time sending{};                             // then, until SMs have sent all that they can hold up: counts follow it
  double row = 0;                             // bytes of payload
  std::vector<double> nic, nvlink;            // bytes per second of payload, by port and by member
  std::vector<double> nic_work, nvlink_work;  // work (line-rate bytes) per byte of payload

 private:
  void find_lines();
  void use_sms(const ExchangeMix& mix);
  void send_from_slots(const ExchangeMix& mix);
  Time between_nodes(double slots) const;
  void use_library(const ExchangeMix& mix);
  void set_shares(double nic_share, double nvlink_share);
  Time counts(double slots);
  double reached(double line, double copied) const;

  const ExchangeGroup* group_;
  ExchangeKernel which_;
  ExchangeDirection direction_;
  bool over_nics_;                              // something crosses adapters
  bool nvlink_;                                 // inside nodes
  NetworkCalibration library_;                  // its protocols alone; empty for kernels that bring their own
  Time called_{};                               // fixed time of a call, whatever it moves
  int sms_ = 0;                                 // that copy; 0: they never limit
  std::vector<double> nic_line_, nvlink_line_;  // bytes per second, by port and by member
  double counted_ = -1;                         // slots that counts_ is of
  Time counts_{};                               // the library's gather of them
};

/// Which collective a gathered exchange is.
Collective gathering(ExchangeDirection direction);
}  // namespace moesim::network
