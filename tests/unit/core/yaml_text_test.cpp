// What a YAML text may hold: each bound is met by one text and broken by the next.
#include <gtest/gtest.h>

#include <chrono>

#include "core/config.h"
#include "core/utf8.h"
#include "support/refusal.h"

namespace moesim::core {
namespace {

std::string refusal(const std::string& text) {
  return test::refusal_of([&] { (void)Config::from_text(text, "a.yaml"); });
}
std::string repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}
std::string nested(int depth) { return "a: " + repeated("[", depth - 1) + repeated("]", depth - 1); }

TEST(YamlText, NestsAHundredDeep) {
  EXPECT_EQ(refusal(nested(100)), "accepted");
  EXPECT_EQ(refusal(nested(101)), "a.yaml:1:103: values nest deeper than 100");
  EXPECT_EQ(refusal(nested(200'000)), "a.yaml:1:103: values nest deeper than 100");
  EXPECT_EQ(refusal(repeated("- ", 200'000)), "a.yaml:1:201: values nest deeper than 100");
}

TEST(YamlText, AliasesNestAsDeepAsWhatTheyName) {
  const auto chain = [](int links) {
    std::string out = "x:\n  - &a0 [1]\n";
    for (int i = 1; i < links; ++i) out += fmt::format("  - &a{} [*a{}]\n", i, i - 1);
    return out;
  };
  EXPECT_EQ(refusal(chain(98)), "accepted");
  EXPECT_EQ(refusal(chain(99)), "a.yaml:100:11: values nest deeper than 100");
}

TEST(YamlText, HoldsThreeHundredThousandValues) {
  const auto list = [](int values) { return "a: [" + repeated("1,", values) + "]"; };
  EXPECT_EQ(refusal(list(299'997)), "accepted") << "the map, its key and the list are three more";
  EXPECT_EQ(refusal(list(299'998)).substr(15), ": more than 300000 values (do aliases repeat each other?)");
  EXPECT_EQ(refusal("a: " + repeated(" ", 16 << 20)), "a.yaml: is larger than 16 MiB");
}

TEST(YamlText, CountsValuesWhereverAnAliasRepeatsThem) {
  const std::string thousand = "a: &a [" + repeated("1,", 1000) + "]\n";
  EXPECT_EQ(refusal(thousand + "b: [" + repeated("*a,", 298) + "]\n"), "accepted");
  EXPECT_EQ(refusal(thousand + "b: [" + repeated("*a,", 299) + "]\n"),
            "a.yaml:2:899: more than 300000 values (do aliases repeat each other?)");
}

TEST(YamlText, IsReadInTimeThatGrowsWithItsLength) {
  // Each of these kept the loader busy for minutes, or for ever.
  for (const std::string& text :
       {repeated("[", 100'000), repeated("{", 100'000), repeated("? ", 50'000), repeated(",", 300'000),
        repeated("---\n", 75'000), repeated("a: ", 100'000), "a: " + repeated("&a ", 100'000), repeated("*a ", 100'000),
        repeated("!", 100'000), "\"" + repeated("a\n", 50'000), repeated("%TAG ! a\n", 30'000)}) {
    const auto start = std::chrono::steady_clock::now();
    (void)refusal(text);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10)) << text.substr(0, 10);
  }
}

TEST(YamlText, FindsTheKeysOfALongMap) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += fmt::format("k{}: {}\n", i, i);
  const Config c = Config::from_text(text, "a.yaml", {{"k7", "8"}, {"new", "9"}});
  EXPECT_EQ(c.at("k7").text(), "8");
  EXPECT_EQ(c.at("k999").text(), "999");
  EXPECT_EQ(c.at("new").text(), "9");
  EXPECT_FALSE(c.has("k1000"));
  EXPECT_EQ(test::refusal_of([&] { (void)c.at("k1000"); }), "a.yaml:1:1: missing key \"k1000\" (is \"k100\" a typo?)");
}

TEST(Utf8, FirstByteThatIsNone) {
  EXPECT_EQ(first_not_utf8("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), std::string_view::npos);
  const std::pair<std::string_view, std::size_t> bad[] = {{"ab\xff", 2},
                                                          {"a\xc3", 1},
                                                          {"\xc3(", 0},
                                                          {"\xc0\x80", 0},
                                                          {"\xe0\x80\x80", 0},
                                                          {"\xed\xa0\x80", 0},
                                                          {"\xf0\x80\x80\x80", 0},
                                                          {"\xf4\x90\x80\x80", 0},
                                                          {"\xf5\x80\x80\x80", 0},
                                                          {"\xe2\x82", 0}};
  for (const auto& [text, at] : bad) EXPECT_EQ(first_not_utf8(text), at) << at;
}

TEST(OneLine, WritesOutWhatIsNoText) {
  EXPECT_EQ(one_line("a\nb\x1b[1m\xc3\xa4"), "a\\nb\\x1b[1m\xc3\xa4");
  EXPECT_EQ(refusal("a: 1\n\"b\\nc\": 1\n\"b\\nc\": 2\n"), "a.yaml:3:1: key \"b\\nc\" appears twice");
}
}  // namespace
}  // namespace moesim::core
