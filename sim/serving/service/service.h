// The deployment at work: requests arrive, a balancer sends them to instances, KV caches move, results add up.
#pragma once
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/engine.h"
#include "serving/instance/instance.h"
#include "serving/requests/workload.h"
#include "serving/service/autoscale.h"
#include "serving/service/outcome.h"

namespace moesim {

/// Moves a KV cache from one GPU to another; GPUs are numbered over the whole deployment.
class KvMover {
 public:
  virtual ~KvMover() = default;
  /// slowed: how many times the bytes the links work for it, since they carry exchanges too.
  virtual void move(int from_gpu, int to_gpu, Bytes bytes, double slowed, Action done) = 0;
  /// Bytes that cross beside what is moved, evenly between these moments: counted only.
  virtual void count(int /*from_gpu*/, int /*to_gpu*/, Bytes, Time /*from*/, Time /*until*/) {}
  /// The same between a GPU and instances that are not simulated.
  virtual void count_outside(int /*gpu*/, bool /*out*/, Bytes, Time /*from*/, Time /*until*/) {}
  /// The GPU's adapter works at a share of its rate from now on.
  virtual void slow(int /*gpu*/, double /*share*/) {}
};

/// Equal instances.
struct PoolShape {
  std::string name = "pool";
  Role role = Role::both;
  int instances = 1;
  int tensor = 1;          ///< GPUs of a rank and stage
  int gpus = 1;            ///< of an instance
  int first_gpu = 0;       ///< of the pool's first instance; the others follow
  InstanceShape instance;  ///< its number is filled in
  const Batcher* batcher = nullptr;
  std::function<std::unique_ptr<StepCost>(int instance)> cost;
  Time start_up{};
  bool layerwise_transfer = true;  ///< the KV cache leaves layer by layer during prefill: only the last layer's is late
  Autoscale autoscale;
  int described = 0;  ///< instances that the simulated ones stand for; 0: themselves
  int all() const { return std::max(described, instances); }
};

enum class FaultKind { gpu, nic, node, slow_gpu, slow_link };
template <>
struct EnumNames<FaultKind> {
  static constexpr std::pair<std::string_view, FaultKind> table[] = {{"gpu", FaultKind::gpu},
                                                                     {"nic", FaultKind::nic},
                                                                     {"node", FaultKind::node},
                                                                     {"slow_gpu", FaultKind::slow_gpu},
                                                                     {"slow_link", FaultKind::slow_link}};
};
enum class FaultAnswer { redundancy, mask, replace, restart };
template <>
struct EnumNames<FaultAnswer> {
  static constexpr std::pair<std::string_view, FaultAnswer> table[] = {{"redundancy", FaultAnswer::redundancy},
                                                                       {"mask", FaultAnswer::mask},
                                                                       {"replace", FaultAnswer::replace},
                                                                       {"restart", FaultAnswer::restart}};
};

struct Fault {
  FaultKind kind = FaultKind::gpu;
  Time at{}, repair{};
  std::string pool;
  int instance = 0;  // of the pool
  int gpu = 0;       // of the instance
  double share = 0.5;
  FaultAnswer answer = FaultAnswer::redundancy;
  Time detect = 10_s;
  static void fields(auto& f, auto& p) {
    f("kind", p.kind,
      "gpu, node: lost; nic: lost, its traffic takes a neighbour's adapter, or the GPU is lost if there is none; "
      "slow_gpu, slow_link: work at a share of their rate");
    f.required("at", p.at, "when it happens");
    f("repair", p.repair, "how long until it works again; 0 s means never");
    f("pool", p.pool, "name of the pool; the first one if empty");
    f("instance", p.instance, "of the pool");
    f("gpu", p.gpu, "of the instance");
    f("share", p.share, "of its rate that is left (slow_gpu, slow_link)");
    f("answer", p.answer,
      "to lost experts: redundancy (other copies serve, else as replace), mask (tokens do without), replace (other "
      "GPUs "
      "load them), restart (the whole instance starts anew)");
    f("detect", p.detect, "the instance stands still so long before it answers");
  }
};

struct ServiceShape {
  std::vector<PoolShape> pools;
  std::int64_t context = 0;  ///< longest request, input and output; 0: no limit
  Time duration{INT64_MAX};  ///< no arrivals later; without `drain` the run ends here
  bool drain = true;
  Time warmup{};
  Slo slo;
  std::vector<Fault> faults;
  int gpus_per_node = 8;
  int layers = 1;    ///< of the model, for the layer-wise transfer
  Time sample{};     ///< interval of the time series; 0 s: none
  Time rebalance{};  ///< interval of new placements; 0 s: never
};

/// What a service reports as it goes, to be written or counted.
class ServiceLog {
 public:
  virtual ~ServiceLog() = default;
  struct RequestEnd {
    const Live& live;
    std::string_view state, reason;
  };
  virtual void request(const RequestEnd&) {}
  virtual void step(int /*pool*/, const InstanceOwner::StepEnd&) {}
  struct Sample {
    Time at{};
    int pool = 0, instances = 0, running = 0, waiting = 0;
    double utilisation = 0, kv_share = 0, hit_rate = 0, output_rate = 0;
  };
  virtual void sample(const Sample&) {}
};

/// What happened to one fault.
struct FaultReport {
  Fault fault;
  std::int64_t lost_tokens = 0;  ///< of KV cache that must be computed again
  std::int64_t retried = 0;      ///< requests sent elsewhere
  Time stalled{};                ///< the instance stood still
  double masked_share = 0;       ///< of the token-expert rows that find no expert
  std::string answer;            ///< what was done in the end
};

class Service final : public InstanceOwner {
 public:
  Service(Engine& engine, Workload& workload, const ServiceShape& shape, std::unique_ptr<Balancer> prompts,
          std::unique_ptr<Balancer> decodes, KvMover* mover, ServiceLog& log, std::uint64_t seed);

