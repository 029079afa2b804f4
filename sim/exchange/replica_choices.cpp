#include <fmt/format.h>

#include "exchange/replica_kinds.h"

namespace moesim::exchange {

const Family<ReplicaChoice, const ExpertMap&, const spec::GroupShape&>& replica_choices() {
  static const Family<ReplicaChoice, const ExpertMap&, const spec::GroupShape&> family(
      "replica choice", {choose_nearest(), choose_round_robin(), choose_least_loaded(), choose_balanced()});
  return family;
}

ReplicaSpec::ReplicaSpec(const Config& config) : config_(config) {
  make(contiguous_map(1, 1), {1, 1});  // a wrong name or parameter is found now
}

std::unique_ptr<ReplicaChoice> ReplicaSpec::make(const ExpertMap& map, const spec::GroupShape& group) const {
  return config_ ? replica_choices().make(*config_, map, group) : nearest_replica(map, group);
}

bool ReplicaSpec::balanced() const {
  return config_ && (config_->is_scalar() ? config_->text() : config_->at("kind").text()) == "balanced";
}

Time ReplicaSpec::solve_time(bool copies) const {
  BalancedParams out;
  if (!copies || !balanced()) return {};
  if (config_->is_map() && config_->has("solve_time")) config_->at("solve_time").parse(out.solve_time);
  return out.solve_time;
}

bool ReplicaSpec::levels_sums(std::string_view who, bool copies) const {
  if (!config_ || !copies) return false;
  const std::string kind = config_->is_scalar() ? config_->text() : config_->at("kind").text();
  if (kind == "round_robin") return false;
  if (kind == "balanced") return true;
  config_->fail(
      fmt::format("{} does not know which source an expert's rows come from, so its copies share them evenly "
                  "(round_robin) or as levels the GPUs (balanced), got {}",
                  who, kind));
}
}  // namespace moesim::exchange
