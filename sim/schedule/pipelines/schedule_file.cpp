#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <optional>

#include "schedule/pipelines/timing.h"

namespace moesim::schedule {
namespace {
/// Reads "F3.1&B2.0" and its like.
class TokenReader {
 public:
  TokenReader(std::string_view text, const Config& where) : text_(text), rest_(text), where_(where) {}

  Instruction read() {
    Instruction out = half();
    if (rest_.starts_with('&')) {
      rest_.remove_prefix(1);
      const Instruction back = half();
      if (out.op != Op::forward || back.op != Op::backward) fail();
      out.op = Op::overlapped;
      out.backward_chunk = back.chunk;
      out.backward_micro_batch = back.micro_batch;
    }
    if (!rest_.empty()) fail();
    return out;
  }

 private:
  [[noreturn]] void fail() const {
    where_.fail(fmt::format("expected F3, B3, I3, W3 (with .1 for chunk 1) or F4&B2, got \"{}\"", text_));
  }
  Instruction half() {
    constexpr std::pair<char, Op> kLetters[] = {
        {'F', Op::forward}, {'B', Op::backward}, {'I', Op::backward_input}, {'W', Op::weight}};
    for (const auto& [letter, op] : kLetters)
      if (rest_.starts_with(letter)) {
        rest_.remove_prefix(1);
        Instruction out{op, 0, 0, number(100'000'000)};
        if (rest_.starts_with('.')) {
          rest_.remove_prefix(1);
          out.chunk = std::int16_t(number(1000));
        }
        return out;
      }
    fail();
  }
  int number(int limit) {
    int value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc{} || value < 0 || value > limit) fail();
    rest_.remove_prefix(std::size_t(end - rest_.data()));
    return value;
  }
  std::string_view text_, rest_;
  const Config& where_;
};

std::vector<Instruction> read_program(const Config& line) {
  const std::string text = line.text();
  std::vector<Instruction> out;
  for (std::size_t at = text.find_first_not_of(' '); at != std::string::npos;) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    out.push_back(TokenReader(std::string_view(text).substr(at, end - at), line).read());
    at = text.find_first_not_of(' ', end);
  }
  return out;
}

/// What a schedule file holds besides the programs.
struct FileHead {
  Layout layout = Layout::straight;
  int chunks = 1, micro_batches = 0;
  std::vector<Config> programs;
  static void fields(auto& f, auto& p) {
    f("layout", p.layout, "straight, wave or two_way");
    f("chunks", p.chunks, "pieces of the model a rank holds");
    f.required("micro_batches", p.micro_batches, "micro-batches of a step");
    f.required("programs", p.programs, "one line of instructions a rank");
  }
};

/// A schedule the user wrote.
class FileSchedule final : public PipelineSchedule {
 public:
  struct Params {
    DataFile file;
    static void fields(auto& f, auto& p) {
      f.required("file", p.file, "YAML with layout, chunks, micro_batches, programs");
    }
  };
  explicit FileSchedule(const std::string& file) {
    const Config config = Config::load(file);
    const FileHead head = read<FileHead>(config);
    if (head.chunks < 1 || head.chunks > 1000) config.at("chunks").fail("expected 1 to 1000 chunks");
    if (head.layout == Layout::two_way && head.chunks != 2)
      config.at("layout").fail(fmt::format("two_way needs chunks: 2, got {}", head.chunks));
    if (head.micro_batches < 1) config.at("micro_batches").fail("expected at least 1 micro-batch");
    if (head.programs.empty()) config.at("programs").fail("expected one program a rank, got none");
    schedule_ = {"file", head.layout, int(head.programs.size()), head.chunks, head.micro_batches, {}};
    for (const Config& line : head.programs) {
      schedule_.programs.push_back(read_program(line));
      schedule_.programs.back().push_back({Op::optimizer});
    }
    if (const auto problems = schedule_problems(schedule_); !problems.empty())
      config.at("programs")
          .fail(problems.size() == 1 ? problems[0] : fmt::format("{} (and {} more)", problems[0], problems.size() - 1));
    for (auto& program : schedule_.programs) program.pop_back();
    bounds_ = peak_in_flight(schedule_);
  }
  Layout layout() const override { return schedule_.layout; }
  int chunks() const override { return schedule_.chunks; }
  Shape only_shape() const override { return {schedule_.ranks, schedule_.micro_batches}; }
  std::string refusal(int ranks, int micro_batches) const override {
    if (ranks != schedule_.ranks || micro_batches != schedule_.micro_batches)
      return fmt::format("the schedule file is for {} stages and {} micro-batches, not {} and {}", schedule_.ranks,
                         schedule_.micro_batches, ranks, micro_batches);
    return "";
  }
  std::vector<std::vector<Instruction>> programs(int, int) const override { return schedule_.programs; }
  int in_flight_bound(int, int, int rank) const override { return bounds_[std::size_t(rank)]; }

 private:
  Schedule schedule_;
  std::vector<int> bounds_;
};
}  // namespace

std::vector<KeyHelp> schedule_file_keys() { return keys_of<FileHead>(); }

Strategy<PipelineSchedule> file_schedule() {
  return {"file", "a schedule of your own",
          [](const Config& c) -> std::unique_ptr<PipelineSchedule> {
            if (c.is_scalar()) c.fail("a schedule of your own needs {kind: file, file: FILE}");
            return std::make_unique<FileSchedule>(read<FileSchedule::Params>(c).file.path);
          },
          help_of<FileSchedule::Params>(), keys_of<FileSchedule::Params>};
}
}  // namespace moesim::schedule
