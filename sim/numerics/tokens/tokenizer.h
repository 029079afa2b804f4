// Text to token ids as a Hugging Face tokenizer.json says, with the ids of the original.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "numerics/tokens/bpe.h"
#include "numerics/tokens/tokenizer_steps.h"

namespace moesim::numerics {

/// Byte-pair encoding, of bytes (GPT-2 and what followed: DeepSeek, Qwen, Llama-3, gpt-oss) or of characters with
/// byte fallback (Llama-2, Mixtral).
class Tokenizer {
 public:
  /// file: a tokenizer.json.  Throws ConfigError "FILE: ..." naming whatever in it is not implemented, or does not fit.
  explicit Tokenizer(const std::string& file);

  /// Added tokens are matched first, the leftmost and longest, as in the original; then what is between them is
  /// normalised, cut into words and encoded; the template's special tokens come around it all (Llama's <s>).
  /// text: throws ConfigError "NAME: ..." with the offset if it is not UTF-8.  progress: told of bytes done, ascending;
  /// within plain text they are estimated from the words done, each 64 KiB or less apart once it is cut into words.
  /// Source: the tokenizers library, tokenizer/mod.rs and added_vocabulary.rs.
  std::vector<int> encode(std::string_view text, const std::string& name,
                          const std::function<void(std::size_t)>& progress = {});

  const std::string& file() const { return file_; }

 private:
  struct Added {
    std::string text;
    int id = 0;
  };
  using Share = std::function<void(double)>;  // told which share of a text is done
  void encode_plain(std::string_view text, bool first, std::vector<int>& ids, const Share& share);
  void encode_normalised(const std::string& text, bool first, std::vector<int>& ids, const Share& share);
  static std::size_t find(std::string_view text, std::size_t from, const std::vector<Added>& tokens,
                          const Added*& found);

  std::string file_;
  std::vector<Added> raw_, normalised_;  // matched before and after normalisation; longest first
  Normalise normalise_;
  CutUp cut_;
  std::unique_ptr<Bpe> bpe_;
  std::vector<int> before_, after_;
};
}  // namespace moesim::numerics
