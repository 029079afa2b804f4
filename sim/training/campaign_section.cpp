// The section of a whole run, read and checked.
#include <fmt/format.h>

#include "core/range.h"
#include "training/campaign.h"

namespace moesim::training {
namespace {
void check_section(const Config& config, const CampaignSection& s) {
  const auto countable = [&](const std::string& key, double tokens) {
    if (tokens > kMostTokens) config.fail_below(key, fmt::format("expected at most 10^15 tokens, got {}", tokens));
  };
  const auto above_zero = [&](std::string_view key, double value) {
    if (!(value > 0)) config.fail_below(key, fmt::format("expected a number above 0, got {}", value));
  };
  const auto not_negative = [&](std::string_view key, double value) {
    if (!(value >= 0)) config.fail_below(key, fmt::format("expected a number of at least 0, got {}", value));
  };
  above_zero("tokens", s.tokens);
  countable("tokens", s.tokens);
  for (std::size_t i = 0; i < s.phases.size(); ++i) {
    const std::string here = fmt::format("phases[{}].", i);
    within(config, here + "batch", s.phases[i].batch, 1, INT32_MAX);
    within(config, here + "sequence", s.phases[i].sequence, 1, INT32_MAX);
    not_negative(here + "tokens", s.phases[i].tokens);
    countable(here + "tokens", s.phases[i].tokens);
  }
  not_negative("stragglers.gpu_mtbf_hours", s.stragglers.gpu_mtbf_hours);
  above_zero("checkpoint.interval_hours", s.checkpoint.interval_hours);
  not_negative("checkpoint.pause", s.checkpoint.pause);
  not_negative("failures.gpu_mtbf_hours", s.failures.gpu_mtbf_hours);
  not_negative("failures.nic_mtbf_hours", s.failures.nic_mtbf_hours);
  not_negative("failures.node_mtbf_hours", s.failures.node_mtbf_hours);
  not_negative("failures.restart_hours", s.failures.restart_hours);
  not_negative("failures.repair_hours", s.failures.repair_hours);
  not_negative("failures.spare_nodes", s.failures.spare_nodes);
  if (!(s.stragglers.speed > 0 && s.stragglers.speed <= 1))
    config.fail_below("stragglers.speed", fmt::format("expected above 0 and at most 1, got {}", s.stragglers.speed));
  not_negative("stragglers.detect_hours", s.stragglers.detect_hours);
  above_zero("power_share", s.power_share);
  not_negative("ramp.from", s.ramp.from);
  if (!(s.ramp.tokens >= 0 && s.ramp.tokens <= s.tokens))
    config.fail_below("ramp.tokens", fmt::format("expected 0 to the run's {}, got {}", s.tokens, s.ramp.tokens));
  if (s.ramp.from > 0 && s.ramp.tokens == 0)
    config.fail_below("ramp.from", "is no ramp without ramp.tokens, over which the batch grows");
  if (s.ramp.tokens > 0 && s.ramp.from == 0)
    config.fail_below("ramp.tokens", "is no ramp without ramp.from, the sequences of the first steps");
}
}  // namespace

CampaignSection read_campaign(const Config& config) {
  auto out = read<CampaignSection>(config);
  check_section(config, out);
  return out;
}

CampaignSection read_run(const Config& run, double tokens) {
  run.only({"ramp", "phases", "checkpoint", "failures", "stragglers", "power_share"});
  CampaignSection out;
  out.tokens = tokens;
  const auto part = [&](std::string_view key, auto& value) {
    if (run.has(key)) run.at(key).parse(value);
  };
  part("ramp", out.ramp);
  part("phases", out.phases);
  part("checkpoint", out.checkpoint);
  part("failures", out.failures);
  part("stragglers", out.stragglers);
  part("power_share", out.power_share);
  check_section(run, out);
  return out;
}
}  // namespace moesim::training
