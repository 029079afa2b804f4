// Sources of traffic of every synthetic kind, for laws that hold for all of them.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "routing/traffic.h"

namespace moesim::test {

constexpr routing::GateShape kV3{256, 8, 8, 4}, kOlmoe{64, 8, 1, 1}, kMixtral{8, 2, 1, 1};

struct TrafficCase {
  routing::GateShape gate;
  spec::GroupShape group;
  int tokens;
};
inline constexpr TrafficCase kTrafficCases[] = {
    {kV3, {16, 8}, 7}, {kV3, {64, 8}, 4096}, {kOlmoe, {4, 4}, 500}, {kMixtral, {8, 8}, 3}, {kMixtral, {2, 8}, 100}};

inline std::unique_ptr<routing::TrafficSource> traffic_of(std::string_view kind, const routing::GateShape& gate,
                                                          const spec::GroupShape& group, std::uint64_t seed = 1) {
  return routing::make_traffic(Config::from_text("kind: " + std::string(kind), "test.yaml"), {gate, group, seed, {}});
}

class EverySource : public ::testing::TestWithParam<std::string_view> {};
inline std::vector<std::string_view> synthetic_kinds() {
  std::vector<std::string_view> out;
  for (const auto& s : routing::traffics().table())
    if (s.kind != "trace") out.push_back(s.kind);
  return out;
}
}  // namespace moesim::test
