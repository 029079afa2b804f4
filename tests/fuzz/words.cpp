// What stands on the command line: each line of the input is the value of each option that is a word of its own.
#include "cli/numbers.h"
#include "cli/options.h"
#include "fuzz/support/input.h"
#include "runs/scenario.h"
#include "serving/traces/moment.h"

namespace moesim::fuzz {
namespace {
void read_all(const std::string& word) {
  taken([&] { (void)cli::parse_shard(word); });  // its bounds are known to who uses it
  taken([&] {
    const auto [from, to] = cli::parse_window(word);
    hold(from < to, "a window that ends before it begins");
  });
  taken([&] { (void)cli::parse_ranges({word}, "--x"); });
  taken([&] { (void)Config::from_text("a: {b: [1, 2]}", "x", {runs::parse_override(word, "--set")}); });
  taken([&] {
    const std::string quoted = cli::in_quotes(word);
    hold(Config::from_option("o", quoted).text() == word, "quotes change a word: " + word);
  });
  if (cli::whole_number_problem(word, -5, 100).empty()) {
    const long value = std::stol(word);
    hold(value >= -5 && value <= 100, "a number beyond its bounds: " + word);
  }
  (void)cli::seed_problem(word);
  (void)cli::number_problem(word, true);
  taken([&] { (void)cli::limits_of({.memory = word}); });
  taken([&] {
    serving::Moment moment;
    (void)serving::parse_moment(word, moment);
  });
}
}  // namespace
}  // namespace moesim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = moesim::fuzz::text_of(data, size);
  for (int lines = 0; !text.empty() && lines < 20; ++lines) {
    const std::string_view line = text.substr(0, text.find('\n'));
    moesim::fuzz::read_all(std::string(line));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return 0;
}