  /// Runs to the end: the duration, or until the last request has ended.  False if the user stopped it.
  bool run();

  const Outcome& outcome() const { return outcome_; }
  Outcome& outcome() { return outcome_; }
  std::int64_t running() const { return running_; }
  std::int64_t waiting() const { return waiting_; }

  struct PoolTotals {
    Instance::Totals sum;
    double on_time = 0;   ///< seconds of instances switched on
    double all_time = 0;  ///< the same with those that the simulated ones stand for
    double idle = 0;      ///< of these, seconds of folded instances that started up or drained
    double busy = 0;      ///< of these, seconds stepping
    int instances = 0;
    std::array<double, kStepParts> parts{};   ///< seconds of steps by what they waited for
    double balancedness = 0;                  ///< mean over steps, weighted by their time
    double waiting = 0;                       ///< seconds lost to GPUs busier than the mean
    std::int64_t sequences = 0;               ///< summed over steps
    double prompt_time = 0, decode_time = 0;  ///< seconds of steps; of a step with both, by their tokens
    std::vector<float> step_times;
    double kv_peak = 0;
    Instance::Totals warm;  ///< at the end of the warm-up
    double warm_on = 0, warm_all = 0;
  };
  const PoolTotals& pool(std::size_t p) const { return totals_[p]; }
  std::size_t pools() const { return shape_.pools.size(); }
  const PoolShape& pool_shape(std::size_t p) const { return shape_.pools[p]; }
  Instance& instance(std::size_t i) { return *instances_[i].instance; }
  std::size_t instances() const { return instances_.size(); }
  const std::vector<FaultReport>& faults() const { return fault_reports_; }
  Time ended() const { return ended_; }
  std::int64_t live_output_tokens() const { return live_output_; }  ///< generated by requests that did not end
  /// Whether prompts are computed here; else a request's first token comes with it.
  bool has_prompts() const { return prompters_ || mixed_; }
  /// Seconds from the warm-up to the end.
  double measured() const { return seconds(ended_ - std::min(shape_.warmup, ended_)); }
  double warm_share() const {
    return ended_.v > 0 ? 1 - seconds(std::min(shape_.warmup, ended_)) / seconds(ended_) : 1;
  }

