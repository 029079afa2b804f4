#include "schedule/pipelines/list_order.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <queue>

namespace moesim::schedule {
namespace {
constexpr std::int64_t kUnknown = INT64_MAX;

/// Writes the programs by simulating them: each rank starts the most urgent work whose input is there.  The rules for W
/// are those of the zero-bubble scheduler: in a wait that is long enough, in a shorter one if the rank waits longest of
/// all, and where memory is full.  Source: Qi et al., Zero Bubble Pipeline Parallelism, 2023, section 3.1.
class ListScheduler {
 public:
  ListScheduler(const ListWork& work, ListChoice choice)
      : w_(work), choice_(choice), ranks_(std::size_t(work.ranks)), waited_(std::size_t(work.ranks)) {
    for (auto& ends : ends_) ends.assign(std::size_t(w_.stages()) * std::size_t(w_.micro_batches), kUnknown);
    for (int r = 0; r < w_.ranks && choice.pace > 0; ++r) {
      std::int64_t busy = 0;
      for (int c = 0; c < w_.chunks; ++c)
        for (const std::int64_t takes : w_.takes[std::size_t(w_.stage(r, c))]) busy += takes;
      pace_ = std::max(pace_, busy / 1000 * choice.pace + busy % 1000 * choice.pace / 1000);
    }
  }

  ListOrder run() {
    for (int r = 0; r < w_.ranks; ++r) wake_.push({0, r});
    while (!wake_.empty()) {
      const auto [now, r] = wake_.top();
      wake_.pop();
      if (rank(r).free <= now) decide(r, now);
    }
    ListOrder out{{}, end_};
    for (Rank& one : ranks_) {
      if (int(one.program.size()) != 3 * w_.chunks * w_.micro_batches) return {};
      out.programs.push_back(std::move(one.program));
    }
    return out;
  }

 private:
  struct Rank {
    std::vector<Instruction> program;
    std::array<int, 2> forwards{}, inputs{};
    std::deque<std::pair<int, int>> late;  // (chunk, micro-batch) of weights to do
    int held = 0;
    bool forward_last = false;
    std::int64_t free = 0;
  };

  Rank& rank(int r) { return ranks_[std::size_t(r)]; }
  std::int64_t& end_of(bool backward, int stage, int m) {
    return ends_[backward][std::size_t(stage) * std::size_t(w_.micro_batches) + std::size_t(m)];
  }
  std::int64_t takes(Op op, int stage) const {
    return w_.takes[std::size_t(stage)][op == Op::forward ? 0 : op == Op::backward_input ? 1 : 2];
  }
  std::int64_t arrival(bool backward, int from, int m, int r) {
    const std::int64_t end = end_of(backward, from, m);
    return end == kUnknown || w_.rank_of(from) == r ? end : end + w_.send;
  }
  std::int64_t forward_ready(int r, int chunk) {
    const int m = rank(r).forwards[std::size_t(chunk)], s = w_.stage(r, chunk);
    if (m >= w_.micro_batches || !has_room(r, chunk)) return kUnknown;
    return s == 0 ? pace_ * m : arrival(false, s - 1, m, r);
  }
  std::int64_t input_ready(int r, int chunk) {
    const int m = rank(r).inputs[std::size_t(chunk)], s = w_.stage(r, chunk);
    if (m >= w_.micro_batches || m >= rank(r).forwards[std::size_t(chunk)]) return kUnknown;
    return s == w_.stages() - 1 ? end_of(false, s, m) : arrival(true, s + 1, m, r);
  }
  bool has_room(int r, int chunk) {
    const int needs = chunk == 0 && w_.chunks == 2 ? 1 + choice_.reserve : 1;
    return w_.limit - rank(r).held >= needs;
  }

