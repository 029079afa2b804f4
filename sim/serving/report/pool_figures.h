// What each pool of a service did from the warm-up to the end, as figures and as tables.
#pragma once
#include "results/results.h"
#include "serving/deployment/deployment.h"

namespace moesim::serving {

struct PoolFigures {
  double on = 0, busy = 0;  ///< s of simulated instances; on: with their part of folded ones that start up or drain
  double all = 0;           ///< s of instances, with those folded away
  double prompt = 0, cached = 0, decode = 0;  ///< tokens
  double gpus = 1, nodes = 1;                 ///< of an instance
  double price = 0;                           ///< of a GPU and hour
  double power = 0;                           ///< of a GPU, W, while on: between busy and idle draw
  double input_share = 0;                     ///< of the busy time, spent on prompts

  double cost() const { return on * gpus * price / 3600; }  ///< of the simulated instances
  double energy() const { return on * gpus * power; }       ///< J, the same
};
PoolFigures pool_figures(const Deployment& deployment, const Service& service, std::size_t pool);

void report_pool(results::Results& results, const Deployment& deployment, const Service& service, std::size_t pool,
                 const PoolFigures& figures);

/// Layer by layer, GPU by GPU and expert by expert, of the pool's first instance.
void report_layers(results::Results& results, const Deployment& deployment, const Service& service, std::size_t pool);

/// mean, p50, ... p999 as metrics of their own; none if there is no value.
void write_quantiles(results::Results& results, std::string_view name, const Quantiles& q, std::string_view unit,
                     std::string_view scope = "run");
/// 0 where b is 0.
double ratio(double a, double b);
std::string scope_of(const PoolShape& pool);
}  // namespace moesim::serving