  void first_token(std::uint32_t slot) override;
  void finished(std::uint32_t slot) override;
  void prefilled(std::uint32_t slot) override;
  void fetch(std::uint32_t slot) override;
  void homeless(std::uint32_t slot) override;
  void stepped(const StepEnd& step) override;
  void token_gap(Time gap, std::int64_t tokens) override;

 private:
  enum class Power { off, starting, on, draining };
  struct Member {
    std::unique_ptr<Instance> instance;
    std::size_t pool = 0;
    int first_gpu = 0;
    Power power = Power::on;
    Time since{};
  };
  /// Folded instances that were switched off while they served `left` requests, with ids below `before`.
  struct Drain {
    int instances = 0;
    std::int64_t before = 0, left = 0;
    Time since{};
  };
  /// The instances that the simulated ones of a pool stand for.
  struct Twins {
    int serving = 0, powered = 0;  // the others drain
    double seconds = 0;            // of power, until `since`
    Time since{};
    std::vector<Drain> drains;
  };
  /// The ranks that prompts (or that decoding requests) may be sent to.
  struct LoadBoard {
    void build(const std::vector<Member>& instances, const std::vector<PoolShape>& pools, bool decodes);
    void refresh(std::vector<Member>& instances);
    /// True if every rank is up and can ever hold so many tokens.
    bool all_can_take(const std::vector<Member>& instances, std::int64_t tokens) const;
    std::vector<RankLoad> loads;
    std::vector<int> ranks;                        // of each load
    std::vector<std::size_t> members;              // service numbers of the instances
    std::vector<std::vector<std::size_t>> places;  // (members, ranks) in `loads`
    std::int64_t smallest = INT64_MAX;             // KV capacity of a rank
    std::vector<int> changed;                      // scratch
  };
  void next_arrival();
  void arrive(Request request);
  static void come_prefilled(Live& live);
  std::string_view problem(const Request& request) const;
  bool dispatch(std::uint32_t slot);
  void empty_lobby();
  int gpu_of(const Hold& hold, int part = 0, int of = 1) const;
  void count_cache(const Live& live, Bytes flow, Time lasts);
  void count_outside(const Hold& hold, bool out, Bytes bytes, Time from, Time until);
  double share_ports(const Hold& hold, bool nvlink, Bytes bytes, Time lasts);
  void scale(std::size_t pool);
  void start_up(std::size_t member);
  void set_power(Member& member, Power power);
  int simulated_on(std::size_t pool) const;
  double on_time(std::size_t pool, Time now) const;
  double twins_time(std::size_t pool, Time now) const;
  void power_twins(std::size_t pool, int change);
  void drain_twins(std::size_t pool, int count);
  void start_twins(std::size_t pool, int count);
  void left(std::size_t pool, const Live& live);
  void take_sample();
  void rebalance();
  void end_warmup();
  Instance::Totals pool_sum(std::size_t pool) const;
  void fail(std::size_t fault);
  void repair(std::size_t fault);
  void close();
  Member& member_of(const Fault& fault);

  Engine& engine_;
  Workload& workload_;
  ServiceShape shape_;
  std::unique_ptr<Balancer> prompts_, decodes_;
  KvMover* mover_;
  ServiceLog& log_;
  Requests requests_;
  std::vector<Member> instances_;
  std::vector<PoolTotals> totals_;
  std::vector<Twins> twins_;  // by pool
  std::vector<FaultReport> fault_reports_;
  std::vector<std::uint32_t> lobby_;  // requests that no instance can take now
  LoadBoard prompt_board_, decode_board_;
  std::vector<RankLoad> loads_;  // scratch
  std::vector<int> eligible_;    // scratch: places on a board
  Outcome outcome_;
  std::optional<Request> next_;
  std::map<std::int64_t, Request> followers_;
  std::int64_t follower_ = 0, ids_ = 0, live_ = 0, running_ = 0, waiting_ = 0, live_output_ = 0;
  std::vector<Instance::Totals> sampled_;  // per pool, at the last sample
  std::vector<double> sampled_on_;
  Time ended_{};
  bool prompters_ = false, decoders_ = false, mixed_ = false;  // which roles there are
};
}  // namespace moesim
