// Unit hardware for the executor: pieces of whole seconds, exchanges that are plain barriers.
#pragma once
#include <numeric>

#include "schedule/executor/executor.h"

namespace moesim::schedule {
/// A group that waits for its last member and then takes `takes`.
class Barrier final : public network::Rendezvous {
 public:
  Barrier(Engine& engine, int members, Time takes, std::function<void(int)> arrived)
      : engine_(engine), left_(members), members_(members), takes_(takes), arrived_(std::move(arrived)) {}
  void join(int) override {
    if (--left_ == 0)
      for (int m = 0; m < members_; ++m) engine_.after(takes_, "barrier", [this, m] { ++told_, arrived_(m); });
  }
  bool finished() const override { return told_ == members_; }

 private:
  Engine& engine_;
  int left_, members_, told_ = 0;
  Time takes_;
  std::function<void(int)> arrived_;
};

/// Every stage has `layers` equal blocks; durations by piece.
struct UnitCosts final : StepCosts {
  explicit UnitCosts(Engine& e) : engine(e) {}
  Engine& engine;
  int layers = 1, members = 1;
  bool moe = false;
  Time exchange_time{}, send_time{}, norm_time{}, optimizer_time{}, reduction_time{}, gather_time{};
  bool overlapped = true, always_reduces = false, always_gathers = false;
  std::array<Time, kPieces> times{}, hosts{};
  bool reads = false;
  int squeeze = 1;  // how many times as long a piece takes beside a collective of data parallelism
  std::function<Time(const PieceRef&, Time)> skew;
  Bytes kept_bytes{}, limit{INT64_MAX};

  int blocks(int) const override { return layers; }
  BlockTraits traits(int, int) const override { return {moe, true}; }
  PieceCost compute(const PieceRef& p) override {
    const Time t = times[std::size_t(p.piece)];
    return {skew ? skew(p, t) : t, {}, hosts[std::size_t(p.piece)]};
  }
  Time squeezed(const PieceRef& p) override { return squeeze * times[std::size_t(p.piece)]; }
  bool host_reads(const PieceRef& p) const override { return reads && p.piece == Piece::dispatch; }
  std::unique_ptr<network::Rendezvous> exchange(const PieceRef&, std::function<void(int)> arrived) override {
    return std::make_unique<Barrier>(engine, members, exchange_time, std::move(arrived));
  }
  void send(const GpuSeat&, int, bool, Action delivered) override { engine.after(send_time, "send", delivered); }
  Bytes kept(const PieceRef& p) override { return p.piece == Piece::attention ? kept_bytes : Bytes{}; }
  Bytes memory() const override { return limit; }
  Time norm() const override { return norm_time; }
  Time optimizer(const GpuSeat&) const override { return optimizer_time; }
  Time reduction(int, int, int) const override { return reduction_time; }
  bool reduction_overlapped() const override { return overlapped; }
  Time gather(int, int, int) const override { return gather_time; }
  bool gather_overlapped() const override { return overlapped; }
  bool reduces_always() const override { return always_reduces; }
  bool gathers_always() const override { return always_gathers; }
};

inline Schedule make(const std::string& kind, int ranks, int micro_batches) {
  const auto policy = pipeline_schedules().make(Config::from_text("schedule: " + kind, "test").at("schedule"));
  return build_schedule(*policy, kind, ranks, micro_batches);
}
inline StepOutcome run(const Schedule& s, UnitCosts& costs, const TemplateSet& templates = block_templates(),
                       int replicas = 1) {
  Executor executor(costs.engine, s, templates, {replicas, costs.members}, costs,
                    [](const GpuSeat& seat) { return GpuId(seat.rank * 100 + seat.member); });
  return executor.run();
}
inline Time sum(const GpuOutcome& g) { return std::accumulate(g.spent.begin(), g.spent.end(), Time{0}); }
}  // namespace moesim::schedule
