// Which law of load a model's gate gets where nothing is said of its routing.
#include "routing/default_law.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "routing/traffic.h"
#include "spec/catalogue.h"

namespace moesim::routing {
namespace {
spec::Model model(const std::string& name) { return spec::read_model(Config::from_text(name, "test")); }
std::string law_of(const std::string& name) { return std::string(default_law(model(name)).section); }

TEST(DefaultLaw, FollowsHowTheGateIsBalanced) {
  for (const char* name : {"deepseek-v3", "deepseek-r1", "deepseek-v3.2"}) EXPECT_EQ(law_of(name), "{kind: grouped}");
  for (const char* name : {"kimi-k2", "glm-4.5", "glm-5", "minimax-m2.5"})
    EXPECT_EQ(law_of(name), "{kind: grouped, spread: 0.66}") << name;
  for (const char* name : {"qwen3-235b-a22b", "qwen3-30b-a3b", "qwen3-next-80b-a3b", "qwen3.5-397b-a17b"})
    EXPECT_EQ(law_of(name), "{kind: grouped, spread: 0.45}") << name;
  for (const char* name : {"mixtral-8x7b", "gpt-oss-120b", "deepseek-v2-lite", "llama-4-scout"})
    EXPECT_EQ(law_of(name), "{kind: grouped, spread: 0.3, texts_alike: 0}") << name;
  EXPECT_NE(law_of("deepseek-v2").find("slope: 0"), std::string::npos);
}

TEST(DefaultLaw, EachIsALawThatDrawsWithASourceToName) {
  for (const DefaultLaw& law : default_laws()) {
    SCOPED_TRACE(law.section);
    const auto source = make_traffic(Config::from_text(std::string(law.section), "test"), {{64, 4}, {8, 8}, 1, {}});
    std::vector<double> shares(64);
    source->shares(0, 0, shares);
    EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 1, 1e-9);
    EXPECT_GT(*std::ranges::max_element(shares), 1.2 / 64);  // not even
    EXPECT_FALSE(law.source.empty());
    EXPECT_FALSE(law.gate.empty());
    EXPECT_FALSE(law.models.empty());
  }
}

TEST(DefaultLaw, AScenarioThatSaysItsRoutingKeepsIt) {
  const spec::Model mixtral = model("mixtral-8x7b");
  EXPECT_EQ(routing_or_default(Config::from_text("{routing: balanced}", "test"), mixtral).text(), "balanced");
  EXPECT_EQ(routing_or_default(Config::from_text("{title: t}", "test"), mixtral).at("kind").text(), "grouped");
  EXPECT_TRUE(routing_or_default(Config::from_text("{title: t}", "test"), model("llama-2-7b")).keys().empty());
}
}  // namespace
}  // namespace moesim::routing
