// The relay rule against tokens that are sent one by one, on nodes of one size and not.
#include "exchange/relay.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "core/random.h"
#include "exchange/exchanger.h"
#include "exchange/port_load.h"

namespace moesim::exchange {
namespace {
// Whole nodes, a last node with fewer GPUs, a group smaller than a node, one GPU a node.
const spec::GroupShape kGroups[] = {{16, 4}, {64, 8}, {10, 4}, {9, 8}, {3, 8}, {1, 8}, {5, 1}};

/// Tokens that choose three experts at random, one an expert a GPU.
routing::Traffic random_tokens(const spec::GroupShape& group, int tokens, std::uint64_t seed) {
  Random random(seed, "relay law");
  routing::Traffic t;
  t.tokens.assign(std::size_t(group.gpus), tokens);
  for (int i = 0; i < group.gpus * tokens; ++i) {
    std::set<std::int16_t> chosen;
    while (int(chosen.size()) < std::min(3, group.gpus)) chosen.insert(std::int16_t(random.below(group.gpus)));
    t.choices.insert(t.choices.end(), chosen.begin(), chosen.end());
  }
  routing::count_rows({group.gpus, std::min(3, group.gpus), 1, 1}, t);
  return t;
}
ExchangeLoad load_of(const routing::Traffic& traffic, const spec::GroupShape& group) {
  ExchangeLoad out;
  Exchanger(contiguous_map(group.gpus, group.gpus), group)(traffic, out);
  return out;
}
PortLoad ports_of(const ExchangeLoad& load, const spec::GroupShape& group) {
  PortLoad out(group.gpus);
  out.add(load, group);
  return out;
}
double sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

/// Every token's way in plain words.
PortLoad one_by_one(const routing::Traffic& traffic, const spec::GroupShape& group) {
  PortLoad out(group.gpus);
  auto choice = traffic.choices.begin();
  for (std::size_t source = 0; source < std::size_t(group.gpus); ++source)
    for (int t = 0; t < traffic.tokens[source]; ++t, choice += traffic.gate.top_k) {
      const std::set<std::size_t> gpus(choice, choice + traffic.gate.top_k);  // expert e is on GPU e
      const auto per = std::size_t(group.gpus_per_node);
      for (std::size_t node = 0; node < std::size_t(group.nodes()); ++node) {
        std::vector<std::size_t> here;
        for (const std::size_t g : gpus)
          if (g / per == node) here.push_back(g);
        if (here.empty()) continue;
        std::size_t at = source;  // where the token is on this node
        if (node != source / per) {
          const std::size_t size = std::min(per, std::size_t(group.gpus) - node * per);
          at = node * per + source % per % size;
          ++out.nic_out[source];
          ++out.nic_in[at];
        }
        for (const std::size_t g : here)
          if (g != at) ++out.nvlink_out[at], ++out.nvlink_in[g];
      }
    }
  return out;
}

TEST(RelayLaw, PortsCarryWhatTokensSentOneByOnePutOnThem) {
  for (const spec::GroupShape& group : kGroups)
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      SCOPED_TRACE(fmt::format("{} GPUs, {} a node, seed {}", group.gpus, group.gpus_per_node, seed));
      const routing::Traffic traffic = random_tokens(group, 20, seed);
      const PortLoad got = ports_of(load_of(traffic, group), group), want = one_by_one(traffic, group);
      EXPECT_EQ(got.nic_out, want.nic_out);
      EXPECT_EQ(got.nic_in, want.nic_in);
      EXPECT_EQ(got.nvlink_out, want.nvlink_out);
      EXPECT_EQ(got.nvlink_in, want.nvlink_in);
    }
}

TEST(RelayLaw, EachTokenCrossesOnceForEachOtherNodeItGoesTo) {
  for (const spec::GroupShape& group : kGroups) {
    const ExchangeLoad load = load_of(random_tokens(group, 50, 7), group);
    const PortLoad ports = ports_of(load, group);
    double crossings = double(node_visits(load));
    for (int s = 0; s < group.gpus; ++s)
      crossings -= load.tokens_to_node[std::size_t(s * group.nodes() + group.node_of(s))];
    EXPECT_EQ(sum(ports.nic_out), crossings);
    EXPECT_EQ(sum(ports.nic_in), crossings);
  }
}

TEST(RelayLaw, WhatComesIntoANodeIsHandedOnInIt) {
  for (const spec::GroupShape& group : kGroups) {
    const ExchangeLoad load = load_of(random_tokens(group, 50, 8), group);
    const PortLoad ports = ports_of(load, group);
    for (int node = 0; node < group.nodes(); ++node) {
      double in = 0, out = 0, nic = 0, sent_here = 0;
      for (int g = group.first_of(node); g < group.first_of(node) + group.size_of(node); ++g) {
        in += ports.nvlink_in[std::size_t(g)];
        out += ports.nvlink_out[std::size_t(g)];
        nic += ports.nic_in[std::size_t(g)];
        // A GPU gets all its tokens: over NVLink, or as their relay.
        double tokens = 0, stay = 0;
        for (int s = 0; s < group.gpus; ++s) {
          const double n = load.tokens_to_gpu[std::size_t(s * group.gpus + g)];
          tokens += n;
          if (relay_of(group, s, node) == g) stay += n;
        }
        EXPECT_EQ(ports.nvlink_in[std::size_t(g)] + stay, tokens);
      }
      for (int s = 0; s < group.gpus; ++s)
        if (group.node_of(s) != node) sent_here += load.tokens_to_node[std::size_t(s * group.nodes() + node)];
      EXPECT_EQ(in, out) << "NVLink of node " << node;
      EXPECT_EQ(nic, sent_here) << "adapters of node " << node;
    }
  }
}

TEST(RelayLaw, TokensOfTheOwnNodeTouchNoAdapter) {
  const spec::GroupShape group{10, 4};
  routing::Traffic t;
  t.tokens.assign(10, 1);
  for (int s = 0; s < 10; ++s)  // a neighbour on the same node
    t.choices.push_back(std::int16_t(group.first_of(group.node_of(s)) + (s + 1) % group.size_of(group.node_of(s))));
  routing::count_rows({10, 1, 1, 1}, t);
  const PortLoad ports = ports_of(load_of(t, group), group);
  EXPECT_EQ(ports.busiest_nic(), 0);
  EXPECT_EQ(ports.nvlink_in, std::vector<double>(10, 1));
}

TEST(RelayLaw, EveryWayHasOneRelayAndEveryRelayKnowsWhomItServes) {
  for (const spec::GroupShape& group : kGroups) {
    std::set<std::pair<int, int>> there, back;  // (source, relay)
    for (int s = 0; s < group.gpus; ++s)
      for (int node = 0; node < group.nodes(); ++node) {
        const int relay = relay_of(group, s, node);
        ASSERT_EQ(group.node_of(relay), node);
        ASSERT_LT(relay, group.gpus);
        if (node == group.node_of(s))
          ASSERT_EQ(relay, s);
        else
          there.insert({s, relay});
      }
    int served = 0;
    for (int relay = 0; relay < group.gpus; ++relay) {
      each_relayed(group, relay, [&](int source) { back.insert({source, relay}); });
      served += relayed_sources(group, relay);
    }
    EXPECT_EQ(there, back);
    EXPECT_EQ(served, group.gpus * group.nodes());
  }
}

TEST(RelayLaw, SumsPutOnPortsWhatSourcesThatSendAlikePutOnThem) {
  for (const spec::GroupShape& group : kGroups) {
    const auto gpus = std::size_t(group.gpus), nodes = std::size_t(group.nodes());
    ExchangeLoad load;
    load.gpus = group.gpus;
    load.nodes = group.nodes();
    ExchangeSums sums;
    sums.tokens = 100 * double(gpus);
    for (std::size_t g = 0; g < gpus; ++g) sums.fan_out.gpu_reach.push_back(double(g % 7) / 100);
    for (std::size_t n = 0; n < nodes; ++n) sums.fan_out.node_reach.push_back(double(10 + n % 5) / 100);
    for (std::size_t s = 0; s < gpus; ++s) {
      for (std::size_t g = 0; g < gpus; ++g) load.tokens_to_gpu.push_back(std::int32_t(g % 7));
      for (std::size_t n = 0; n < nodes; ++n) load.tokens_to_node.push_back(std::int32_t(10 + n % 5));
    }
    const PortLoad want = ports_of(load, group);
    PortLoad got(group.gpus);
    got.add(sums, group);
    for (std::size_t g = 0; g < gpus; ++g) {
      EXPECT_NEAR(got.nic_in[g], want.nic_in[g], 1e-9 * sums.tokens);
      EXPECT_NEAR(got.nvlink_in[g], want.nvlink_in[g], 1e-9 * sums.tokens);
    }
    EXPECT_LE(sum(want.nic_out) / double(gpus), want.busiest_nic());
  }
}
}  // namespace
}  // namespace moesim::exchange
