// The family `exchange`: which kernels dispatch and combine, as serving, passes and training name them.
#pragma once
#include <optional>
#include <string_view>

#include "core/family.h"
#include "network/groups/exchange_group.h"

namespace moesim::network {

/// What a scenario says of its exchanges.
struct ExchangeChoice {
  std::optional<ExchangeKernel> kernel{};  // none (auto): by what the step computes
  std::optional<int> sms{};                // of kinds that copy with SMs of their caller's choice; none: their default
  bool nvlink = true;                      // deepep_low_latency: NVLink inside the node
};

class ExchangeKind {
 public:
  virtual ~ExchangeKind() = default;
  virtual ExchangeChoice choice() const = 0;
};
const Family<ExchangeKind>& exchange_kinds();

/// Whether its caller says how many SMs copy.
bool takes_sms(ExchangeKernel kernel);
/// SMs that the kernel keeps from compute beside it; asked: by the scenario, else `usual` for deepep_normal.
int sms_of(ExchangeKernel kernel, std::optional<int> asked, int usual);

/// The section's `exchange`: a kind, or a map with its parameters; auto if there is none.  `normal`, `low_latency` and
/// `none` are older names of deepep_normal, deepep_low_latency and auto.
/// sms_key: the section's own key for the SMs of exchanges.  Throws ConfigError for what the kind does not have.
ExchangeChoice read_exchange(const Config& section, std::string_view sms_key, int gpu_sms);
}  // namespace moesim::network
