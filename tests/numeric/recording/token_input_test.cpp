#include <gtest/gtest.h>

#include <fstream>

#include "recording/record.h"
#include "support/safetensors.h"
#include "support/temporary_folder.h"

namespace moesim::recording {
namespace {
class TokenInput : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_.file(name)) << text;
    return folder_.file(name);
  }
  static std::vector<std::vector<int>> tokens(const std::string& file, std::int64_t limit = 0) {
    std::vector<std::vector<int>> out;
    for (const RecordRequest& r : read_token_file(file, limit)) out.push_back(r.tokens);
    return out;
  }
  static std::string error_of(const std::string& file) {
    try {
      read_token_file(file, 0);
    } catch (const ConfigError& e) {
      return std::string(e.what()).substr(file.size());
    }
    return "no error";
  }
  using Sequences = std::vector<std::vector<int>>;
  TemporaryFolder folder_;
};

TEST_F(TokenInput, ListsInJson) {
  EXPECT_EQ(tokens(write("a.json", "[1, 2, 3]")), (Sequences{{1, 2, 3}}));
  EXPECT_EQ(tokens(write("b.json", "[[1, 2, 3], [4]]"), 2), (Sequences{{1, 2}, {4}}));
  EXPECT_EQ(read_token_file(folder_.file("b.json"), 0)[1].source, folder_.file("b.json") + " sequence 1");
  EXPECT_EQ(read_token_file(folder_.file("b.json"), 0)[1].domain, "b");
}

TEST_F(TokenInput, LinesOfJson) {
  EXPECT_EQ(tokens(write("a.jsonl", "{\"tokens\": [1, 2], \"id\": 7}\n\n[3]\n{\"tokens\":[4]}")),
            (Sequences{{1, 2}, {3}, {4}}));
}

TEST_F(TokenInput, TensorsOfIntegers) {
  const std::vector<std::int32_t> ids{5, 6, 7, -1, 9, 10};
  const auto write_ids = [&](std::vector<std::int64_t> shape, formats::StoredType type) {
    test::write_safetensors(folder_.file("a.safetensors"), {{"ids", {type, shape, std::as_bytes(std::span(ids))}}});
    return folder_.file("a.safetensors");
  };
  EXPECT_EQ(tokens(write_ids({2, 3}, formats::StoredType::i32)), (Sequences{{5, 6, 7}, {-1, 9, 10}}));
  EXPECT_EQ(tokens(write_ids({6}, formats::StoredType::i32)), (Sequences{{5, 6, 7, -1, 9, 10}}));
  EXPECT_EQ(error_of(write_ids({6}, formats::StoredType::f32)), ": tensor ids: expected integers, got float32");
  EXPECT_EQ(error_of(write_ids({1, 2, 3}, formats::StoredType::i32)),
            ": tensor ids: expected [tokens] or [sequences, tokens], got [1, 2, 3]");
}

TEST_F(TokenInput, RefusesWhatIsNotTokens) {
  EXPECT_EQ(error_of(write("a.txt", "1 2 3")), ": expected token ids in a .npy, .safetensors, .json or .jsonl file");
  EXPECT_EQ(error_of(write("a.json", "[1, 2")), ": is not JSON: byte 6");
  EXPECT_EQ(error_of(write("a.json", "{}")), ": expected a list of token ids, or a list of such lists");
  EXPECT_EQ(error_of(write("a.json", "[]")), ": holds no tokens");
  EXPECT_EQ(error_of(write("a.json", "[1, 2.5]")), ": expected an integer, got 2.5");
  EXPECT_EQ(error_of(write("a.json", "[[1], 2]")), " sequence 1: expected a list of token ids");
  EXPECT_EQ(error_of(write("a.json", "[[1], []]")), " sequence 1: holds no tokens");
  EXPECT_EQ(error_of(write("a.jsonl", "[1]\n{\"ids\": [2]}\n")),
            ":2: expected {\"tokens\": [...]} or a list of token ids");
  EXPECT_EQ(error_of(write("a.jsonl", "\n")), ": holds no tokens");
  // Beyond 64 bits it is no integer any more; below, it is one that no vocabulary has.
  EXPECT_EQ(error_of(write("a.json", "[99999999999999999999]")), ": expected an integer, got 1e+20");
  EXPECT_EQ(tokens(write("big.json", "[9999999999999999999]")), (Sequences{{INT32_MAX}}));
}
}  // namespace
}  // namespace moesim::recording
