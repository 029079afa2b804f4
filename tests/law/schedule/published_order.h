// The order in which the published zero-bubble scheduler has ranks work, from its description.
// Source: Qi et al., Zero Bubble Pipeline Parallelism, 2023, section 3.1 (one chunk a rank) and 6 (two in a V).
#pragma once
#include <algorithm>
#include <deque>
#include <vector>

#include "schedule/pipelines/timing.h"

namespace moesim::schedule::test {

/// Forwards until the first gradient comes, as far as memory allows; then an F and an I in turn, the sooner one where
/// the other is not there; a W into every wait that it fits into, into a shorter one before an F or an I as asked if
/// the rank would else have waited longest of all, and wherever memory is full.
class PublishedOrder {
 public:
  struct Fill {
    bool before_forward = true, before_input = true;
  };
  PublishedOrder(int ranks, int chunks, int micro_batches, int limit, const ScheduleCosts& costs, Fill fill)
      : p_(ranks), chunks_(chunks), m_(micro_batches), limit_(limit), costs_(costs), fill_(fill), ranks_(unsigned(p_)) {
    for (auto* ends : {&forward_, &input_})
      ends->assign(unsigned(p_ * chunks_), std::vector<std::int64_t>(unsigned(m_), kNo));
  }

  /// Empty if it gets stuck.
  std::vector<std::vector<Instruction>> write() {
    for (;;) {
      Next best;
      int of = -1;
      for (int r = 0; r < p_; ++r)
        if (const Next n = next(r); n.at < best.at) best = n, of = r;
      if (of < 0) break;
      commit(of, best);
    }
    std::vector<std::vector<Instruction>> out;
    for (Rank& r : ranks_) {
      if (int(r.program.size()) != 3 * chunks_ * m_) return {};
      out.push_back(std::move(r.program));
    }
    return out;
  }

 private:
  static constexpr std::int64_t kNo = INT64_MAX;
  struct Rank {
    std::vector<Instruction> program;
    int forwards[2] = {0, 0}, inputs[2] = {0, 0}, held = 0;
    std::deque<Instruction> late;
    std::int64_t free = 0, waited = 0;
    bool forward_last = false, warm = true;
  };
  struct Next {
    Op op = Op::forward;
    int chunk = 0;
    std::int64_t at = kNo;
  };
  int stage(int r, int chunk) const { return chunk == 0 ? r : 2 * p_ - 1 - r; }
  int rank_of(int s) const { return s < p_ ? s : 2 * p_ - 1 - s; }
  std::int64_t takes(Op op, int s) const {
    return (costs_.stages.empty() ? costs_.of(op) : costs_.stages[unsigned(s)].of(op)).v;
  }
  std::int64_t come(const std::vector<std::vector<std::int64_t>>& ends, int from, int m, int r) const {
    const std::int64_t end = ends[unsigned(from)][unsigned(m)];
    return end == kNo || rank_of(from) == r ? end : end + costs_.send.v;
  }
  Next forward(int r) const {
    const Rank& x = ranks_[unsigned(r)];
    Next out;
    for (int c = chunks_ - 1; c >= 0; --c) {
      const int m = x.forwards[c], s = stage(r, c);
      // The way back keeps room for what the way out has sent.
      if (m >= m_ || limit_ - x.held < (c == 0 && chunks_ == 2 ? 2 : 1)) continue;
      const std::int64_t at = s == 0 ? 0 : come(forward_, s - 1, m, r);
      if (at != kNo && std::max(at, x.free) < out.at) out = {Op::forward, c, std::max(at, x.free)};
    }
    return out;
  }
  Next input(int r) const {
    const Rank& x = ranks_[unsigned(r)];
    Next out;
    for (int c = chunks_ - 1; c >= 0; --c) {
      const int m = x.inputs[c], s = stage(r, c);
      if (m >= x.forwards[c]) continue;
      const std::int64_t at = s == p_ * chunks_ - 1 ? forward_[unsigned(s)][unsigned(m)] : come(input_, s + 1, m, r);
      if (at != kNo && std::max(at, x.free) < out.at) out = {Op::backward_input, c, std::max(at, x.free)};
    }
    return out;
  }
  Next next(int r) const {
    const Rank& x = ranks_[unsigned(r)];
    const Next f = forward(r), i = input(r);
    Next best = f.at < i.at ? f : i;
    if (f.at != kNo && i.at != kNo && f.at == i.at) best = x.warm || x.forward_last ? i : f;
    if (x.late.empty()) return best;
    const int chunk = x.late.front().chunk;
    const Next w{Op::weight, chunk, x.free};
    if (best.at == kNo) return w;
    const std::int64_t gap = best.at - x.free;
    if (gap >= takes(Op::weight, stage(r, chunk))) return w;
    std::int64_t longest = 0;
    for (const Rank& y : ranks_) longest = std::max(longest, y.waited);
    const bool fills = best.op == Op::forward ? fill_.before_forward : fill_.before_input;
    return gap > 0 && fills && x.waited + gap > longest ? w : best;
  }
  void commit(int r, const Next& n) {
    Rank& x = ranks_[unsigned(r)];
    const int s = stage(r, n.chunk);
    const std::int64_t end = n.at + takes(n.op, s);
    Instruction i{n.op, std::int16_t(n.chunk), 0, 0, 0};
    if (n.op == Op::forward) {
      i.micro_batch = x.forwards[n.chunk]++, ++x.held;
      forward_[unsigned(s)][unsigned(i.micro_batch)] = end;
    } else if (n.op == Op::backward_input) {
      i.micro_batch = x.inputs[n.chunk]++;
      input_[unsigned(s)][unsigned(i.micro_batch)] = end;
      x.late.push_back(i), x.warm = false;
    } else {
      i.micro_batch = x.late.front().micro_batch;
      x.late.pop_front(), --x.held;
    }
    if (n.op != Op::weight) x.forward_last = n.op == Op::forward;
    if (!x.program.empty()) x.waited += n.at - x.free;
    x.program.push_back(i), x.free = end;
  }

  int p_, chunks_, m_, limit_;
  const ScheduleCosts& costs_;
  Fill fill_;
  std::vector<Rank> ranks_;
  std::vector<std::vector<std::int64_t>> forward_, input_;  // (stages) (micro-batches)
};
}  // namespace moesim::schedule::test
