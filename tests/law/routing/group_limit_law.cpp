// Tokens of a gate that limits them to some groups: each expert gets its share, however unequal the groups are.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "core/random.h"
#include "routing/traffic_draw.h"

namespace moesim::routing {
namespace {
TEST(GroupLimit, EveryExpertGetsItsShareAndNoTokenMoreGroupsThanItMay) {
  struct Case {
    GateShape gate;
    double slope;  // how unequal the groups are
  };
  const Case cases[] = {{{256, 8, 8, 4}, 0}, {{256, 8, 8, 4}, 0.8}, {{256, 8, 8, 4}, 1.6},
                        {{160, 6, 8, 3}, 1}, {{64, 4, 4, 1}, 0.5},  {{64, 6, 16, 8}, 0.8}};
  for (std::uint64_t seed = 1; seed <= 3; ++seed)
    for (const auto& [gate, slope] : cases) {
      SCOPED_TRACE(fmt::format("seed {}, {} experts in {} groups, {} used, slope {}", seed, gate.experts, gate.groups,
                               gate.groups_used, slope));
      Random random(seed, "weights");
      const int per_group = gate.experts / gate.groups;
      std::vector<double> weights;
      for (int e = 0; e < gate.experts; ++e)
        weights.push_back(random.log_normal(0, 0.4) * std::pow(e / per_group + 1, -slope));
      const ShareTables tables = share_tables(weights, gate);
      double selected = 0;
      for (const float s : tables.selected) {
        EXPECT_LE(s, 1);
        selected += double(s);
      }
      EXPECT_NEAR(selected, gate.groups_used, 1e-5);
      constexpr int kTokens = 20'000;
      NoiseBits bits(seed, 1, 2, 3);
      std::vector<std::int16_t> choice(std::size_t(gate.top_k));
      std::vector<double> rows(weights.size(), 0.0), groups(std::size_t(gate.groups), 0.0);
      for (int t = 0; t < kTokens; ++t) {
        draw_token(tables, gate, 0, bits, choice);
        std::set<int> experts, used;
        for (const std::int16_t e : choice) {
          experts.insert(e);
          used.insert(e / per_group);
          ++rows[std::size_t(e)];
          ++groups[std::size_t(e / per_group)];
        }
        ASSERT_EQ(int(experts.size()), gate.top_k);
        ASSERT_LE(int(used.size()), gate.groups_used);
      }
      for (std::size_t g = 0; g < groups.size(); ++g) {
        double want = 0;
        for (int i = 0; i < per_group; ++i)
          want += tables.shares[g * std::size_t(per_group) + std::size_t(i)] * kTokens * gate.top_k;
        // Tokens take several rows of a group at once: their number varies by more than a Poisson count's.
        EXPECT_NEAR(groups[g], want, 5 * std::sqrt(want * gate.top_k) + 0.02 * want) << "group " << g;
      }
      for (std::size_t e = 0; e < rows.size(); ++e) {
        const double want = tables.shares[e] * kTokens * gate.top_k;
        EXPECT_NEAR(rows[e], want, 5 * std::sqrt(want) + 0.05 * want + 1) << "expert " << e;
      }
    }
}

TEST(GroupLimit, GroupsWithoutLoadAreChosenOnlyToFillUp) {
  // Only group 2 of 4 has load, and a token uses two groups: all its rows are there.
  const GateShape gate{16, 2, 4, 2};
  std::vector<double> weights(16, 0.0);
  for (std::size_t e = 8; e < 12; ++e) weights[e] = 1;
  const ShareTables tables = share_tables(weights, gate);
  EXPECT_EQ(tables.selected[2], 1);
  NoiseBits bits(1, 2, 3, 4);
  std::vector<std::int16_t> choice(2);
  for (int t = 0; t < 1000; ++t) {
    draw_token(tables, gate, 0, bits, choice);
    for (const std::int16_t e : choice) ASSERT_EQ(e / 4, 2);
  }
}
}  // namespace
}  // namespace moesim::routing
