#include "cli/listing/sections.h"
#include "compute/kernels/kernel_model.h"
#include "exchange/replica_choice.h"
#include "network/exchanges/exchange_kinds.h"
#include "network/network.h"
#include "numerics/pass/gates.h"
#include "placement/placement.h"
#include "placement/rebalancing/rebalance.h"
#include "routing/traffic.h"
#include "runs/sweeping/design.h"
#include "schedule/pipelines/pipeline.h"
#include "serving/fleet/balancer.h"
#include "serving/instance/batcher.h"
#include "serving/traces/workloads.h"

namespace moesim::cli {

// Each family's own table says what is in it.
std::vector<FamilyHelp> families() {
  // clang-format off: one line a family, so that two additions never meet
  return {
      numerics::gates().help(),        routing::traffics().help(),
      placement::placements().help(),  placement::rebalance_triggers().help(),
      network::networks().help(),      exchange::replica_choices().help(),
      compute::kernel_models().help(), schedule::pipeline_schedules().help(),
      serving::workloads().help(),     serving::batchers().help(),
      serving::balancers().help(),     network::exchange_kinds().help(),
      runs::designs().help(),
  };
  // clang-format on
}
}  // namespace moesim::cli
