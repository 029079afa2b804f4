// What each pool of a service did in the window that figures are formed of, as figures and as tables.
#pragma once
#include "results/results.h"
#include "serving/deployment/deployment.h"

namespace moesim::serving {

struct PoolFigures {
  double window = 0;        ///< s
  double on = 0, busy = 0;  ///< s of simulated instances; on: with their part of folded ones that start up or drain
  double all = 0;           ///< s of instances, with those folded away
  double prompt = 0, cached = 0, output = 0;  ///< tokens of the simulated instances
  double gpus = 1, nodes = 1;                 ///< of an instance
  double price = 0;                           ///< of a GPU and hour
  double power = 0;                           ///< of a GPU, W, while on: between busy and idle draw
  double input_share = 0;                     ///< of the busy time, spent on prompts

  double fold() const { return on > 0 ? all / on : 0; }  ///< instances that a simulated one stands for
  double gpu_seconds() const { return all * gpus; }      ///< of the whole pool, as the next three
  double cost() const { return gpu_seconds() * price / 3600; }
  double energy() const { return gpu_seconds() * power; }  ///< J
  double input_tokens() const { return prompt * fold(); }
  double output_tokens() const { return output * fold(); }
};
PoolFigures pool_figures(const Deployment& deployment, const Service& service, std::size_t pool);

/// Figures of all pools, or of one: GPUs, money and tokens.
struct Economy {
  double window = 0, gpu_seconds = 0, node_seconds = 0, cost = 0, input = 0, output = 0;
  void add(const PoolFigures& figures);
};
void write_economy(results::Results& results, const Economy& economy, const std::string& scope);

void report_pool(results::Results& results, const Deployment& deployment, const Service& service, std::size_t pool,
                 const PoolFigures& figures);

/// Layer by layer, GPU by GPU and expert by expert, of the pool's first instance.
void report_layers(results::Results& results, const Deployment& deployment, const Service& service, std::size_t pool);

/// mean, p50, ... p999 and count as metrics of their own; none if there is no value, and none that is not known.
void write_quantiles(results::Results& results, std::string_view name, const Quantiles& q, std::string_view unit,
                     std::string_view scope = "run");
/// The whole curve as rows of `latency`; none if nothing has ended.
void write_latency(results::Results& results, std::string_view name, Durations& durations);
/// 0 where b is 0.
double ratio(double a, double b);
std::string scope_of(const PoolShape& pool);
}  // namespace moesim::serving
