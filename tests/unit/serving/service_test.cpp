// The parts of a service by themselves: arrivals, dispatcher, power, the figures of a request.
#include <gtest/gtest.h>

#include "serving/service/faults.h"
#include "serving/service/outcome.h"
#include "serving/service/power.h"

namespace moesim::serving {
namespace {
/// Three requests a second apart; the second has another turn two seconds after its end.
struct Three final : Workload {
  int given = 0;
  std::optional<Request> next() override {
    if (given == 3) return std::nullopt;
    Request out{.row = ++given, .input = 10, .output = 1, .hashes = {}};
    out.arrival = 1_s * given;
    return out;
  }
  std::optional<Request> follow_up(const Request& done, Time end) override {
    if (done.row != 2) return std::nullopt;
    Request out{.row = 4, .input = 20, .output = 1, .hashes = {}};
    out.arrival = end + 2_s;
    return out;
  }
};

TEST(Arrivals, NumbersRequestsAndTurnsInTheOrderInWhichTheyCome) {
  Engine engine;
  Three workload;
  std::vector<std::pair<std::int64_t, std::int64_t>> seen;  // number, row
  Arrivals* self = nullptr;
  Arrivals arrivals(engine, workload, [&](std::int64_t id, Request request) {
    seen.emplace_back(id, request.row);
    self->ended(request, true, engine.now());
  });
  self = &arrivals;
  arrivals.start();
  engine.run(2_s);
  EXPECT_TRUE(arrivals.streaming());
  EXPECT_TRUE(arrivals.awaiting_turns());
  engine.run(3_s);
  EXPECT_FALSE(arrivals.streaming());
  engine.run(4_s);
  EXPECT_FALSE(arrivals.awaiting_turns());
  EXPECT_EQ(seen, (std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 1}, {1, 2}, {2, 3}, {3, 4}}));
  EXPECT_EQ(arrivals.count(), 4);
}

struct Silent final : InstanceOwner {
  void finished(std::uint32_t) override {}
  void prefilled(std::uint32_t) override {}
  void fetch(std::uint32_t) override {}
  void homeless(std::uint32_t) override {}
  void stepped(const StepEnd&) override {}
  void token_gap(Time, std::int64_t) override {}
};

/// Steps of a second; counts how often what it had lost came back.
class Restored final : public StepModel {
 public:
  explicit Restored(int& times) : times_(times) {}
  void cost(const StepWork&, StepTimes& out) override { out.stages = {1_s}; }
  void restore() override { ++times_; }

 private:
  int& times_;
};

/// One simulated instance of one rank, which stands for four.
struct House {
  Autoscale scale{};
  Time start_up{};
  int restored = 0;
  Engine engine;
  Requests requests;
  Silent owner;
  std::unique_ptr<Batcher> batcher = batchers().make(Config::from_text("chunked", "batcher"));
  Three workload;
  Fleet fleet{engine, requests, owner, {pool()}, 1};
  Dispatcher dispatcher{fleet, requests, balancers().make(Config::from_text("least_loaded", "b")),
                        balancers().make(Config::from_text("kv_aware", "b"))};
  Arrivals arrivals{engine, workload, [](std::int64_t, Request) {}};
  PowerControl power{engine, fleet, requests, arrivals, dispatcher, 100_s};

  House() = default;
  House(Autoscale curve, Time lead) : scale(std::move(curve)), start_up(lead) {}

  PoolShape pool() {
    PoolShape out;
    out.batcher = batcher.get();
    out.instance.kv.capacity = 1024;
    out.described = 4;
    out.autoscale = scale;
    out.start_up = start_up;
    out.cost = [this](int) { return std::make_unique<Restored>(restored); };
    return out;
  }
  std::uint32_t request(int input, int output) {
    Live live;
    live.target = live.request.input = input;
    live.request.output = output;
    return requests.add(live);
  }
  int sent() const { return fleet[0].instance->load(0).requests; }
};

TEST(Dispatcher, KeepsInTheLobbyWhatNoRankCanTakeNow) {
  House house;
  house.fleet[0].power = PowerState::starting;
  house.dispatcher.send(house.request(100, 10));
  EXPECT_FALSE(house.dispatcher.lobby_empty());
  EXPECT_EQ(house.sent(), 0);
  house.fleet[0].power = PowerState::on;
  house.dispatcher.empty_lobby();
  EXPECT_TRUE(house.dispatcher.lobby_empty());
  EXPECT_EQ(house.sent(), 1);
}

