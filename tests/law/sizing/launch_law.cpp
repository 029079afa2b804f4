// Commands that start random deployments: no two instances of one node share a GPU or a port.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "core/random.h"
#include "sizing/launch.h"
#include "sizing/places.h"
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
  if (gpus % 2 == 0 && random.below(4) == 0) out.pipeline = 2;
  for (int left = gpus / out.data / out.pipeline; left > 1; left /= 2)
    (random.below(2) == 0 ? out.tensor : out.data) *= 2;
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
    const std::string stages = value_of(line, "--pp-size");
    const int gpus = std::stoi(value_of(line, "--tp-size")) * (stages.empty() ? 1 : std::stoi(stages));
    for (int k = 0; k < gpus; ++k) out.insert(std::stoi(base) + k);
    return out;
  }
  return numbers(value_of(line, "CUDA_VISIBLE_DEVICES"));
}

/// What is taken on each node.
struct Taken {
  std::map<int, std::set<int>> gpus, ports;
  std::map<std::pair<std::size_t, int>, int> of_pool;  // instances of a pool that share a node
  int instances = 0;
  /// each: GPUs of an instance.
  void take(std::size_t pool, const std::set<int>& nodes, const std::string& line, int each, int per_node) {
    std::set<int> own;
    for (int k = 0; each >= per_node && k < per_node; ++k) own.insert(k);
    if (each < per_node) own = gpus_of(line);
    EXPECT_EQ(own.size(), std::size_t(std::min(each, per_node))) << line;
    int nth = 0;
    for (const int node : nodes) {
      const bool first = nth++ % std::max(1, each / per_node) == 0;  // of its instance
      instances += first;
      if (each < per_node) ++of_pool[{pool, node}];
      for (const int gpu : own) {
        EXPECT_TRUE(gpus[node].insert(gpu).second) << "GPU " << gpu << " of node " << node << ": " << line;
        EXPECT_LT(gpu, per_node) << line;
      }
      for (const int port : each < per_node ? ports_of(line) : std::vector<int>{}) {
        EXPECT_TRUE(ports[node].insert(port).second) << "port " << port << " of node " << node << ": " << line;
        EXPECT_LT(port, 65536) << line;
        EXPECT_NE(port, kRouterPort) << line;
      }
    }
  }
};

/// No node has two more instances of a pool than one with room for another.
void expect_spread(const Deployment& d, Taken& taken, const std::string& text) {
  const int per_node = d.node->node.gpus;
  for (std::size_t p = 0; p < d.pools.size(); ++p) {
    const int each = d.pools[p].gpus();
    for (int a = 0; each < per_node && a < d.nodes(); ++a)
      for (int b = 0; b < d.nodes(); ++b)
        if (per_node - int(taken.gpus[b].size()) >= each) {
          EXPECT_LE((taken.of_pool[{p, a}]), (taken.of_pool[{p, b}]) + 1) << "nodes " << a << ", " << b << "\n" << text;
        }
  }
}

/// Who stands in front knows each instance once, and no other.
void expect_router(const Deployment& d, const std::string& text) {
  std::set<std::string> known;
  const std::regex address("NODE[0-9]+:[0-9]+");
  const std::size_t front = text.find("NODE0 the first node");
  const std::string rest = front == std::string::npos ? "" : text.substr(front);
  int named = 0;
  for (auto at = std::sregex_iterator(rest.begin(), rest.end(), address); at != std::sregex_iterator(); ++at)
    known.insert(at->str()), ++named;
  int all = 0;
  for (const int n : d.instances) all += n;
  EXPECT_EQ(named, all > 1 ? all : 0) << text;
  EXPECT_EQ(int(known.size()), named) << text;
}

/// Of instances of several nodes: how they are started fits where the line above says that.
void expect_started(const std::string& where, const std::string& line) {
  const bool once = where.find("nodes: once, ") != std::string::npos;
  EXPECT_EQ(once, line.find("$RANK") == std::string::npos) << where << "\n" << line;
  EXPECT_EQ(once, line.find(" ray") != std::string::npos || line.find("mpirun") != std::string::npos) << line;
}

TEST(Launch, SharesNoGpuAndNoPortOfANode) {
  Plan plan;
  plan.model = spec::load_model("mixtral-8x7b");
  plan.load.input = 1000;
  int sharing = 0, over_nodes = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Random random(seed, "deployment");
    PricedNode node;
    node.node.gpus = one_of(random, {4, 8, 16, 72});
    node.node.gpu.generation = random.below(2) == 0 ? "ampere" : "hopper";
    node.node.gpu.nvlink = {300e9};
    for (const char* engine : {"sglang", "vllm", "trtllm"}) {
      const Deployment d = deployment(random, node, engine);
      const std::string text = launch_text(plan, d);
      Taken taken;
      std::istringstream lines(text);
      std::set<int> nodes;
      std::string header;
      std::size_t pool = 0;
      for (std::string line; std::getline(lines, line);) {
        if (line.find(" of these, on ") != std::string::npos) {
          pool += !header.empty();
          header = line;
        } else if (line.starts_with("# on node")) {
          nodes = numbers(line.substr(line.find(' ', 5)));
        } else if (!nodes.empty() && line.find(" --") != std::string::npos && !line.starts_with("#")) {
          const int each = d.pools[pool].gpus();
          taken.take(pool, nodes, line, each, node.node.gpus);
          if (each > node.node.gpus) ++over_nodes, expect_started(header, line);
          nodes.clear();
        }
      }
      int expected = 0;
      for (const int n : d.instances) expected += n;
      EXPECT_EQ(taken.instances, expected) << "seed " << seed << ": " << text_of(d);
      EXPECT_LE(int(taken.gpus.rbegin()->first), d.nodes() - 1) << text;
      const bool deepep = text.find("--moe-a2a-backend deepep") != std::string::npos;
      EXPECT_TRUE(!deepep || node.node.gpu.generation != "ampere") << text;
      expect_spread(d, taken, text);
      expect_router(d, text);
      sharing += expected;
    }
  }
  EXPECT_GT(sharing, 300);
  EXPECT_GT(over_nodes, 20);
}
}  // namespace
}  // namespace moesim::sizing
