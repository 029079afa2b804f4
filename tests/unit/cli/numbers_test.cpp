#include "cli/numbers.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/command.h"

namespace moesim::cli {
namespace {
TEST(WholeNumbers, AreWhatIsWrittenOrRefused) {
  EXPECT_EQ(whole_number_problem("1", 1, 64), "");
  EXPECT_EQ(whole_number_problem("64", 1, 64), "");
  for (const char* text :
       {"0", "65", "-1", "2147483648", "99999999999999999999", "1e9", "", "x", "1x", " 1", "+1", "0x1"})
    EXPECT_EQ(whole_number_problem(text, 1, 64),
              "expected a whole number from 1 to 64, got \"" + std::string(text) + "\"");
}

TEST(Seeds, AreAllOf64BitsAndNoSign) {
  EXPECT_EQ(seed_problem("18446744073709551615"), "");
  for (const char* text : {"-1", "18446744073709551616", "1.5", "", "x"})
    EXPECT_EQ(seed_problem(text),
              "expected a whole number from 0 to 18446744073709551615, got \"" + std::string(text) + "\"");
}

TEST(Numbers, AreFiniteAndNotNegative) {
  EXPECT_EQ(number_problem("0.5", false), "");
  EXPECT_EQ(number_problem("0", true), "");
  for (const char* text : {"0", "-1", "nan", "inf", "1e999", "", "x"})
    EXPECT_EQ(number_problem(text, false), "expected a number above 0, got \"" + std::string(text) + "\"");
}

/// Each option that takes a number says so in one line, before anything is read or made.
TEST(Options, RefuseWhatIsNoNumberOfTheirs) {
  const std::vector<std::vector<std::string>> commands = {
      {"run", "no-such", "--seed"},
      {"sweep", "no-such", "-o", "x.db", "--jobs"},
      {"validate", "--jobs"},
      {"schedule", "1f1b", "--stages"},
      {"schedule", "1f1b", "--micro-batches"},
      {"schedule", "interleaved_1f1b", "--chunks"},
      {"record", "--model", "x", "-o", "x.db", "--decode"},
      {"record", "--model", "x", "-o", "x.db", "--limit"},
      {"record", "--model", "x", "-o", "x.db", "--synthetic", "--seed"},
      {"record", "--model", "x", "-o", "x.db", "--synthetic", "--scale"},
      {"place", "--strategy", "x", "--gpus"},
      {"place", "--strategy", "x", "--gpus", "1", "--nodes"},
      {"place", "--strategy", "x", "--gpus", "1", "--slots"},
      {"place", "--strategy", "x", "--gpus", "1", "--gpu-slots"},
      {"place", "--strategy", "x", "--gpus", "1", "--sample"},
      {"explain", "serve-mixtral-8x7b", "--layer"},
      {"explain", "serve-mixtral-8x7b", "--sms"},
      {"explain", "serve-mixtral-8x7b", "--sequences"},
      {"explain", "serve-mixtral-8x7b", "--tokens"},
      {"explain", "serve-mixtral-8x7b", "--tensor"},
      {"trace", "stats", "x.db", "--gpus"},
      {"trace", "stats", "x.db", "--gpus-per-node"},
      {"trace", "fit", "x", "--groups"},
      {"trace", "fit", "x", "--seeds"},
      {"trace", "import", "x", "--experts"},
      {"trace", "import", "x", "--top-k"},
      {"trace", "import", "x", "--tokens"},
      {"trace", "import", "x", "--seed"},
      {"calibrate", "--gemm", "x", "--tables", "x", "--seed"},
      {"calibrate", "--gemm", "x", "--tables", "x", "--draws"},
  };
  for (const auto& words : commands)
    for (const char* value : {"-1", "99999999999999999999", "", "x"}) {
      if (words.back() == "--scale" && std::string(value).size() > 10) continue;  // a large number, but one
      std::vector<std::string> command = words;
      command.push_back(value);
      const std::string printed = run_command(command);
      EXPECT_NE(printed.find(words.back() + ": expected a "), std::string::npos) << words.front() << " " << printed;
      EXPECT_NE(printed.find(std::string("got \"") + value + "\""), std::string::npos) << printed;
    }
}
}  // namespace
}  // namespace moesim::cli
