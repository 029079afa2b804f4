// Commands that start random deployments: no two instances of one node share a GPU or a port.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "core/random.h"
#include "sizing/launch.h"
#include "spec/catalogue.h"

namespace moesim::sizing {
namespace {
using serving::Role;

int one_of(Random& random, std::initializer_list<int> values) {
  return *(values.begin() + std::ptrdiff_t(random.below(values.size())));
}

PoolDesign design(Random& random, Role role, int gpus) {
  PoolDesign out{.role = role, .slots = 8, .batch = 32, .tokens = 2048};
  if (gpus == 72) out.data = 9;
  for (int left = gpus / out.data; left > 1; left /= 2) (random.below(2) == 0 ? out.tensor : out.data) *= 2;
  out.experts_tensor = out.data == 1 && random.below(2) == 0;
  return out;
}

Deployment deployment(Random& random, const PricedNode& node, const std::string& engine) {
  Deployment out{&node, engine, {}, {}};
  const bool apart = random.below(2) == 1;
  const std::vector<Role> roles = apart ? std::vector{Role::prefill, Role::decode} : std::vector{Role::both};
  for (const Role role : roles) {
    int gpus = 0;
    do gpus = one_of(random, {1, 2, 4, 8, 16, 72});
    while (std::max(gpus, node.node.gpus) % std::min(gpus, node.node.gpus) != 0);
    out.pools.push_back(design(random, role, gpus));
    out.instances.push_back(one_of(random, {1, 2, 3, 5, 9}));
  }
  return out;
}

std::set<int> numbers(const std::string& list) {
  std::set<int> out;
  std::istringstream in(list);
  for (std::string one; std::getline(in, one, ',');) {
    const std::size_t to = one.find(" to ");
    const int first = std::stoi(one), last = to == std::string::npos ? first : std::stoi(one.substr(to + 4));
    for (int k = first; k <= last; ++k) out.insert(k);
  }
  return out;
}

std::string value_of(const std::string& line, const std::string& key) {
  std::smatch found;
  return std::regex_search(line, found, std::regex("(^| )" + key + "[ =]([0-9,]+)")) ? found[2].str() : "";
}

/// The ports that a command has its instance listen on, those that the engine derives from them too.
std::vector<int> ports_of(const std::string& line) {
  std::vector<int> out;
  const auto add = [&](const std::string& key, int count) {
    if (const std::string value = value_of(line, key); !value.empty())
      for (int k = 0; k < count; ++k) out.push_back(std::stoi(value) + k);
  };
  const bool sglang = line.find("sglang") != std::string::npos;
  if (sglang)  // its handshake, and what DP attention derives (PortArgs)
    for (const int beyond : {0, 13, 233, 234, 235, 236, 237, 238, 239, 240})
      out.push_back(std::stoi(value_of(line, "--port")) + beyond);
  else
    add("--port", 1);
  add("--nccl-port", 1);
  add("--disaggregation-bootstrap-port", 1);
  add("--data-parallel-rpc-port", 1);
  add("VLLM_NIXL_SIDE_CHANNEL_PORT", std::max<int>(1, int(numbers(value_of(line, "CUDA_VISIBLE_DEVICES")).size())));
  return out;
}

std::set<int> gpus_of(const std::string& line) {
  if (const std::string base = value_of(line, "--base-gpu-id"); !base.empty()) {
    std::set<int> out;
    for (int k = 0; k < std::stoi(value_of(line, "--tp-size")); ++k) out.insert(std::stoi(base) + k);
    return out;
  }
  return numbers(value_of(line, "CUDA_VISIBLE_DEVICES"));
}

/// What is taken on each node by the instances that share it.
struct Taken {
  std::map<int, std::set<int>> gpus, ports;
  int instances = 0;
  void take(const std::set<int>& nodes, const std::string& line, int per_node) {
    const std::set<int> own = gpus_of(line);
    EXPECT_FALSE(own.empty()) << line;
    for (const int node : nodes) {
      ++instances;
      for (const int gpu : own) {
        EXPECT_TRUE(gpus[node].insert(gpu).second) << "GPU " << gpu << " of node " << node << ": " << line;
        EXPECT_LT(gpu, per_node) << line;
      }
      for (const int port : ports_of(line)) {
        EXPECT_TRUE(ports[node].insert(port).second) << "port " << port << " of node " << node << ": " << line;
        EXPECT_LT(port, 65536) << line;
      }
    }
  }
};

TEST(Launch, SharesNoGpuAndNoPortOfANode) {
  Plan plan;
  plan.model = spec::load_model("mixtral-8x7b");
  plan.load.input = 1000;
  int sharing = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Random random(seed, "deployment");
    PricedNode node;
    node.node.gpus = one_of(random, {4, 8, 16, 72});
    for (const char* engine : {"sglang", "vllm", "trtllm"}) {
      const Deployment d = deployment(random, node, engine);
      Taken taken;
      int expected = 0;
      for (std::size_t p = 0; p < d.pools.size(); ++p)
        if (d.pools[p].gpus() < node.node.gpus) expected += d.instances[p];
      std::istringstream lines(launch_text(plan, d));
      std::set<int> nodes;
      for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# on node ")) {
          nodes = numbers(line.substr(10));
        } else if (!nodes.empty() && line.find(" --") != std::string::npos && !line.starts_with("#")) {
          taken.take(nodes, line, node.node.gpus);
          nodes.clear();
        }
      }
      EXPECT_EQ(taken.instances, expected) << "seed " << seed << ": " << text_of(d);
      sharing += expected;
    }
  }
  EXPECT_GT(sharing, 300);
}
}  // namespace
}  // namespace moesim::sizing
