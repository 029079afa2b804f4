#include "network/calibration.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/check.h"
#include "core/in_catalogue.h"
#include "spec/extend.h"

namespace moesim::network {
namespace {
void check_share(const Config& config, std::string_view key, double share) {
  if (!(share > 0 && share <= 1))
    spec::fail_at(config, key, fmt::format("must lie above 0 and at most at 1, got {}", share));
}
void check_kernel(const Config& config, const std::string& key, const NetworkCalibration::Kernel& kernel) {
  check_share(config, key + ".nvlink_share", kernel.nvlink_share);
  check_share(config, key + ".nic_share", kernel.nic_share);
  if (!(kernel.forward_tail >= 0 && kernel.forward_tail <= 1))
    spec::fail_at(config, key + ".forward_tail", fmt::format("must lie between 0 and 1, got {}", kernel.forward_tail));
  if (!(kernel.overlap >= 1))
    spec::fail_at(config, key + ".overlap", fmt::format("must be at least 1, got {}", kernel.overlap));
  const std::pair<std::string_view, double> tokens[] = {{"token_rows", kernel.token_rows},
                                                        {"lead", kernel.lead},
                                                        {"fill", kernel.fill},
                                                        {"fill_at", kernel.fill_at},
                                                        {"relay_rows", kernel.relay_rows}};
  for (const auto& [name, value] : tokens)
    if (!(value >= 0))
      spec::fail_at(config, fmt::format("{}.{}", key, name), fmt::format("must be at least 0, got {}", value));
}
void check_protocol(const Config& config, const NetworkCalibration::Protocol& p) {
  check_share(config, "nvlink_share", p.nvlink_share);
  check_share(config, "nic_share", p.nic_share);
  if (p.channels < 1) spec::fail_at(config, "channels", fmt::format("must be at least 1, got {}", p.channels));
  if (!(p.estimate.share >= 0 && p.estimate.share <= 1))
    spec::fail_at(config, "estimate.share", fmt::format("must lie between 0 and 1, got {}", p.estimate.share));
}
void finish(const Config& config, NetworkCalibration& c, bool) {
  check_kernel(config, "normal_dispatch", c.normal_dispatch);
  check_kernel(config, "normal_combine", c.normal_combine);
  check_kernel(config, "low_latency_dispatch", c.low_latency_dispatch);
  check_kernel(config, "low_latency_combine", c.low_latency_combine);
  check_kernel(config, "hybrid_dispatch", c.hybrid_dispatch);
  check_kernel(config, "hybrid_combine", c.hybrid_combine);
  for (const CollectiveShape shape : {CollectiveShape::ring, CollectiveShape::pairs})
    if (std::ranges::none_of(c.collectives, [&](const auto& p) { return NetworkCalibration::serves(p, shape); }))
      spec::fail_at(config, "collectives", fmt::format("must have a protocol of shape {}", name_of(shape)));
  if (config.has("engine_all_reduce")) {
    const std::vector<Config> engines = config.at("engine_all_reduce").items();
    for (std::size_t i = 0; i < engines.size(); ++i)
      check_share(engines[i], "nvlink_share", c.engine_all_reduce[i].nvlink_share);
  }
  if (!config.has("collectives")) return;  // checked in the entry it extends
  const std::vector<Config> written = config.at("collectives").items();
  for (std::size_t i = 0; i < written.size(); ++i) check_protocol(written[i], c.collectives[i]);
}
constexpr spec::EntryKind<NetworkCalibration> kCalibration = {"hardware", "network_calibration",
                                                              [](NetworkCalibration& c) {
                                                                c.title.clear();
                                                                c.borrowed.clear();
                                                              },
                                                              [](const Config&) { return true; }, finish};
/// Whose collectives and exchange kernels stand in for those of a GPU of the same generation.
constexpr std::pair<std::string_view, std::string_view> kOfGeneration[] = {
    {"ampere", "network-a100"}, {"hopper", "network-h100"}, {"blackwell", "network-b200"}};
}  // namespace

const NetworkCalibration::Protocol& NetworkCalibration::bulk() const {
  const auto last = std::find_if(collectives.rbegin(), collectives.rend(),
                                 [](const Protocol& p) { return serves(p, CollectiveShape::pairs); });
  check(last != collectives.rend(), "network calibration {} has no protocol for large messages", name);
  return *last;
}

NetworkCalibration load_network_calibration(const std::string& name, const std::string& beside) {
  return name == "none" ? NetworkCalibration{} : spec::load_entry(kCalibration, name, beside);
}

NetworkCalibration network_calibration_for(const std::string& name, const spec::Gpu& gpu, const std::string& beside) {
  if (name != "auto") return load_network_calibration(name, beside);
  if (in_catalogue("hardware", "network-" + gpu.name)) return load_network_calibration("network-" + gpu.name, beside);
  const auto kin =
      std::ranges::find(kOfGeneration, gpu.generation, &std::pair<std::string_view, std::string_view>::first);
  NetworkCalibration out =
      load_network_calibration(std::string(kin == std::end(kOfGeneration) ? "network-h100" : kin->second), beside);
  out.borrowed = fmt::format("all of {}: nothing was measured on {}", out.name, gpu.name);
  return out;
}
}  // namespace moesim::network
