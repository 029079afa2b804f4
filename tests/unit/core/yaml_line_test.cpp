// A value written as one line of YAML: it reads back as the same, whatever it looks like.
#include "core/yaml_line.h"

#include <gtest/gtest.h>

#include "core/config.h"

namespace moesim::core {
namespace {

std::string again(const std::string& text) { return yaml_line(Config::from_text(text, "a.yaml")); }

TEST(YamlLine, NothingStaysNothingAndTheWordForItAWord) {
  EXPECT_EQ(again("{a: null, b: ~, c: }"), "{a: ~, b: ~, c: ~}");
  EXPECT_EQ(again(R"({a: "null", b: 'Null', c: "NULL"})"), R"({a: "null", b: "Null", c: "NULL"})");
  EXPECT_TRUE(Config::from_text(again("{a: ~}"), "a.yaml").at("a").keys().empty());
}

TEST(YamlLine, TextThatBeginsAsANumberIsNotTakenApart) {
  for (const char* text : {"-1, b", "-1: 2", "-2 #x", "-3 ", "-", "...", "-1", "-1.5 GB"})
    EXPECT_EQ(Config::from_text("[" + yaml_scalar(text) + "]", "a.yaml").items().at(0).text(), text);
  EXPECT_EQ(yaml_scalar("-1.5"), "-1.5");
}

TEST(YamlLine, ControlCharactersAreWrittenOut) {
  const std::string text = "a\x01\x1f\tb\r\n";
  EXPECT_EQ(yaml_scalar(text), R"("a\x01\x1f\x09b\x0d\x0a")");
  EXPECT_EQ(Config::from_text("[" + yaml_scalar(text) + "]", "a.yaml").items().at(0).text(), text);
}
}  // namespace
}  // namespace moesim::core
