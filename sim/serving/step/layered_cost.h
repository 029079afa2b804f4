// The cost of a step layer by layer: attention of the fullest rank, gate, dispatch, experts of the hottest GPU, shared
// expert, combine, under the overlap in force.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "compute/layers/prompt_parts.h"
#include "forward/engine.h"
#include "network/collectives/engine_all_reduce.h"
#include "serving/step/expert_bank.h"
#include "serving/step/overlap.h"
#include "serving/step/parallel.h"
#include "serving/step/part_costs.h"
#include "serving/step/port_use.h"
#include "serving/step/rebalancing.h"
#include "serving/step/slowest_rank.h"
#include "serving/step/speculation.h"
#include "serving/step/step_model.h"

namespace moesim::serving {

class LayeredCost final : public StepModel {
 public:
  struct Setup {
    const spec::Model* model = nullptr;
    compute::KernelCosts* kernels = nullptr;
    const network::Topology* topology = nullptr;  ///< of this instance alone
    network::NetworkCalibration calibration;
    std::string all_reduce;  ///< whose kernels in a node; "": the library's
    Parallel parallel;
    compute::LayerOptions options;
    OverlapKind overlap = OverlapKind::none;
    compute::GpuShare share;  ///< of a GPU that compute has
    forward::HostTime host;   ///< of every step: scheduling, sampling, launch
    SpeculationSpec speculation;
    std::optional<ExpertBank::Setup> experts;
    std::optional<Rebalancing::Setup> rebalancing;  ///< none: the placement stays as it is
  };
  explicit LayeredCost(Setup setup);

  void cost(const StepWork& work, StepTimes& out) override { cost_of_first(s_.model->layers, work, out); }
  /// As if the model had only its first layers.
  void cost_of_first(int layers, const StepWork& work, StepTimes& out);
  void slow_gpu(int gpu, double share) override;
  void slow_link(int gpu, double share) override;
  double set_adapter(int gpu, bool works) override;
  void crosses(int gpu, bool nvlink, Bytes bytes, Time lasts) override;
  double port_busy(bool nvlink) const override;
  Loss lose_gpus(int first, int count, bool mask, bool restart) override;
  void restore() override;
  Time rebalance() override;

  /// What the instance's GPUs have sent each other since the last call.
  struct Sent {
    std::vector<exchange::ExchangeSums> exchanges;               ///< (stages), dispatches and as many combines
    std::map<std::pair<int, std::int64_t>, double> all_reduces;  ///< by place (stage by stage) and tokens: how many
    std::map<std::pair<int, std::int64_t>, double> gathers;      ///< by rank (stage by stage) and bytes: how many
    std::vector<double> hop_tokens;                              ///< (stages x places) that came from the stage before
    std::vector<std::pair<int, placement::ExpertMove>> experts;  ///< stage; GPUs of the stage
  };
  Sent take_sent();
  const Setup& setup() const { return s_; }

  /// Seconds of each layer's pieces, summed over steps: (layers), by Piece.
  const std::vector<std::array<double, 6>>& layer_seconds() const { return layer_seconds_; }
  const std::vector<double>& exposed() const { return exposed_; }
  const std::vector<double>& layer_balance() const { return layer_balance_; }  ///< summed over steps
  std::int64_t steps() const { return steps_; }
  ExpertBank* bank() { return bank_.get(); }
  const Rebalancing* rebalancing() const { return rebalancing_.get(); }

 private:
  void deal_out(const StepWork& work);
  void weigh_sources(const StepWork& work);
  void run_stage(const StepWork& work, int first, int last, StepTimes& out);
  void price_micro_batch(int micro);
  void finish_dense(int micro);
  void add_layer(const StepWork& work, int layer, int micro, StepTimes& out);
  LayerPieces attention_pieces(int layer_class, std::span<const compute::Batch> ranks, SlowestRanks& slowest);
  Time tensor_time(std::int64_t tokens);
  Time hop_time(std::int64_t tokens);
  void set_up_context();
  Time gather_time(Bytes bytes);
  Time keys_time(int layer_class, std::int64_t tokens);
  Time hidden_time(std::int64_t tokens);
  void count_gathers(int stage, int first, int last);
  void set_up_drafts();
  Time mtp_level(std::span<const compute::Batch> ranks, const StepWork& work, int last, double repeats, StepTimes& out);
  Time eagle_level(std::span<const compute::Batch> ranks, std::int64_t outputs, double repeats, StepTimes& out);
  Time draft_time(const StepWork& work, int last, StepTimes& out);
  void set_link(int gpu);
  void count_ranks(int stage, int all_reduces);

  Setup s_;
  PartCosts parts_;
  std::unique_ptr<spec::Model> draft_model_;  // of an EAGLE head
  std::unique_ptr<PartCosts> draft_parts_;
  std::unique_ptr<ExpertBank> bank_;
  PortUse ports_;
  std::unique_ptr<Rebalancing> rebalancing_;
  std::vector<exchange::ExpertMap> original_;
  std::vector<std::vector<double>> original_shares_;  // with them; ExpertBank::Setup::copy_shares
  std::vector<int> ordinal_;                          // of each layer among the MoE layers; -1
  std::vector<int> reduces_;                          // all-reduces of each layer, were heads and networks split
  std::vector<bool> routed_;                          // of each layer class: with routed experts
  Sent sent_;
  struct Counted {
    std::int64_t tokens = -1;
    double* times = nullptr;  // in sent_.all_reduces
  };
  std::vector<Counted> counted_;  // (micro-batches, places of all stages), as of the step before
  std::vector<GpuId> tensor_group_, context_group_;
  std::vector<compute::GatheredKeys> gathered_;                                     // a layer class; of a token
  std::unordered_map<std::int64_t, Time> tensor_times_, hop_times_, gather_times_;  // looked up only
  std::vector<std::array<double, 6>> layer_seconds_;
  std::vector<double> exposed_, layer_balance_, rank_slow_, weights_;
  std::vector<double> slow_link_, adapter_;  // (GPUs of a stage): share of the port's rate; of an adapter's, rerouted
  std::vector<bool> adapter_lost_;           // (GPUs of a stage)
  double exchanging_ = 0, busy_ = 0;         // s of exchanges in the last step; share of it
  std::int64_t steps_ = 0, step_ = 0;
  bool any_slow_ = false;
  // Scratch.
  std::vector<std::vector<compute::Batch>> micro_;  // (micro-batches, places)
  std::vector<double> tokens_, most_;               // (micro-batches): of the whole group; of the fullest GPU
  std::vector<LayerPieces> by_class_;               // (layer classes x micro-batches), without what routing makes
  std::vector<LayerPieces> layers_;
  std::vector<SlowestRanks> slowest_of_;  // as by_class_; of drafts
  std::vector<std::size_t> slowest_;      // ranks that may be so in attention
  double balance_sum_ = 0, balance_count_ = 0;
};

/// How an EAGLE head is computed: in BF16, as it is released.
compute::LayerOptions draft_options(compute::LayerOptions options);
/// One expert's weights in one layer, as stored.
Bytes expert_bytes(const spec::Model& model, const compute::LayerOptions& options);
}  // namespace moesim::serving
