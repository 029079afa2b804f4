#include "core/config.h"

#include <gtest/gtest.h>

namespace moesim::core {
namespace {

struct Part {
  Time delay = 2_us;
  static void fields(auto& f, auto& p) { f("delay", p.delay, "a delay"); }
};
struct Whole {
  int count = 4;
  Bytes memory = 80_GiB;
  Part part;
  std::optional<double> limit;
  static void fields(auto& f, auto& p) {
    f("count", p.count, "how many");
    f("memory", p.memory, "how much");
    f("part", p.part, "a part");
    f("limit", p.limit, "a limit");
  }
};

TEST(Config, ReadsValuesWithUnitsAndKeepsDefaults) {
  const Config c = Config::from_text("memory: 1.5 GB\npart: {delay: 1.5us}\nlimit: none\n", "a.yaml");
  const auto w = read<Whole>(c);
  EXPECT_EQ(w.count, 4);
  EXPECT_EQ(w.memory, Bytes{1'500'000'000});
  EXPECT_EQ(w.part.delay, Time{1'500'000});
  EXPECT_FALSE(w.limit);
}

TEST(Config, ResolvedHoldsGivenAndDefaultValues) {
  const Config c = Config::from_text("part: {delay: 1.5 us}\n", "a.yaml");
  (void)read<Whole>(c);
  EXPECT_EQ(c.resolved(), "count: 4\nmemory: 80 GiB\npart.delay: 1.5 us\nlimit: none\n");
}

/// As a section with members that a family or another room reads later.
struct Later {
  Config word{}, map{}, list{}, absent{}, usual{};
  static void fields(auto& f, auto& p) {
    f("word", p.word, "one word");
    f("map", p.map, "a map");
    f("list", p.list, "a list");
    f("absent", p.absent, "not written");
    f("usual", p.usual, "not written, and there is a usual value");
  }
};

TEST(Config, ResolvedNamesWhatIsReadLater) {
  const Config c = Config::from_text("word: dualpipe\nmap: {kind: eplb, slots: 288}\nlist: [1, 2]\n", "a.yaml");
  (void)read<Later>(c);
  EXPECT_EQ(c.resolved(), "word: dualpipe\nmap: given\nlist: given\nabsent: not given\nusual: not given\n");
  c.at("map").resolve("kind", "eplb");
  c.resolve("usual", "sglang");
  EXPECT_EQ(c.resolved(), "word: dualpipe\nlist: given\nabsent: not given\nusual: sglang\nmap.kind: eplb\n");
}

TEST(Config, OverridesReplaceAndAdd) {
  const Config c = Config::from_text("count: 1\n", "a.yaml", {{"count", "7"}, {"part.delay", "3 us"}});
  const auto w = read<Whole>(c);
  EXPECT_EQ(w.count, 7);
  EXPECT_EQ(w.part.delay, 3_us);
}

TEST(Config, QuantitiesPrintAsTheyCanBeReadAgain) {
  EXPECT_EQ(to_text(Time{1'500'000}), "1.5 us");
  EXPECT_EQ(to_text(80_GiB), "80 GiB");
  EXPECT_EQ(to_text(Bytes{80'000'000'000}), "80 GB");
  EXPECT_EQ(to_text(Bytes{512}), "512 B");
  EXPECT_EQ(to_text(400_Gbps), "50 GB/s");
  EXPECT_EQ(to_text(989_TFLOPS), "989 TFLOP/s");
  EXPECT_EQ(to_text(0_B), "0 B");
  EXPECT_EQ(to_text(Power{700}), "700 W");
}

TEST(Config, HelpListsKeysDefaultsAndNestedStructs) {
  const std::string help = help_of<Whole>();
  EXPECT_NE(help.find("    count                  default 4                how many\n"), std::string::npos) << help;
  EXPECT_NE(help.find("      delay                default 2 us             a delay\n"), std::string::npos) << help;
}
}  // namespace
}  // namespace moesim::core
