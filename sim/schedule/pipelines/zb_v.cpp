#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <tuple>

#include "schedule/pipelines/pipeline.h"

namespace moesim::schedule {
namespace {
/// How the list scheduler chooses among what a rank could start now.
struct Choice {
  int reserve;         // activations left free for the way back when the way out starts another micro-batch
  bool forward_first;  // F before I until the reserve is reached
  bool deep_first;     // the chunk of the way back before that of the way out
};

/// Writes a V schedule by simulating it: each rank always starts the most urgent work that is ready.
class ListScheduler {
 public:
  struct Costs {
    int forward, input, weight;
  };
  ListScheduler(int ranks, int micro_batches, Costs costs, Choice choice)
      : p_(ranks),
        m_(micro_batches),
        costs_(costs),
        choice_(choice),
        limit_(2 * ranks),
        ends_{std::vector<std::int64_t>(std::size_t(2 * p_ * m_), kUnknown),
              std::vector<std::int64_t>(std::size_t(2 * p_ * m_), kUnknown)},
        ranks_(std::size_t(ranks)) {}

  /// False if it got stuck.
  bool run() {
    for (int r = 0; r < p_; ++r) wake_.push({0, r});
    while (!wake_.empty()) {
      const auto [now, r] = wake_.top();
      wake_.pop();
      if (ranks_[std::size_t(r)].free <= now) decide(r, now);
    }
    for (const Rank& rank : ranks_)
      if (int(rank.program.size()) != 6 * m_) return false;
    return true;
  }
  std::int64_t end() const { return end_; }
  std::vector<std::vector<Instruction>> take() {
    std::vector<std::vector<Instruction>> out;
    for (Rank& rank : ranks_) out.push_back(std::move(rank.program));
    return out;
  }

 private:
  static constexpr std::int64_t kUnknown = INT64_MAX;
  struct Rank {
    std::vector<Instruction> program;
    std::array<int, 2> forwards{}, inputs{};
    std::deque<std::pair<int, int>> late;  // (chunk, micro-batch) of weights to do
    int held = 0;
    std::int64_t free = 0;
  };

  int stage(int r, int chunk) const { return chunk == 0 ? r : 2 * p_ - 1 - r; }
  int rank_of(int stage) const { return stage < p_ ? stage : 2 * p_ - 1 - stage; }
  std::int64_t& end_of(bool backward, int stage, int m) {
    return ends_[backward][std::size_t(stage) * std::size_t(m_) + std::size_t(m)];
  }
  std::int64_t forward_ready(int r, int chunk) {
    const int m = ranks_[std::size_t(r)].forwards[std::size_t(chunk)], s = stage(r, chunk);
    if (m >= m_) return kUnknown;
    return s == 0 ? 0 : end_of(false, s - 1, m);
  }
  std::int64_t input_ready(int r, int chunk) {
    const int m = ranks_[std::size_t(r)].inputs[std::size_t(chunk)], s = stage(r, chunk);
    if (m >= m_ || m >= ranks_[std::size_t(r)].forwards[std::size_t(chunk)]) return kUnknown;
    return s == 2 * p_ - 1 ? end_of(false, s, m) : end_of(true, s + 1, m);
  }

