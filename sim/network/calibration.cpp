#include "network/calibration.h"

#include <algorithm>

#include "core/files.h"
#include "spec/extend.h"

namespace moesim {
namespace {
void check_share(const Config& config, std::string_view key, double share) {
  if (!(share > 0 && share <= 1)) fail_at(config, key, fmt::format("must lie above 0 and at most at 1, got {}", share));
}
void finish(const Config& config, NetworkCalibration& c, bool) {
  check_share(config, "normal.nvlink_share", c.normal.nvlink_share);
  check_share(config, "normal.nic_share", c.normal.nic_share);
  check_share(config, "low_latency.nvlink_share", c.low_latency.nvlink_share);
  check_share(config, "low_latency.nic_share", c.low_latency.nic_share);
  if (c.collectives.empty()) fail_at(config, "collectives", "must have at least one protocol");
  for (const NetworkCalibration::Protocol& p : c.collectives) {
    check_share(config, "collectives", p.nvlink_share);
    check_share(config, "collectives", p.nic_share);
  }
  if (!(c.normal.forward_tail >= 0 && c.normal.forward_tail <= 1))
    fail_at(config, "normal.forward_tail", fmt::format("must lie between 0 and 1, got {}", c.normal.forward_tail));
}
constexpr EntryKind<NetworkCalibration> kCalibration = {"hardware", "network_calibration",
                                                        [](NetworkCalibration& c) { c.title.clear(); },
                                                        [](const Config&) { return true; }, finish};
}  // namespace

NetworkCalibration load_network_calibration(const std::string& name, const std::string& beside) {
  return name == "none" ? NetworkCalibration{} : load_entry(kCalibration, name, beside);
}

NetworkCalibration network_calibration_for(const std::string& name, const Gpu& gpu, const std::string& beside) {
  if (name != "auto") return load_network_calibration(name, beside);
  const std::vector<std::string> names = catalogue_names("hardware");
  for (const std::string& candidate : {"network-" + gpu.name, std::string("network-h100")})
    if (std::ranges::find(names, candidate) != names.end()) return load_network_calibration(candidate, beside);
  return {};
}
}  // namespace moesim
