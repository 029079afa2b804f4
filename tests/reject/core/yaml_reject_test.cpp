// YAML that the loader takes, follows for ever or dies of: the exact line a user reads instead.
#include <gtest/gtest.h>

#include "core/config.h"
#include "support/refusal.h"

namespace moesim::core::yaml {
namespace {

std::string message(const std::string& text, const std::vector<Config::Override>& overrides = {}) {
  return test::refusal_of([&] { (void)Config::from_text(text, "a.yaml", overrides); });
}

TEST(YamlReject, TextThatMakesDocumentsForEver) {
  EXPECT_EQ(message(",a\n"), "a.yaml:1:1: not valid YAML: nothing can begin with \",\"");
  EXPECT_EQ(message("\xef\xbb\xbf,a\n"), "a.yaml:1:1: not valid YAML: nothing can begin with \",\"");
  EXPECT_EQ(message("[a], b\n"), "a.yaml:1:4: not valid YAML: nothing can begin with \",\"");
  EXPECT_EQ(message("a: 1\n---\nb: 2\n---\nc: 3\n"), "a.yaml: holds 3 YAML documents, expected one");
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "a: 1\n---\n";
  EXPECT_EQ(message(many), "a.yaml: holds more than 100 YAML documents, expected one");
}

TEST(YamlReject, AliasesInTheValueTheyName) {
  EXPECT_EQ(message("a: &x [*x]\n"), "a.yaml:1:8: a[0]: the alias stands in the value that it names");
  EXPECT_EQ(message("a: &x\n  b: *x\n"), "a.yaml:2:6: a.b: the alias stands in the value that it names");
  EXPECT_EQ(message("a: &x [1, {b: [*x]}]\n"), "a.yaml:1:16: a[1].b[0]: the alias stands in the value that it names");
  EXPECT_EQ(message("a: &x 1\nb: &x [*x]\n"), "a.yaml:2:8: b[0]: the alias stands in the value that it names")
      << "the later of two that have one name";
  EXPECT_EQ(message("a: &x [1]\nb: [*x, *x]\n"), "accepted");
}

TEST(YamlReject, BytesThatAreNoText) {
  EXPECT_EQ(message("a: 1\ntitle: x\xff\n"), "a.yaml:2:9: is not UTF-8 text");
  EXPECT_EQ(message("a: 1\nb: \x04\n"), "a.yaml:2:4: not valid YAML: the control character 0x04");
  EXPECT_EQ(message(std::string("a\0:\0 \0", 6)), "a.yaml:1:2: not valid YAML: the control character 0x00");
}

TEST(YamlReject, KeysThatAreNoWordsOrAppearTwice) {
  EXPECT_EQ(message("a:\n  ? [b]\n  : 1\n"), "a.yaml:2:5: a: expected a single word as key");
  EXPECT_EQ(message("a: {~: 1}\n"), "a.yaml:1:5: a: expected a single word as key");
  EXPECT_EQ(message("a: &x b\n*x : 1\n"), "a.yaml:2:1: expected a single word as key");
  EXPECT_EQ(message("a: [{b: 1}, {b: 1, c: 2, b: 3}]\n"), "a.yaml:1:26: a[1]: key \"b\" appears twice");
  EXPECT_EQ(message("a: 1\na: 2\nb: [\n"), "a.yaml:4:1: not valid YAML: end of sequence flow not found")
      << "the grammar first";
}

TEST(YamlReject, ValuesOfTheCommandLine) {
  const auto set = [](const std::string& path, const std::string& value) {
    return message("a: {b: 1}\nlist: []\n", {{path, value}});
  };
  EXPECT_EQ(set("a", ",x"), "--set a: \",x\" is not valid YAML: nothing can begin with \",\"");
  EXPECT_EQ(set("a", "&x [*x]"), "--set a: [0]: the alias stands in the value that it names");
  EXPECT_EQ(set("a", "{b: 1, b: 2}"), "--set a: key \"b\" appears twice");
  EXPECT_EQ(set("a", "x\xff"), "--set a: is not UTF-8 text");
  EXPECT_EQ(set("a", "1\n---\n2"), "--set a: holds 2 YAML documents, expected one");
  EXPECT_EQ(set("a", std::string(200'000, '[')), "--set a: values nest deeper than 100");
  EXPECT_EQ(set("list[0]", "1"), "--set list[0]: the list there is empty");
  EXPECT_EQ(set("list[99999999999999999999]", "1"), "--set list[99999999999999999999]: the list there is empty");
  EXPECT_EQ(set("a.b.c", "1"), "--set a.b.c: \"1\" is a single value there and has no key \"c\"");
}

TEST(YamlReject, PathsThatLeadNowhere) {
  for (const std::string path : {"[", "]", "[]", "[[]]", "."})
    EXPECT_EQ(message("a: 1\n", {{path, "1"}}), "--set " + path + ": expected key.path=value");
  std::string deep = "a";
  for (int i = 0; i < 100'000; ++i) deep += ".a";
  EXPECT_EQ(message("b: 1\n", {{deep, "1"}}), "--set " + deep + ": expected key.path=value");
  const Config c = Config::from_text("a: [1]\n", "a.yaml");
  EXPECT_EQ(test::refusal_of([&] { c.fail_below("a[99999999999999999999]", "odd"); }),
            "a.yaml:1:4: a[99999999999999999999]: odd");
}
}  // namespace
}  // namespace moesim::core::yaml
