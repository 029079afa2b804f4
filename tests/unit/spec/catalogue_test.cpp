#include "spec/catalogue.h"

#include <gtest/gtest.h>

#include "core/paths.h"

namespace moesim::spec {
namespace {
TEST(Catalogue, EveryModelLoads) {
  const std::vector<std::string> names = catalogue_names("models");
  ASSERT_GE(names.size(), 35u);
  for (const std::string& name : names) {
    const Model m = load_model(name);
    EXPECT_EQ(m.name, name);
    EXPECT_TRUE(!m.can_run() || m.layers > 0) << name;
  }
}

TEST(Catalogue, DeepSeekV3HasItsPublishedShape) {
  const Model m = load_model("deepseek-v3");
  EXPECT_EQ(m.hidden, 7168);
  ASSERT_TRUE(m.moe);
  EXPECT_EQ(m.moe->experts, 256);
  EXPECT_EQ(m.moe->selection, Selection::noaux_tc);
  EXPECT_EQ(m.attention.kind, AttentionKind::mla);
  EXPECT_EQ(m.weights, Dtype::fp8);
  const std::vector<int> layers = m.moe_layers();
  EXPECT_EQ(layers.size(), 58u);
  EXPECT_EQ(layers.front(), 3);
}

TEST(Catalogue, AVariantKeepsWhatItDoesNotChange) {
  const Model base = load_model("deepseek-v2"), coder = load_model("deepseek-coder-v2");
  EXPECT_EQ(coder.moe->experts, base.moe->experts);
  EXPECT_EQ(coder.rope.factor, base.rope.factor);
  EXPECT_EQ(base.rope.mscale_all_dim, 0.707);
  EXPECT_EQ(coder.rope.mscale_all_dim, 1);
  EXPECT_NE(coder.title, base.title);
}

TEST(Catalogue, AScenarioWritesOutOrNamesItsCluster) {
  const Config named = Config::from_text("cluster: h800-32", "s.yaml");
  const Cluster a = read_cluster(named.at("cluster"));
  EXPECT_EQ(a.gpus(), 32);
  EXPECT_EQ(a.node.gpu.sms, 132);
  const Config written =
      Config::from_text("cluster: {node: {extends: hgx-h800, nic: 200 Gbps}, nodes: 2, fabric: ib-rail}", "s.yaml");
  const Cluster b = read_cluster(written.at("cluster"));
  EXPECT_EQ(b.gpus(), 16);
  EXPECT_EQ(b.node.nic, 200_Gbps);
  EXPECT_NE(written.resolved().find("cluster.node.gpu.memory_bandwidth: 3.35 TB/s"), std::string::npos);
  EXPECT_NE(written.resolved().find("cluster.fabric.same_leaf_latency: 2.8 us"), std::string::npos);
}
}  // namespace
}  // namespace moesim::spec
