#include <fmt/format.h>

#include <algorithm>

#include "schedule/pipelines/timing.h"

namespace moesim::schedule {
namespace {
/// What one rank's program has done with a (chunk, micro-batch) so far.
enum class Done : std::uint8_t { nothing, forward, input, all };

class RankCheck {
 public:
  RankCheck(const Schedule& schedule, int rank, std::vector<std::string>& problems)
      : s_(schedule),
        rank_(rank),
        problems_(problems),
        done_(std::size_t(s_.chunks) * std::size_t(s_.micro_batches), Done::nothing) {}

  void run() {
    const auto& program = s_.programs[std::size_t(rank_)];
    for (std::size_t i = 0; i < program.size(); ++i) step(program[i], i + 1 == program.size());
    if (program.empty() || program.back().op != Op::optimizer) complain("does not end with O");
    for (int chunk = 0; chunk < s_.chunks; ++chunk)
      for (int m = 0; m < s_.micro_batches; ++m)
        if (mine(chunk, m) && done(chunk, m) != Done::all) unfinished(chunk, m);
  }

 private:
  bool mine(int chunk, int m) const { return s_.layout != Layout::two_way || s_.direction(m) == chunk; }
  Done& done(int chunk, int m) { return done_[std::size_t(chunk) * std::size_t(s_.micro_batches) + std::size_t(m)]; }
  void complain(const std::string& what) { problems_.push_back(fmt::format("rank {} {}", rank_, what)); }
  std::string text(Op op, int chunk, int m) const { return to_text({op, std::int16_t(chunk), 0, m}, s_.chunks); }

  void step(const Instruction& i, bool last) {
    switch (i.op) {
      case Op::forward:
        return expect(i.op, i.chunk, i.micro_batch, Done::nothing, Done::forward);
      case Op::backward:
        return expect(i.op, i.chunk, i.micro_batch, Done::forward, Done::all);
      case Op::backward_input:
        return expect(i.op, i.chunk, i.micro_batch, Done::forward, Done::input);
      case Op::weight:
        return expect(i.op, i.chunk, i.micro_batch, Done::input, Done::all);
      case Op::overlapped:
        expect(Op::forward, i.chunk, i.micro_batch, Done::nothing, Done::forward);
        return expect(Op::backward, i.backward_chunk, i.backward_micro_batch, Done::forward, Done::all);
      case Op::optimizer:
        if (!last) complain("goes on after O");
    }
  }
  void expect(Op op, int chunk, int m, Done before, Done after) {
    if (m < 0 || m >= s_.micro_batches || chunk < 0 || chunk >= s_.chunks)
      return complain(fmt::format("has {}, but there are {} micro-batches and {} chunks", text(op, chunk, m),
                                  s_.micro_batches, s_.chunks));
    if (!mine(chunk, m))
      return complain(fmt::format("has {}, but micro-batch {} goes the other way", text(op, chunk, m), m));
    Done& now = done(chunk, m);
    if (now > before)
      complain(fmt::format("has {} twice", text(op, chunk, m)));
    else if (now < before)
      complain(fmt::format("has {} before {}", text(op, chunk, m),
                           text(before == Done::forward ? Op::forward : Op::backward_input, chunk, m)));
    now = std::max(now, after);
  }
  void unfinished(int chunk, int m) {
    const Done now = done(chunk, m);
    const Op lacks = now == Done::nothing ? Op::forward : now == Done::forward ? Op::backward : Op::weight;
    complain("lacks " + text(lacks, chunk, m));
  }

  const Schedule& s_;
  int rank_;
  std::vector<std::string>& problems_;
  std::vector<Done> done_;
};
}  // namespace

std::vector<int> peak_in_flight(const Schedule& schedule) {
  std::vector<int> out;
  for (const auto& program : schedule.programs) {
    int now = 0, peak = 0;
    for (const Instruction& i : program) {
      if (i.op == Op::forward || i.op == Op::overlapped) ++now;
      peak = std::max(peak, now);
      if (i.op == Op::backward || i.op == Op::weight || i.op == Op::overlapped) --now;
    }
    out.push_back(peak);
  }
  return out;
}

std::vector<std::string> schedule_problems(const Schedule& schedule, const std::vector<int>& bounds) {
  std::vector<std::string> out;
  for (int rank = 0; rank < schedule.ranks; ++rank) RankCheck(schedule, rank, out).run();
  if (!out.empty()) return out;  // timing assumes sound programs
  if (!bounds.empty()) {
    const std::vector<int> peaks = peak_in_flight(schedule);
    for (std::size_t rank = 0; rank < peaks.size(); ++rank)
      if (peaks[rank] > bounds[rank])
        out.push_back(
            fmt::format("rank {} holds {} activations at once, its bound is {}", rank, peaks[rank], bounds[rank]));
  }
  for (std::string& line : time_schedule(schedule, {}).deadlock) out.push_back("deadlock: " + std::move(line));
  return out;
}
}  // namespace moesim::schedule