  void decide(int r, std::int64_t now) {
    const bool forward_first = choice_.turn == ListChoice::Turn::forward ||
                               (choice_.turn == ListChoice::Turn::alternate && !rank(r).forward_last);
    if (forward_first && try_forward(r, now)) return;
    for (int chunk = w_.chunks - 1; chunk >= 0; --chunk)
      if (input_ready(r, chunk) <= now) return start(r, Op::backward_input, chunk, now);
    if (!forward_first && try_forward(r, now)) return;
    std::int64_t forward = kUnknown, input = kUnknown;
    for (int chunk = 0; chunk < w_.chunks; ++chunk) {
      forward = std::min(forward, forward_ready(r, chunk));
      input = std::min(input, input_ready(r, chunk));
    }
    const std::int64_t next = std::min(forward, input);
    if (!rank(r).late.empty() && fills(r, now, next, forward < input))
      return start(r, Op::weight, rank(r).late.front().first, now);
    if (next != kUnknown) wake_.push({next, r});
  }
  bool try_forward(int r, std::int64_t now) {
    for (int k = 0; k < w_.chunks; ++k) {
      const int chunk = choice_.deep_first ? w_.chunks - 1 - k : k;
      if (forward_ready(r, chunk) > now) continue;
      start(r, Op::forward, chunk, now);
      return true;
    }
    return false;
  }
  bool fills(int r, std::int64_t now, std::int64_t next, bool for_forward) {
    if (choice_.fill == ListChoice::Fill::always || next == kUnknown) return true;
    if (next - now >= takes(Op::weight, w_.stage(r, rank(r).late.front().first))) return true;
    const bool worst = choice_.fill == ListChoice::Fill::worst ||
                       choice_.fill == (for_forward ? ListChoice::Fill::worst_forward : ListChoice::Fill::worst_input);
    return worst && waited_[std::size_t(r)] + next - now > *std::ranges::max_element(waited_);
  }

  void start(int r, Op op, int chunk, std::int64_t now) {
    Rank& one = rank(r);
    const int s = w_.stage(r, chunk);
    const std::int64_t end = now + takes(op, s);
    int m = 0;
    if (op == Op::weight) {
      m = one.late.front().second;
      one.late.pop_front();
      --one.held;
    } else if (op == Op::forward) {
      m = one.forwards[std::size_t(chunk)]++;
      ++one.held;
      end_of(false, s, m) = end;
      if (s + 1 < w_.stages()) tell(s + 1, r, end);
    } else {
      m = one.inputs[std::size_t(chunk)]++;
      one.late.push_back({chunk, m});
      end_of(true, s, m) = end;
      if (s > 0) tell(s - 1, r, end);
    }
    if (op != Op::weight) one.forward_last = op == Op::forward;
    if (!one.program.empty()) waited_[std::size_t(r)] += now - one.free;
    one.program.push_back({op, std::int16_t(chunk), 0, m});
    one.free = end;
    end_ = std::max(end_, end);
    wake_.push({end, r});
  }
  void tell(int stage, int from, std::int64_t end) {
    const int to = w_.rank_of(stage);
    wake_.push({to == from ? end : end + w_.send, to});
  }

