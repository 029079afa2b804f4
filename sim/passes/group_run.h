// Executes forward passes of an expert-parallel group on the event engine.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/engine.h"
#include "core/log.h"
#include "exchange/exchanger.h"
#include "forward/setup.h"
#include "network/exchanges/exchange.h"
#include "network/network.h"
#include "results/span.h"
#include "routing/traffic.h"
#include "spec/model.h"

namespace moesim::passes {

/// Where one GPU's time went.  busy + exposed + straggling = the time of its passes.
struct GpuTime {
  Time busy{};        // compute stream
  Time exposed{};     // waiting for bytes under way, with nothing to compute
  Time straggling{};  // waiting for slower GPUs of the group to join the exchange
  Time exchanging{};  // an exchange of its own under way, hidden or not
  std::int64_t expert_rows = 0;
};

/// Sums over the steps of one layer.
struct LayerTime {
  Time attention{}, shared{}, experts{}, exchange{};  // means over GPUs, summed over steps
  Time slowest_experts{};                             // of each step's slowest GPU, summed over steps
  double balancedness = 0, imbalance = 0;             // mean/max GPU rows and max/mean - 1, summed over steps
};

class GroupRun {
 public:
  struct Setup {
    const spec::Model& model;
    const network::ExchangeGroup& group;
    compute::KernelCosts& costs;
    network::Network& network;
    results::SpanLog& spans;
    const std::vector<exchange::ExpertMap>& placement;  // one a MoE layer, in order
    std::vector<double> speed;                          // of each GPU
    exchange::ReplicaSpec replica_choice{};
    std::vector<std::vector<double>> copy_shares{};  // (MoE layers, slots): kept instead; empty: none
  };
  struct Phase {
    std::string name;  // prefill, decode
    int steps = 0;
    compute::Batch batch;  // of each GPU
    forward::StepSetup setup;
    const routing::TrafficSource* traffic = nullptr;
  };
  GroupRun(const Setup& setup, const Phase& phase);

  /// Runs the phase's steps from now on, until every GPU is through the last.  Returns false if the user stopped it.
  bool run();

  /// Start and end of each step (first GPU in, last GPU out).
  struct Step {
    Time start{INT64_MAX}, end{};
    double balancedness = 0;
  };
  const std::vector<Step>& steps() const { return steps_; }
  const std::vector<GpuTime>& gpus() const { return gpu_times_; }
  const std::vector<LayerTime>& layers() const { return layer_times_; }
  /// Tokens routed to each expert, (MoE layers, experts), summed over steps.
  const std::vector<std::int64_t>& expert_tokens() const { return expert_tokens_; }
  /// Mean distinct nodes a token is sent to, its own included.
  double nodes_per_token() const { return tokens_ > 0 ? node_copies_ / tokens_ : 0; }

 private:
  enum class Wait : std::uint8_t { nothing, dispatch, combine };
  struct Gpu {
    int step = 0, layer = 0;
    bool dispatched = false, shared_done = false;
    Wait waiting = Wait::nothing;
    Time since{};   // when it began to wait
    Time joined{};  // when it joined the exchange under way
    results::TrackId compute{}, communication{};
  };
  /// One MoE layer of one step: both exchanges and what the experts compute.
  struct LayerPass {
    exchange::ExchangeLoad load;
    std::unique_ptr<network::Rendezvous> dispatch, combine;
    Time dispatch_joined{}, combine_joined{};  // by the last GPU so far
    Time slowest_experts{};
    int left = 0;  // GPUs that have not finished the layer
  };

  void start_layer(int gpu);
  void attention_done(int gpu);
  void shared_done(int gpu);
  void dispatch_arrived(int gpu, int step, int layer);
  void maybe_start_experts(int gpu);
  void experts_done(int gpu);
  void combine_arrived(int gpu);
  void layer_done(int gpu);

  LayerPass& pass_of(int step, int layer);
  void draw(LayerPass& pass, int step, int layer);
  void end_wait(int gpu, Time last_joined);
  /// Of those among `parts` that the layer has.
  Time part_time(int layer, std::initializer_list<compute::LayerPart> parts);
  /// Of the embedding or the head.
  Time outer_time(int layer, compute::LayerPart part);
  Time expert_time(const LayerPass& pass, int gpu, int layer);
  Time scaled(Time t, int gpu) const;
  void compute(int gpu, Time t, Label label, const char* name, Action then);

  Setup s_;
  Phase p_;
  std::vector<Gpu> gpus_;
  std::vector<GpuTime> gpu_times_;
  std::vector<LayerTime> layer_times_;  // by model layer
  std::vector<Step> steps_;
  std::map<std::pair<int, int>, LayerPass> passes_;  // (step, layer) under way
  std::vector<exchange::Exchanger> exchangers_;      // by MoE layer
  routing::Traffic traffic_;
  std::vector<std::int32_t> tokens_of_gpu_;
  std::vector<std::int64_t> expert_tokens_;
  std::vector<compute::Operation> operations_;  // scratch
  std::vector<std::int64_t> rows_;              // scratch
  std::vector<Time> before_, shared_, merge_;   // by model layer: attention and gate, shared expert, merge
  std::vector<int> moe_ordinal_;                // by model layer, -1 for dense
  double node_copies_ = 0, tokens_ = 0;
  std::optional<Progress> progress_;  // while it runs
  std::uint64_t layers_done_ = 0;     // by all GPUs
};
}  // namespace moesim::passes
