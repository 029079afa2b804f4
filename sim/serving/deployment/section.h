// The `serving` section of a scenario.
#pragma once
#include <string>
#include <vector>

#include "forward/asked_precision.h"
#include "forward/engine.h"
#include "network/exchanges/exchange.h"
#include "serving/deployment/layout.h"
#include "serving/service/service.h"
#include "serving/step/layered_cost.h"

namespace moesim::serving {

struct KvSection {
  std::optional<double> memory_share{};
  std::optional<forward::ShareOf> share_of{};
  std::optional<Bytes> buffers{};
  std::int64_t capacity = 0;
  int block = 64;
  bool prefix_cache = true;
  Bytes host{}, disk{}, remote{};
  Bandwidth disk_bandwidth = 6_GBps;
  std::optional<Bandwidth> remote_bandwidth{};
  Preemption preemption = Preemption::recompute;
  double watermark = 0.01;
  static void fields(auto& f, auto& p) {
    f("memory_share", p.memory_share,
      "part of the GPU's memory that weights, buffers and KV cache may fill; default: that of the engine asked for, or "
      "0.92 of all");
    f("share_of", p.share_of,
      "all: that part of all memory (vLLM); weights_and_cache: of what is usable, buffers beside it (SGLang); rest: of "
      "what weights and buffers leave, the cache's (TensorRT-LLM)");
    f("buffers", p.buffers,
      "what activations, exchanges, collectives and graphs take on each GPU; default: computed, at least 4 GiB");
    f("capacity", p.capacity, "tokens a rank can hold; 0: what the memory leaves");
    f("block", p.block, "tokens of a page");
    f("prefix_cache", p.prefix_cache, "keeps prompts for requests that begin alike (if the workload says which do)");
    f("host", p.host, "host memory for each GPU's evicted prefixes");
    f("disk", p.disk, "disk space for each GPU's prefixes evicted from there");
    f("disk_bandwidth", p.disk_bandwidth, "from disk to a GPU");
    f("remote", p.remote,
      "space of a store over the network that all instances of the pool write prefixes to and read");
    f("remote_bandwidth", p.remote_bandwidth, "from that store to a GPU; default: its adapter's rate");
    f("preemption", p.preemption, "of the youngest request when the cache is full: recompute or swap");
    f("watermark", p.watermark, "share of the cache that starting requests leave free");
  }
};

/// Equal instances that do the same job.
struct PoolSection {
  std::string name;
  Role role = Role::both;
  int instances = 1;
  Parallel parallel;
  Config engine, batcher, node, placement;
  KvSection kv;
  forward::AskedPrecision precision;
  OverlapKind overlap = OverlapKind::none;
  Config exchange;
  int exchange_sms = 20;
  std::optional<bool> graphs{};
  std::optional<Time> overhead{};
  Time start_up{};
  std::optional<FixedStep> fixed;
  BankSettings bank;
  Autoscale autoscale;
  std::vector<Growth> grow;
  int first_ranks = 0;  // no key: at_its_largest()
  static void fields(auto& f, auto& p) {
    f("name", p.name, "in results; default: its role");
    f("role", p.role, "both, or prefill and decode in pools of their own");
    f("instances", p.instances, "copies of the model");
    f("parallel", p.parallel, "how an instance splits the model");
    f("engine", p.engine,
      "whose kernels and all-reduce it runs where nothing else is asked for: an entry engine-NAME of hardware/; "
      "default: the section's, or sglang");
    f("batcher", p.batcher, "what a rank computes in a step (moesim list batcher); default chunked");
    f("node", p.node, "nodes of this pool, if they are not the cluster's");
    f("placement", p.placement, "of this pool's experts, if it is not the scenario's");
    f("kv", p.kv, "KV cache");
    f("precision", p.precision, "number formats");
    f("overlap", p.overlap, "none, shared_expert, single_batch, two_batch (prefill), five_stage (decode)");
    f("exchange", p.exchange,
      "kernels of dispatch and combine (moesim list exchange), or a map with their parameters; default auto");
    f("exchange_sms", p.exchange_sms, "SMs that deepep_normal or hybrid takes from compute where both overlap");
    f("graphs", p.graphs,
      "small kernels replayed from CUDA graphs; default: in pools that decode, up to the engine's largest batch");
    f("overhead", p.overhead,
      "that every step waits for the host: scheduling, sampling, launch; default: as the engine's host takes");
    f("start_up", p.start_up, "until a new or restarted instance serves");
    f("fixed", p.fixed, "a step costs this instead of being computed layer by layer");
    f("bank", p.bank, "how routing is drawn");
    f("autoscale", p.autoscale, "instances over the day");
    f("grow", p.grow, "ranks that join each instance's group while it serves, from `parallel.data` on");
  }
};

struct RebalanceSection {
  RebalanceSpec spec;
  std::string policy = "eplb";
  Config trigger;
  static void fields(auto& f, auto& p) {
    RebalanceSpec::fields(f, p.spec);
    f("policy", p.policy, "kind of placement (moesim list placement)");
    f("trigger", p.trigger,
      "whether a plan is made when the interval is over: a kind (moesim list rebalance), or a map with its parameters; "
      "default always");
  }
};

struct EnergySection {
  double busy = 0, idle = 0;
  static void fields(auto& f, auto& p) {
    f("busy", p.busy, "share of the board limit drawn in a step; 0: by what bounds its kernels (the GPU's `draw`)");
    f("idle", p.idle, "share drawn between steps; 0: the GPU's");
  }
};

/// Rows that the tables keep.
struct TableLimits {
  std::int64_t requests = 20000, steps = 5000;
  static void fields(auto& f, auto& p) {
    f("requests", p.requests, "rows of the request table, from the first on; rejected requests are always listed");
    f("steps", p.steps, "rows of the step table, from the first on");
  }
};

struct ServingSection {
  Config workload, engine, balancer, decode_balancer;
  Time duration{}, warmup{}, sample{};
  bool drain = true, layerwise_transfer = true;
  std::int64_t context = 0;
  std::vector<PoolSection> pools;
  LayoutKind layout = LayoutKind::packed;
  SpeculationSpec speculation;
  std::vector<Config> domains;
  std::vector<Fault> faults;
  RebalanceSection rebalance;
  Slo slo;
  EnergySection energy;
  TableLimits record;
  std::optional<forward::FrontEnd> front_end{};
  static void fields(auto& f, auto& p) {
    f.required("workload", p.workload, "where requests come from (moesim list workload)");
    f("engine", p.engine, "of pools that name none: sglang, vllm, trtllm or a file");
    f("duration", p.duration, "requests arrive until then; 0 s: until the workload ends");
    f("drain", p.drain, "goes on until the last request has ended; false: stops at the duration");
    f("warmup", p.warmup, "requests that arrive before, and throughput before, are left out of the figures");
    f("sample", p.sample, "interval of the time series; 0 s: a hundredth of the duration");
    f("context", p.context, "longest request, input and output; 0: the model's positions");
    f.required("pools", p.pools, "instances");
    f("layout", p.layout,
      "where instances lie: packed, one pool after the other, or spread, so that a lost node takes as few of a pool as "
      "can be");
    f("balancer", p.balancer, "sends requests to ranks (moesim list balancer); default least_loaded");
    f("decode_balancer", p.decode_balancer, "sends them on from prefill to decode; default kv_aware");
    f("layerwise_transfer", p.layerwise_transfer, "KV caches leave layer by layer during prefill");
    f("speculation", p.speculation, "drafts");
    f("domains", p.domains, "a routing section for each domain of the workload; default: the scenario's for all");
    f("faults", p.faults, "failures and slow parts");
    f("rebalance", p.rebalance, "new placements during the run");
    f("slo", p.slo, "latency targets for goodput");
    f("energy", p.energy, "power over the board limit");
    f("record", p.record, "rows kept");
    f("front_end", p.front_end,
      "what the host does for a request outside of steps; default: as the engine of the first pool that computes "
      "prompts, nothing if that pool states its overhead; {}: nothing");
  }
};
}  // namespace moesim::serving
