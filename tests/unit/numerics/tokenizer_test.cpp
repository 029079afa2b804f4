// Tokenizers against the ids that the original library gave for the same files (tokenizer/make.py makes the files).
#include "numerics/tokens/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/config.h"
#include "support/places.h"
#include "support/temporary_folder.h"

namespace moesim::numerics {
namespace {
using Json = nlohmann::json;
const std::string kFolder = test::source_dir() + "/tests/unit/numerics/tokenizer/";

Json read(const std::string& name) { return Json::parse(std::ifstream(kFolder + name)); }

class Pipeline : public testing::TestWithParam<const char*> {};

TEST_P(Pipeline, GivesTheIdsOfTheOriginal) {
  Tokenizer tokenizer(kFolder + GetParam() + ".json");
  const Json samples = read("samples.json"), expected = read("expected.json").at(GetParam());
  ASSERT_EQ(samples.size(), expected.size());
  for (std::size_t i = 0; i < samples.size(); ++i)
    EXPECT_EQ(tokenizer.encode(samples[i].get<std::string>(), "sample"), expected[i].get<std::vector<int>>())
        << samples[i];
}
INSTANTIATE_TEST_SUITE_P(All, Pipeline,
                         testing::Values("gpt2", "three_splits", "whole_words", "behaviours", "fallback", "unknown"),
                         [](const auto& name) { return name.param; });

/// A long text goes through parts that no merge joins; the ids are those of the same text in one piece.
TEST(Tokenizer, LongWordsAreCutOnlyWhereNoMergeJoins) {
  Tokenizer tokenizer(kFolder + "fallback.json");
  std::vector<int> expected{1};
  std::string text;
  for (int i = 0; i < 40; ++i) {
    text += (i > 0 ? " " : "") + std::string("the other theory\n\U0001F3FD");
    const std::vector<int> ids = tokenizer.encode("the other theory\n\U0001F3FD", "part");
    expected.insert(expected.end(), ids.begin() + 1, ids.end());
  }
  EXPECT_EQ(tokenizer.encode(text, "text"), expected);
}

/// Of many words, and of one that is never cut: the bytes told of rise in small steps to the whole.
TEST(Tokenizer, ProgressMovesWithinPlainText) {
  for (const char* file : {"gpt2.json", "fallback.json"}) {
    Tokenizer tokenizer(kFolder + file);
    std::string text;
    while (text.size() < 1'000'000) text += "the other theory is here\n";
    std::vector<std::size_t> told{0};
    tokenizer.encode(text, "text", [&](std::size_t done) { told.push_back(done); });
    EXPECT_TRUE(std::ranges::is_sorted(told));
    EXPECT_EQ(told.back(), text.size());
    for (std::size_t i = 1; i < told.size(); ++i) EXPECT_LE(told[i] - told[i - 1], 65'536U) << file;
  }
}

TEST(Tokenizer, TextThatIsNotUtf8IsRefusedWithItsOffset) {
  Tokenizer tokenizer(kFolder + "gpt2.json");
  try {
    tokenizer.encode("caf\xE9 au lait", "menu.txt");
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_EQ(std::string(e.what()), "menu.txt: byte 3 is not UTF-8, which " + kFolder + "gpt2.json needs");
  }
}

struct Change {
  const char* path;   // JSON pointer
  const char* value;  // put there
  const char* problem;
};
class Refused : public testing::TestWithParam<Change> {};

TEST_P(Refused, WhatIsNotImplementedIsNamed) {
  const TemporaryFolder folder;
  Json json = read("gpt2.json");
  json[Json::json_pointer(GetParam().path)] = Json::parse(GetParam().value);
  const std::string file = folder.file("tokenizer.json");
  std::ofstream(file) << json.dump();
  try {
    const Tokenizer tokenizer(file);
    FAIL() << GetParam().problem;
  } catch (const ConfigError& e) {
    EXPECT_EQ(std::string(e.what()), file + ": " + GetParam().problem);
  }
}
INSTANTIATE_TEST_SUITE_P(
    All, Refused,
    testing::Values(
        Change{"/model/type", R"("Unigram")", "model Unigram is not implemented; only BPE is"},
        Change{"/model/dropout", "0.1", "dropout of a model is not implemented"},
        Change{"/model/merges/0", R"("a b c")", "merge 0: expected two tokens, got \"a b c\""},
        Change{"/model/merges/0", R"(["a", "zq"])", "merge 0: \"zq\" is not in the vocabulary"},
        Change{"/model/unk_token", R"("<unk>")", "unk_token \"<unk>\" is not in the vocabulary"},
        Change{"/truncation", R"({"max_length": 8})", "truncation is not implemented"},
        Change{"/normalizer", R"({"type": "BertNormalizer"})", "normalizer BertNormalizer is not implemented"},
        Change{"/pre_tokenizer", R"({"type": "UnicodeScripts"})", "pre_tokenizer UnicodeScripts is not implemented"},
        Change{"/pre_tokenizer", R"({"type": "Split", "pattern": {"Regex": "\\w+"}, "behavior": "Isolated"})",
               "Split: \\w in a pattern is not implemented: \\w+"},
        Change{"/pre_tokenizer", R"({"type": "Split", "pattern": {"Regex": "[a-z&&[^b]]"}, "behavior": "Isolated"})",
               "Split: a set within a class in a pattern is not implemented: [a-z&&[^b]]"},
        Change{"/pre_tokenizer", R"({"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated"})",
               "Split: not a regular expression (missing closing parenthesis): (a"},
        Change{"/pre_tokenizer", R"({"type": "Split", "pattern": {"String": " "}, "behavior": "Kept"})",
               "behavior Kept is not implemented"},
        Change{"/post_processor", R"({"type": "RobertaProcessing"})",
               "post_processor RobertaProcessing is not implemented"},
        Change{"/added_tokens/0/lstrip", "true", "lstrip of added token \"<|end|>\" is not implemented"}));
}  // namespace
}  // namespace moesim::numerics
