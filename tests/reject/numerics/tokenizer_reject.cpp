// Tokenizers whose numbers or steps cannot be.
#include <gtest/gtest.h>

#include "core/random.h"
#include "numerics/tokens/tokenizer.h"
#include "support/damage.h"
#include "support/refusal.h"
#include "support/rounds.h"
#include "support/temporary_folder.h"

namespace moesim::numerics {
namespace {

class TokenizerReject : public ::testing::Test {
 protected:
  TemporaryFolder folder;
  /// What encoding "aa" is told, without the folder.
  std::string refused(const std::string& content) const {
    const std::string file = folder.write("t.json", content);
    const std::string message = test::refusal_of([&] { Tokenizer(file).encode("aa", "text"); });
    return message.starts_with(file) ? message.substr(folder.path().string().size() + 1) : message;
  }
};
const std::string kModel = R"("model":{"type":"BPE","vocab":{"a":0},"merges":[]})";

TEST_F(TokenizerReject, IdsDoNotWrap) {
  EXPECT_EQ(refused(R"({"model":{"vocab":{"a":4294967299}}})"),
            "t.json: the id of token \"a\": expected 0 to 2147483647, got 4294967299");
  EXPECT_EQ(refused(R"({"model":{"vocab":{"a":-1}}})"),
            "t.json: the id of token \"a\": expected 0 to 2147483647, got -1");
  EXPECT_EQ(refused("{" + kModel + R"(,"added_tokens":[{"content":"x","id":4294967299}]})"),
            "t.json: added_tokens: id: expected 0 to 2147483647, got 4294967299");
  EXPECT_EQ(refused("{" + kModel + "}"), "accepted");
}

TEST_F(TokenizerReject, StepsDoNotGrowWithoutEnd) {
  std::string doubling, visible;
  for (int i = 0; i < 60; ++i) {
    doubling += std::string(i > 0 ? "," : "") + R"({"type":"Replace","pattern":{"String":"a"},"content":"aa"})";
    visible += std::string(i > 0 ? "," : "") + R"({"type":"ByteLevel","use_regex":false})";
  }
  EXPECT_EQ(refused("{" + kModel + R"(,"normalizer":{"type":"Sequence","normalizers":[)" + doubling + "]}}"),
            "t.json: its steps make 131072 bytes of a text of 2, expected at most 32 times as many");
  EXPECT_NE(refused("{" + kModel + R"(,"pre_tokenizer":{"type":"Sequence","pretokenizers":[)" + visible + "]}}")
                .find("bytes of a text of 2, expected at most 32 times as many"),
            std::string::npos);
  const std::string long_text(100'000, 'b');
  EXPECT_EQ(refused("{" + kModel + R"(,"normalizer":{"type":"Replace","pattern":{"String":"a"},"content":")" +
                    long_text + R"("}})"),
            "t.json: its steps make 100000 bytes of a text of 2, expected at most 32 times as many");
}

TEST_F(TokenizerReject, PatternsMatchWholeCharacters) {
  EXPECT_EQ(
      refused("{" + kModel + R"(,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\C"},"behavior":"Isolated"}})"),
      "t.json: Split: \\C in a pattern is not implemented: \\C");
}

TEST_F(TokenizerReject, DamageIsRefusedOrHarmless) {
  const std::string good = R"({"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Prepend",)"
                           R"("prepend":"_"}]},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},)"
                           R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"s"}},)"
                           R"({"Sequence":{"id":"A"}}],"special_tokens":{"s":{"ids":[2]}}},)"
                           R"("added_tokens":[{"id":2,"content":"s","normalized":false}],)"
                           R"("model":{"type":"BPE","unk_token":"_","vocab":{"a":0,"aa":1,"_":3},"merges":["a a"]}})";
  Random random(14, "tokenizers");
  EXPECT_EQ(refused(good), "accepted");
  for (int round = 0; round < test::rounds(1000); ++round) (void)refused(test::damaged_text(good, random));
}
}  // namespace
}  // namespace moesim::numerics