TEST(Fleet, RefusesWhatCanNeverBeServed) {
  const House house;
  EXPECT_EQ(refusal(house.fleet, {.input = 1000, .output = 25, .hashes = {}}, 0), "");  // its last token needs no room
  EXPECT_EQ(refusal(house.fleet, {.input = 1000, .output = 26, .hashes = {}}, 0),
            "is longer than the KV cache can hold");
  EXPECT_EQ(refusal(house.fleet, {.input = 100, .output = 10, .hashes = {}}, 110), "");
  EXPECT_EQ(refusal(house.fleet, {.input = 100, .output = 10, .hashes = {}}, 109), "is longer than the context");
  EXPECT_EQ(refusal(house.fleet, {.input = 0, .output = 10, .hashes = {}}, 0), "has no input tokens");
}

TEST(Power, FoldedInstancesDrawItBesideTheSimulatedOne) {
  House house;
  EXPECT_EQ(house.power.folded_on(0), 3);
  EXPECT_DOUBLE_EQ(house.power.on_time(0, 10_s), 10);
  EXPECT_DOUBLE_EQ(house.power.folded_time(0, 10_s), 30);
}

/// A curve from one of four instances to all and back within 80 s.
Autoscale up_and_down(Time check, bool from_all = false) {
  return {
      .curve = from_all ? std::vector{1.0, 0.25} : std::vector{0.25, 1.0}, .period = 80_s, .start = {}, .check = check};
}

// At t the curve asks for 1 + 3 t / 40 of four, and starting takes five seconds: the third is needed from 13.3 s on and
// switched on at nine, the fourth from 26.7 s and 22.
TEST(Power, FoldedInstancesStartAheadOfTheCurve) {
  House house(up_and_down(1_s), 5_s);
  (void)house.request(10, 10);  // as long as one is there, the curve is followed
  house.power.start();
  EXPECT_EQ(house.power.folded_on(0), 1) << "the second serves from the beginning";
  EXPECT_EQ(house.power.idle_time(0), 0);
  house.engine.run(8_s);
  EXPECT_EQ(house.power.folded_on(0), 1);
  house.engine.run(9_s);
  EXPECT_EQ(house.power.folded_on(0), 2);
  EXPECT_DOUBLE_EQ(house.power.idle_time(0), 5);
  house.engine.run(21_s);
  EXPECT_EQ(house.power.folded_on(0), 2);
  house.engine.run(22_s);
  EXPECT_EQ(house.power.folded_on(0), 3);
  EXPECT_DOUBLE_EQ(house.power.idle_time(0), 10);
  EXPECT_DOUBLE_EQ(house.power.folded_time(0, 22_s), 9 + 2 * 13);
}

// All four at the beginning, two at 30 s while two requests are served, three again at 60 s: of the two folded ones
// that drain one comes back without starting, and the other draws power until both requests have left.
TEST(Power, FoldedInstancesThatDrainComeBackBeforeOthersStart) {
  House house(up_and_down(30_s, true), {});
  house.arrivals.start();
  for (int i = 0; i < 2; ++i) house.dispatcher.send(house.request(10, 400));
  house.power.start();
  house.engine.run(30_s);
  EXPECT_EQ(house.sent(), 2);
  EXPECT_EQ(house.power.folded_on(0), 3);
  house.engine.run(70_s);
  EXPECT_EQ(house.power.folded_on(0), 3);
  const auto leaves = [&](std::int64_t id) {
    Live live;
    live.id = id;
    house.power.left(0, live);
  };
  leaves(0);
  leaves(3);  // came after they were switched off, so another instance's
  EXPECT_EQ(house.power.folded_on(0), 3);
  leaves(1);
  EXPECT_EQ(house.power.folded_on(0), 2);
  EXPECT_DOUBLE_EQ(house.power.idle_time(0), 40);
  EXPECT_DOUBLE_EQ(house.power.folded_time(0, 80_s), 3 * 70 + 2 * 10);
}

// Where nothing is served, nothing drains.
TEST(Power, IdleFoldedInstancesGoOffAtOnce) {
  House house(up_and_down(30_s, true), {});
  (void)house.request(10, 10);
  house.power.start();
  house.engine.run(30_s);
  EXPECT_EQ(house.power.folded_on(0), 1);
}

// A second to notice, five to start: then all ranks are there and all experts where they were.
TEST(Faults, AnInstanceThatStartsAnewHasLostNothing) {
  House house({}, 5_s);
  FaultHandler faults(house.engine, house.fleet, house.dispatcher, nullptr,
                      {{.at = 10_s, .repair = {}, .pool = {}, .answer = FaultAnswer::restart, .detect = 1_s}}, 8);
  faults.start();
  house.engine.run(16_s - Time{1});
  EXPECT_EQ(house.fleet[0].power, PowerState::starting);
  EXPECT_EQ(house.restored, 0);
  house.engine.run(16_s);
  EXPECT_EQ(house.fleet[0].power, PowerState::on);
  EXPECT_EQ(house.restored, 1);
  EXPECT_EQ(faults.reports()[0].answer, "restart");
  EXPECT_EQ(faults.reports()[0].stalled, 6_s);
}

