// Regular expressions of tokenizers on UTF-8 text: the only file that knows PCRE2.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace moesim::numerics {

/// A stretch of bytes [begin, end) of a text.
struct TextRange {
  std::size_t begin = 0, end = 0;
};

class TextPattern {
 public:
  /// expression: as Hugging Face's tokenizers write them, which run on Oniguruma; what the two engines read
  /// differently is refused: sets within classes, \w, \b, \h, \R, \X, \K, ^ and $.
  /// where: begins the message.  Throws ConfigError if it cannot be compiled.
  TextPattern(const std::string& expression, const std::string& where);
  ~TextPattern();
  TextPattern(TextPattern&&) noexcept;

  /// All matches, left to right, not overlapping; empty ones are left out.  text: valid UTF-8.
  std::vector<TextRange> matches(std::string_view text) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

/// The expression that matches `text` and nothing else.
std::string escaped_pattern(std::string_view text);
}  // namespace moesim::numerics
