#include "formats/json.h"

#include <gtest/gtest.h>

#include "core/config_error.h"
#include "support/refusal.h"

namespace moesim::formats {
namespace {

TEST(Json, MessagesNameWhereAndKey) {
  const JsonValue document =
      parse_json(R"({"n": 5, "half": 0.5, "text": "x", "none": null, "in": {"list": [1, "a"]}})", "f");
  const JsonObject json(document, "f");
  EXPECT_EQ(json.integer("n", 0, 5), 5);
  EXPECT_EQ(test::refusal_of([&] { (void)json.integer("n", 0, 4); }), "f: n: expected 0 to 4, got 5");
  EXPECT_EQ(test::refusal_of([&] { (void)json.integer("half"); }), "f: half: expected an integer, got 0.5");
  EXPECT_EQ(test::refusal_of([&] { (void)json.count("half"); }), "f: half: expected a whole number, got 0.5");
  EXPECT_FALSE(json.has("none"));
  EXPECT_EQ(json.text_or("none", "y"), "y");
  EXPECT_EQ(test::refusal_of([&] { (void)json.at("none"); }), "f: missing key \"none\"");
  EXPECT_EQ(test::refusal_of([&] { (void)json.part("in").list("list"); }),
            "f: in.list: expected an integer, got \"a\"");
  EXPECT_EQ(test::refusal_of([&] { (void)json.part("in").at("x"); }), "f: in: missing key \"x\"");
  EXPECT_EQ(test::refusal_of([&] { (void)json.part("text"); }), "f: text: expected an object, got \"x\"");
}

TEST(Json, WhatIsNoneIsRefusedWithItsByte) {
  EXPECT_EQ(test::refusal_of([] { (void)parse_json("[1,", "f"); }), "f: is not JSON: byte 4");
  EXPECT_EQ(test::refusal_of([] { (void)parse_json("[1e400]", "f"); }), "f: is not JSON: a number is too large");
  EXPECT_EQ(test::refusal_of([] { (void)parse_json(std::string(101, '['), "f"); }),
            "f: byte 100: lists nest deeper than 100");
  EXPECT_EQ(test::refusal_of([] { (void)parse_json(std::string(200'000, '['), "f"); }),
            "f: byte 100: lists nest deeper than 100");
  EXPECT_EQ(test::refusal_of([] { (void)parse_json("{\"a\": 1, \"b\": 2, \"a\": 3}", "f"); }),
            "f: byte 19: key \"a\" appears twice");
  EXPECT_EQ(test::refusal_of([] { (void)parse_json("[{\"a\": 1}, {\"a\": 1}]", "f"); }), "accepted");
  EXPECT_EQ(test::refusal_of([] { (void)parse_json("[\"\xff\"]", "f"); }), "f: is not JSON: byte 3");
  EXPECT_EQ(test::refusal_of([] { (void)parse_json("", "f"); }), "f: is not JSON: byte 1");
  EXPECT_FALSE(is_json(std::string(101, '[') + std::string(101, ']')));
  EXPECT_TRUE(is_json(std::string(100, '[') + std::string(100, ']')));
}

TEST(Json, IsBuiltAsItIsWritten) {
  for (const char* text : {"null", "true", "-3", "18446744073709551615", "0.5", "\"x\"", "[]", "{}", "[[],{}]",
                           R"({"a":[1,{"b":[2,3]},"c"],"d":{"e":{}},"f":null})"})
    EXPECT_EQ(parse_json(text, "f").dump(), text);
}

TEST(Json, TextOfBytesThatAreNoUtf8IsWritten) {
  EXPECT_EQ(json_text(Json{{"a", "x\xff"}}), "{\"a\":\"x\xef\xbf\xbd\"}");
}
}  // namespace
}  // namespace moesim::formats