Live ended(Time first, Time last) {
  Live out;
  out.arrival = 10_s;
  out.start = 10_s;
  out.first = first;
  out.last = last;
  out.generated = out.request.output = 11;
  out.request.input = 5;
  return out;
}

TEST(Outcome, ARequestIsGoodWithinEveryTargetAndNotJustBeyond) {
  const Slo slo{.ttft = 1_s, .tpot = 1_s, .e2e = 11_s};
  Outcome o;
  o.add_finished(ended(11_s, 21_s), 0, slo, {});
  EXPECT_EQ(o.kept.good, 1);
  o.add_finished(ended(11_s + Time{1}, 21_s), 0, slo, {});  // the first token
  o.add_finished(ended(11_s, 21_s + Time{1}), 0, slo, {});  // the whole
  o.add_finished(ended(10_s, 21_s), 0, slo, {});            // eleven seconds for ten tokens
  EXPECT_EQ(o.kept.good, 1);
  EXPECT_EQ(o.kept.known, 4);
  EXPECT_EQ(o.flow.good, 1);
  EXPECT_EQ(o.finished, 4);
  EXPECT_EQ(o.ttft.ended.size(), 4u);
}

TEST(Outcome, AnOpenRequestIsLateAsSoonAsItsTargetHasPassedAndUndecidedBefore) {
  const Slo slo{.ttft = 1_s, .tpot = 1_s, .e2e = {}};
  Live waits;
  waits.arrival = 10_s;
  Outcome o;
  o.add_open(waits, -1, 11_s, slo, {});
  EXPECT_EQ(o.undecided, 1);
  EXPECT_EQ(o.kept.known, 0);
  o.add_open(waits, -1, 11_s + Time{1}, slo, {});
  EXPECT_EQ(o.undecided, 1);
  EXPECT_EQ(o.kept.known, 1);
  EXPECT_EQ(o.kept.good, 0);
  EXPECT_EQ(o.ttft.open, (std::vector<float>{1, 1}));
  EXPECT_EQ(o.queue.open, (std::vector<float>{1, 1}));
  // Ten tokens after the first in ten seconds, and more to come: on time so far; in one picosecond more, late.
  Live decodes = ended(11_s, 21_s);
  decodes.started = true;
  decodes.request.output = 100;
  o.add_open(decodes, -1, 22_s, slo, {});
  EXPECT_EQ(o.kept.good, 1);
  EXPECT_EQ(o.ttft.ended, (std::vector<float>{1}));
  EXPECT_EQ(o.tpot.ended, (std::vector<float>{1}));
  EXPECT_EQ(o.e2e.open, (std::vector<float>{1, 1, 12}));
  decodes.last = 21_s + Time{1};
  o.add_open(decodes, -1, 22_s, slo, {});
  EXPECT_EQ(o.kept.good, 1);
  EXPECT_EQ(o.kept.known, 3);
  EXPECT_EQ(o.open, 4);
}

TEST(Outcome, ARejectedRequestHasKeptNoTarget) {
  Outcome o;
  Live live;
  live.arrival = 10_s;
  o.add_arrival(live, 10_s);
  o.add_rejected(live, 10_s, "is too long");
  EXPECT_EQ(o.measured, 1);
  EXPECT_EQ(o.measured_rejected, 1);
  EXPECT_EQ(o.kept.known, 1);
  EXPECT_EQ(o.kept.good, 0);
  o.add_rejected(live, 10_s + Time{1}, "is too long");  // before the warm-up's end
  EXPECT_EQ(o.kept.known, 1);
  EXPECT_EQ(o.rejected, 2);
}

TEST(Outcome, WarmUpHasNoLatenciesAndOutsideNothingButItsNumber) {
  Outcome o;
  o.add_finished(ended(11_s, 21_s), 0, {}, 10_s + Time{1});
  EXPECT_EQ(o.finished, 1);
  EXPECT_EQ(o.output_tokens, 11);
  EXPECT_TRUE(o.e2e.ended.empty());
  Live outside = ended(11_s, 21_s);
  outside.request.outside = true;
  o.add_finished(outside, 0, {}, {});
  EXPECT_EQ(o.finished, 1);
  EXPECT_EQ(o.outside_finished, 1);
  EXPECT_EQ(o.output_tokens, 11);
}
}  // namespace
}  // namespace moesim::serving
