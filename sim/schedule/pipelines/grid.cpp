#include "schedule/pipelines/grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace moesim::schedule {
namespace {
/// The longest span of time that every start and end is a multiple of.
std::int64_t unit_of(const ScheduleTiming& timing) {
  std::int64_t unit = 0;
  for (const auto& rank : timing.ranks)
    for (const TimedInstruction& t : rank) unit = std::gcd(unit, std::gcd(t.start.v, t.end.v));
  return std::max<std::int64_t>(unit, 1);
}

std::string label(const Instruction& i) {
  switch (i.op) {
    case Op::forward:
      return fmt::format("F{}", i.micro_batch);
    case Op::backward:
      return fmt::format("B{}", i.micro_batch);
    case Op::backward_input:
      return fmt::format("I{}", i.micro_batch);
    case Op::weight:
      return fmt::format("W{}", i.micro_batch);
    case Op::overlapped:
      return fmt::format("F{}&B{}", i.micro_batch, i.backward_micro_batch);
    case Op::optimizer:
      return "O";
  }
  throw std::logic_error("an instruction has no operation");
}

struct Colour {
  std::string_view name, fill[2];  // by chunk: even, odd
};
Colour colour_of(Op op) {
  switch (op) {
    case Op::forward:
      return {"forward", {"#f6c667", "#fbe3ad"}};
    case Op::backward:
      return {"backward", {"#5aa469", "#a8d5ad"}};
    case Op::backward_input:
      return {"backward, inputs", {"#4f8fc0", "#a9cde6"}};
    case Op::weight:
      return {"backward, weights", {"#9a77b5", "#cfbbdd"}};
    case Op::overlapped:
      return {"forward and backward overlapped", {"#e07a5f", "#f0b8a8"}};
    case Op::optimizer:
      return {"optimiser", {"#777777", "#777777"}};
  }
  throw std::logic_error("an instruction has no operation");
}
}  // namespace

std::string schedule_grid(const Schedule& schedule, const ScheduleTiming& timing) {
  const std::int64_t unit = unit_of(timing);
  // Nobody looks at more, and durations without a common unit may ask for any number.
  constexpr std::int64_t kMostColumns = 100'000;
  if (timing.end.v / unit > kMostColumns)
    return fmt::format("(no picture: {} columns of {}, at most {} are drawn)\n", timing.end.v / unit,
                       to_text(Time{unit}), kMostColumns);
  std::size_t width = 0;
  for (const auto& rank : timing.ranks)
    for (const TimedInstruction& t : rank)
      if (t.end > t.start) {
        const std::size_t cells = std::size_t((t.end - t.start).v / unit);
        width = std::max(width, (label(t.instruction).size() + cells) / cells);  // one blank after each
      }
  const std::size_t names = fmt::format("{}", schedule.ranks - 1).size();
  std::string out;
  for (int rank = 0; rank < schedule.ranks; ++rank) {
    std::string line(std::size_t(timing.end.v / unit) * width, ' ');
    std::int64_t idle_from = 0;
    const auto rest = [&](std::int64_t until) {
      for (std::int64_t cell = idle_from; cell < until; ++cell) line[std::size_t(cell) * width] = '.';
    };
    for (const TimedInstruction& t : timing.ranks[std::size_t(rank)]) {
      if (t.end == t.start) continue;
      rest(t.start.v / unit);
      const std::string text = label(t.instruction);
      std::copy(text.begin(), text.end(), line.begin() + std::ptrdiff_t(std::size_t(t.start.v / unit) * width));
      idle_from = t.end.v / unit;
    }
    rest(timing.end.v / unit);
    line.erase(line.find_last_not_of(' ') + 1);
    out += fmt::format("rank {:>{}} |{}\n", rank, names, line);
  }
  return out;
}

std::string schedule_svg(const Schedule& schedule, const ScheduleTiming& timing) {
  constexpr double kLeft = 64, kRow = 26, kTop = 34;
  const double scale = std::max(1100.0, double(timing.end.v / unit_of(timing)) * 14) / double(timing.end.v);
  const double width = kLeft + double(timing.end.v) * scale + 10, height = kTop + kRow * schedule.ranks + 10;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0f}\" height=\"{:.0f}\" font-family=\"sans-serif\" "
      "font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      width, height);
  double x = kLeft;
  for (Op op : {Op::forward, Op::backward, Op::backward_input, Op::weight, Op::overlapped}) {
    const Colour colour = colour_of(op);
    out += fmt::format(
        "<rect x=\"{:.0f}\" y=\"8\" width=\"14\" height=\"14\" fill=\"{}\"/><text x=\"{:.0f}\" y=\"19\">{}</text>\n", x,
        colour.fill[0], x + 18, colour.name);
    x += 34 + 6.2 * double(colour.name.size());
  }
  for (int rank = 0; rank < schedule.ranks; ++rank) {
    const double y = kTop + kRow * rank;
    out += fmt::format("<text x=\"4\" y=\"{:.0f}\">rank {}</text>\n", y + 16, rank);
    for (const TimedInstruction& t : timing.ranks[std::size_t(rank)]) {
      if (t.end == t.start) continue;
      const double left = kLeft + double(t.start.v) * scale, wide = double((t.end - t.start).v) * scale;
      std::string text = label(t.instruction);
      if (text.find('&') != std::string::npos) text.replace(text.find('&'), 1, "&amp;");
      out += fmt::format(
          "<rect x=\"{:.2f}\" y=\"{:.0f}\" width=\"{:.2f}\" height=\"{:.0f}\" fill=\"{}\" stroke=\"white\"/>", left, y,
          wide, kRow - 3, colour_of(t.instruction.op).fill[t.instruction.chunk % 2]);
      out += fmt::format("<text x=\"{:.2f}\" y=\"{:.0f}\" text-anchor=\"middle\" font-size=\"9\">{}</text>\n",
                         left + wide / 2, y + 15, text);
    }
  }
  return out + "</svg>\n";
}

std::string schedule_table(const Schedule& schedule, const ScheduleTiming& timing) {
  const std::vector<int> peaks = peak_in_flight(schedule);
  std::string out = "rank        busy        idle  idle share  activations held\n";
  for (int rank = 0; rank < schedule.ranks; ++rank) {
    const std::size_t r = std::size_t(rank);
    out += fmt::format("{:>4} {:>11} {:>11} {:>10.1f}% {:>17}\n", rank, to_text(timing.busy[r]),
                       to_text(timing.idle(rank)), 100 * (timing.idle(rank) / timing.end), peaks[r]);
  }
  return out;
}
}  // namespace moesim::schedule