  const ListWork& w_;
  ListChoice choice_;
  std::array<std::vector<std::int64_t>, 2> ends_;  // forward, backward: (stages, micro-batches)
  std::vector<Rank> ranks_;
  std::vector<std::int64_t> waited_;
  std::priority_queue<std::pair<std::int64_t, int>, std::vector<std::pair<std::int64_t, int>>, std::greater<>> wake_;
  std::int64_t end_ = 0, pace_ = 0;
};

/// What moves most first: when micro-batches start, and how many activations are left for the way back.
std::vector<ListChoice> coarse_choices(const ListWork& work) {
  std::vector<int> reserves{0};
  for (int r : {1, 2, 3, work.limit / 6, work.limit / 4, work.limit / 3, work.limit / 2, work.limit * 2 / 3})
    if (work.chunks == 2 && r < work.limit && std::ranges::find(reserves, r) == reserves.end()) reserves.push_back(r);
  std::vector<ListChoice> out;
  for (const bool deep : {true, false})
    for (const int pace : {0, 500, 1000, 1020, 1050, 1100, 1200})
      for (const int reserve : reserves)
        if (deep || work.chunks == 2)
          out.push_back({ListChoice::Turn::input, ListChoice::Fill::always, deep, reserve, pace});
  return out;
}
/// The same with every order of F, I and W.
std::vector<ListChoice> fine_choices(const ListChoice& coarse) {
  std::vector<ListChoice> out;
  for (const auto turn : {ListChoice::Turn::input, ListChoice::Turn::alternate, ListChoice::Turn::forward})
    for (const auto fill : {ListChoice::Fill::always, ListChoice::Fill::fits, ListChoice::Fill::worst,
                            ListChoice::Fill::worst_forward, ListChoice::Fill::worst_input})
      out.push_back({turn, fill, coarse.deep_first, coarse.reserve, coarse.pace});
  return out;
}

using Ranking = std::vector<std::pair<std::int64_t, ListChoice>>;
/// Those that end, soonest first, at most `keep`.
Ranking ranked(const ListWork& work, const std::vector<ListChoice>& choices, std::size_t keep) {
  Ranking out;
  for (const ListChoice& choice : choices)
    if (const std::int64_t end = list_order(work, choice).end; end != INT64_MAX) out.push_back({end, choice});
  std::ranges::stable_sort(out, {}, &Ranking::value_type::first);
  if (out.size() > keep) out.resize(keep);
  return out;
}

ListOrder searched(const ListWork& work) {
  // After as many micro-batches the middle of a schedule repeats itself.
  constexpr int kRounds = 6;
  constexpr std::size_t kCoarse = 12, kFinalists = 24;
  ListWork part = work;
  part.micro_batches = std::min(work.micro_batches, kRounds * work.ranks);
  // The published scheduler's own, whatever comes of it with W in any wait.
  std::vector<ListChoice> fine;
  for (const int reserve : {0, 1})
    if (reserve < work.chunks && reserve < work.limit)
      for (const ListChoice& one : fine_choices({.reserve = reserve})) fine.push_back(one);
  for (const auto& [end, choice] : ranked(part, coarse_choices(work), kCoarse))
    for (const ListChoice& one : fine_choices(choice)) fine.push_back(one);
  ListOrder best;
  for (const auto& [end, choice] : ranked(part, fine, part.micro_batches == work.micro_batches ? 1 : kFinalists))
    if (ListOrder now = list_order(work, choice); now.end < best.end) best = std::move(now);
  if (best.programs.empty()) throw std::logic_error("no list schedule ends");
  return best;
}

/// What programs that were written for other times take at those of `work`.
std::int64_t end_at(const ListWork& work, const std::vector<std::vector<Instruction>>& programs) {
  ScheduleCosts costs;
  costs.send = {work.send};
  for (const auto& [forward, input, weight] : work.takes)
    costs.stages.push_back({.forward = {forward}, .backward_input = {input}, .weight = {weight}});
  const Layout layout = work.chunks == 2 ? Layout::wave : Layout::straight;
  return time_schedule({"", layout, work.ranks, work.chunks, work.micro_batches, programs}, costs).end.v;
}
}  // namespace

ListWork list_work(int ranks, int chunks, int micro_batches, int limit, const ScheduleCosts& costs) {
  ListWork out{ranks, chunks, micro_batches, limit, {}, costs.send.v};
  for (int s = 0; s < out.stages(); ++s) {
    const StageCosts* own = costs.stages.empty() ? nullptr : &costs.stages[std::size_t(s)];
    out.takes.push_back(own != nullptr ? std::array{own->forward.v, own->backward_input.v, own->weight.v}
                                       : std::array{costs.forward.v, costs.backward_input.v, costs.weight.v});
  }
  return out;
}

ListOrder list_order(const ListWork& work, const ListChoice& choice) { return ListScheduler(work, choice).run(); }

ListOrder best_order(const ListWork& work) {
  ListOrder best = searched(work);
  ListWork even = work;
  std::int64_t all = 0;
  for (const auto& takes : work.takes) all += takes[0] + takes[1] + takes[2];
  const std::int64_t each = std::max<std::int64_t>(1, all / std::int64_t(3 * work.takes.size()));
  std::ranges::fill(even.takes, std::array{each, each, each});
  if (even.takes == work.takes) return best;
  ListOrder other = searched(even);
  other.end = end_at(work, other.programs);
  return other.end < best.end ? other : best;
}
}  // namespace moesim::schedule
