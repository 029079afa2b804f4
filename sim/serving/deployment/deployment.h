// Builds what a scenario's `serving` section describes: network, kernels, routing, placements, pools, workload.
#pragma once
#include <algorithm>
#include <memory>
#include <vector>

#include "compute/layers/memory.h"
#include "core/engine.h"
#include "forward/engine.h"
#include "network/network.h"
#include "results/study.h"
#include "serving/deployment/network_use.h"
#include "serving/deployment/section.h"

namespace moesim::serving {

/// How a GPU's memory is divided, once what the scenario leaves open is decided.
struct CacheShare {
  double share = 0.92;
  forward::ShareOf of = forward::ShareOf::all;
  Bytes buffers{};
};

/// A pool as built; instances hold pointers into it.
struct BuiltPool {
  PoolSection section;
  spec::Node node;
  forward::Engine engine;
  bool engine_named = false;  // asked for, instead of the usual one
  std::unique_ptr<Batcher> batcher;
  std::unique_ptr<compute::KernelModel> kernel_model;
  std::unique_ptr<compute::KernelCosts> kernels;  // null: steps of a fixed length
  std::unique_ptr<network::Topology> topology;    // of a pool with nodes of its own
  std::unique_ptr<network::ExchangeGroup> group;  // null: no exchange
  std::vector<std::unique_ptr<routing::TrafficSource>> sources;
  std::vector<exchange::ExpertMap> maps;
  int described = 1;  // instances in the scenario; fewer are simulated under `fold`
  int simulated = 1;
  int slots_per_gpu = 0;
  double fullest = 1;  // rows of the fullest GPU over those of the mean one, in the worst layer as placed
  CacheShare cache;
  std::vector<compute::MemoryItem> buffers;         // on a GPU, beside weights and cache
  Bytes weights{};                                  // on a GPU
  Bytes kv_gpu_token{};                             // bytes of a cached token on one GPU, the fullest stage
  std::int64_t state_tokens = 0;                    // what a request takes besides, in such tokens
  double beyond_window = 1;                         // of them, where sliding-window layers have let go of the token
  std::int64_t capacity = 0;                        // tokens of KV cache of a rank
  std::vector<std::unique_ptr<BuiltPool>> smaller;  // sizes before this one, of a group that grows; else empty
  // By instance, the largest size of each first; empty for fixed steps.
  std::vector<LayeredCost*> costs;
};

struct Deployment {
  spec::Model model;
  bool has_model = false;
  spec::Cluster cluster;
  ServingSection section;
  std::unique_ptr<network::Network> network;  // null without a cluster
  network::NetworkCalibration calibration;
  std::vector<std::unique_ptr<BuiltPool>> pools;
  std::unique_ptr<Workload> workload;
  std::unique_ptr<NetworkUse> use;  // null without a cluster
  ServiceShape shape;
  bool has_prompts() const {
    return std::ranges::any_of(pools, [](const auto& p) { return p->section.role != Role::decode; });
  }
  SharedDraws shared;             // with other deployments
  std::vector<LoadShare> shares;  // of the described load, under `fold`; empty: all of it
  int fold = 1;
};

/// Throws ConfigError for what cannot be built: GPUs that the cluster lacks, weights that do not fit, ...
std::unique_ptr<Deployment> build_deployment(results::StudyRun& run, Engine& engine, const SharedDraws& shared = {});
}  // namespace moesim::serving