  void decide(int r, std::int64_t now) {
    if (choice_.forward_first && try_forward(r, now)) return;
    for (int chunk : {1, 0})
      if (input_ready(r, chunk) <= now) return start_input(r, chunk, now);
    if (!choice_.forward_first && try_forward(r, now)) return;
    if (!ranks_[std::size_t(r)].late.empty()) return start_weight(r, now);
  }
  bool try_forward(int r, std::int64_t now) {
    const int room = limit_ - ranks_[std::size_t(r)].held;
    for (int k = 0; k < 2; ++k) {
      const int chunk = choice_.deep_first ? 1 - k : k;
      if (forward_ready(r, chunk) > now || room < (chunk == 0 ? 1 + choice_.reserve : 1)) continue;
      start_forward(r, chunk, now);
      return true;
    }
    return false;
  }
  void start_forward(int r, int chunk, std::int64_t now) {
    Rank& rank = ranks_[std::size_t(r)];
    const int m = rank.forwards[std::size_t(chunk)]++, s = stage(r, chunk);
    ++rank.held;
    const std::int64_t end = end_of(false, s, m) = now + costs_.forward;
    finish(r, {Op::forward, std::int16_t(chunk), 0, m}, end);
    wake_.push({end, rank_of(std::min(s + 1, 2 * p_ - 1))});
  }
  void start_input(int r, int chunk, std::int64_t now) {
    Rank& rank = ranks_[std::size_t(r)];
    const int m = rank.inputs[std::size_t(chunk)]++, s = stage(r, chunk);
    rank.late.push_back({chunk, m});
    const std::int64_t end = end_of(true, s, m) = now + costs_.input;
    finish(r, {Op::backward_input, std::int16_t(chunk), 0, m}, end);
    if (s > 0) wake_.push({end, rank_of(s - 1)});
  }
  void start_weight(int r, std::int64_t now) {
    Rank& rank = ranks_[std::size_t(r)];
    const auto [chunk, m] = rank.late.front();
    rank.late.pop_front();
    --rank.held;
    finish(r, {Op::weight, std::int16_t(chunk), 0, m}, now + costs_.weight);
  }
  void finish(int r, Instruction instruction, std::int64_t end) {
    Rank& rank = ranks_[std::size_t(r)];
    rank.program.push_back(instruction);
    rank.free = end;
    end_ = std::max(end_, end);
    wake_.push({end, r});
  }

  int p_, m_;
  Costs costs_;
  Choice choice_;
  int limit_;
  std::array<std::vector<std::int64_t>, 2> ends_;  // forward, backward: (stages, micro-batches)
  std::vector<Rank> ranks_;
  std::priority_queue<std::pair<std::int64_t, int>, std::vector<std::pair<std::int64_t, int>>, std::greater<>> wake_;
  std::int64_t end_ = 0;
};

/// Two chunks a rank in a V, weight gradients wherever a rank would wait: the best of a few list schedules.
/// Source of the shape: Qi et al., Zero Bubble Pipeline Parallelism, 2023, section 6 (ZB-V).
class ZbV final : public PipelineSchedule {
 public:
  struct Params {
    int forward = 1, backward_input = 1, weight = 1;
    static void fields(auto& f, auto& p) {
      f("forward", p.forward, "relative cost of F that the schedule is written for");
      f("backward_input", p.backward_input, "of I");
      f("weight", p.weight, "of W");
    }
  };
  explicit ZbV(Params p) : p_(p) {}
  Layout layout() const override { return Layout::wave; }
  int chunks() const override { return 2; }
  std::string refusal(int, int) const override {
    if (p_.forward < 1 || p_.backward_input < 1 || p_.weight < 1)
      return fmt::format("zb_v needs relative costs of at least 1, got {}, {} and {}", p_.forward, p_.backward_input,
                         p_.weight);
    return "";
  }
  std::vector<std::vector<Instruction>> programs(int ranks, int micro_batches) const override {
    std::optional<ListScheduler> best;
    for (bool forward_first : {false, true})
      for (bool deep_first : {true, false})
        for (int reserve = 0; reserve <= ranks; ++reserve) {
          ListScheduler now(ranks, micro_batches, {p_.forward, p_.backward_input, p_.weight},
                            {reserve, forward_first, deep_first});
          if (now.run() && (!best || now.end() < best->end())) best.emplace(std::move(now));
        }
    if (!best) throw std::logic_error("no list schedule of zb_v ends");
    return best->take();
  }
  int in_flight_bound(int ranks, int, int) const override { return 2 * ranks; }

 private:
  Params p_;
};
}  // namespace

Strategy<PipelineSchedule> zb_v_schedule() {
  return strategy<ZbV, PipelineSchedule>("zb_v", "zero bubble: two chunks in a V, weight gradients fill the waits");
}
}  // namespace moesim::schedule
