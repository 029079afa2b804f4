// One instance in closed form: what it holds, and how long its steps take.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>

#include "core/engine.h"
#include "results/results.h"
#include "results/span.h"
#include "serving/deployment/deployment.h"
#include "serving/step/layered_cost.h"
#include "sizing/design.h"

namespace moesim::sizing {

/// What the models of all instances use together, from any thread.  No figure depends on who shares it.
struct SharedParts {
  results::Results notes{std::initializer_list<results::Table>{}};  // what building them writes, and nobody reads
  serving::DrawStore draws;
  /// Of instances on this kind of node with this engine.
  serving::ProductStore& products(const PricedNode& node, const std::string& engine);
  /// Whether the plan's model, one for all, may have as few layers as either: read once.
  bool can_shorten(const Plan& plan, int few, int more);

 private:
  std::once_flag asked_;
  bool shortens_ = false;
  std::mutex mutex_;
  std::map<std::pair<const PricedNode*, std::string>, serving::ProductStore> products_;
};

/// Steps are priced by the same model as simulated ones, on a model of few layers of each kind and drawn out to all of
/// them, or of all layers where fewer cannot be written; with every rank alike, and the hottest experts of one draw.
class UnitModel {
 public:
  /// Throws ConfigError for a design that cannot be built, with the reason.
  UnitModel(const Plan& plan, const PricedNode& node, const std::string& engine, const PoolDesign& design,
            SharedParts& shared);
  ~UnitModel();

  struct Memory {
    double weights = 0, buffers = 0;  // B a GPU
    std::int64_t capacity = 0;        // tokens of KV cache that a rank can hold; 0: not even the weights fit
  };
  /// Of the whole model, where a rank has at most so many requests and computes at most so many tokens of prompts.
  Memory memory(int batch, int tokens);

  /// A step of each rank with so many sequences decoding after `context` tokens, and prompts of `prompt` tokens of
  /// which `tokens` are computed.  s.
  double step(int decoding, double context, int tokens, double prompt, serving::OverlapKind overlap);
  /// The same where one rank has it and the others are idle.  s.
  double lone_step(int decoding, double context, int tokens, double prompt, serving::OverlapKind overlap);

 private:
  struct Built;
  Memory counted(int batch, int tokens);
  using Question = std::tuple<serving::OverlapKind, int, double, int, double, bool>;
  std::unique_ptr<Built> build();
  std::unique_ptr<serving::LayeredCost> cost_under(serving::OverlapKind overlap) const;
  double priced(serving::LayeredCost& cost, int layers, const serving::StepWork& work);
  double answered(const Question& question);
  double computed(const Question& question);

  const Plan& plan_;
  Deployment one_;
  SharedParts& shared_;
  int all_ = 0, few_ = 0, more_ = 0;  // layers
  std::unique_ptr<Built> built_;
  std::map<std::pair<int, int>, Memory> memory_;
  std::map<Question, double> known_;  // s
  std::vector<std::pair<Bytes, Bytes>>
      stages_;  // of the whole model: weights, and a token's KV cache, on a GPU of each
};
}  // namespace moesim::sizing
