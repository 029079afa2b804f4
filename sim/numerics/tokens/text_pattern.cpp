#define PCRE2_CODE_UNIT_WIDTH 8
#include "numerics/tokens/text_pattern.h"

#include <fmt/format.h>
#include <pcre2.h>

#include "core/config.h"

namespace moesim::numerics {
namespace {
/// Unicode's White_Space, which PCRE2's own \s has one character more than.
constexpr std::string_view kSpaces =
    R"(\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
constexpr std::string_view kRefused = "wWbBhHRXKGAzZC";

/// The expression in PCRE2's terms.
std::string translate(const std::string& expression, const std::string& where) {
  const auto refuse = [&](std::string_view what) {
    throw ConfigError(fmt::format("{}: {} in a pattern is not implemented: {}", where, what, expression));
  };
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i], next = i + 1 < expression.size() ? expression[i + 1] : '\0';
    if (c == '\\') {
      ++i;
      if (kRefused.find(next) != std::string_view::npos) refuse(fmt::format("\\{}", next));
      if (next == 's')
        out += in_class ? std::string(kSpaces) : fmt::format("[{}]", kSpaces);
      else if (next == 'S' && !in_class)
        out += fmt::format("[^{}]", kSpaces);
      else
        (out += c) += next;
      continue;
    }
    if (in_class && (c == '[' || (c == '&' && next == '&'))) refuse("a set within a class");
    if (!in_class && (c == '^' || c == '$')) refuse(fmt::format("\"{}\"", c));
    out += c;
    if (c == '[' && !in_class) {
      in_class = true;
      if (next == '^') out += expression[++i];
    } else if (c == ']') {
      in_class = false;
    }
  }
  return out;
}

std::string message_of(int error) {
  PCRE2_UCHAR text[200] = {};
  pcre2_get_error_message(error, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}
}  // namespace

struct TextPattern::Compiled {
  pcre2_code* code = nullptr;
  pcre2_match_data* found = nullptr;
  std::string where;
  ~Compiled() {
    pcre2_match_data_free(found);
    pcre2_code_free(code);
  }
};

TextPattern::TextPattern(const std::string& expression, const std::string& where)
    : compiled_(std::make_unique<Compiled>()) {
  const std::string ours = translate(expression, where);
  int error = 0;
  PCRE2_SIZE at = 0;
  compiled_->where = where;
  compiled_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(ours.data()), ours.size(),
                                  PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &at, nullptr);
  if (compiled_->code == nullptr)
    throw ConfigError(fmt::format("{}: not a regular expression ({}): {}", where, message_of(error), expression));
  pcre2_jit_compile(compiled_->code, PCRE2_JIT_COMPLETE);  // only for speed
  compiled_->found = pcre2_match_data_create_from_pattern(compiled_->code, nullptr);
}
TextPattern::~TextPattern() = default;
TextPattern::TextPattern(TextPattern&&) noexcept = default;

std::vector<TextRange> TextPattern::matches(std::string_view text) const {
  std::vector<TextRange> out;
  const auto* bytes = reinterpret_cast<PCRE2_SPTR>(text.data());
  const auto match = [&](std::size_t at, std::uint32_t options) {
    return pcre2_match(compiled_->code, bytes, text.size(), at, options | PCRE2_NO_UTF_CHECK, compiled_->found,
                       nullptr);
  };
  for (std::size_t at = 0; at < text.size();) {
    int result = match(at, 0);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(at, PCRE2_NO_JIT);
    if (result == PCRE2_ERROR_NOMATCH) break;
    if (result < 0)
      throw ConfigError(
          fmt::format("{}: the pattern fails at byte {} of a text: {}", compiled_->where, at, message_of(result)));
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(compiled_->found);
    if (ends[1] > ends[0]) {
      out.push_back({ends[0], ends[1]});
      at = ends[1];
      continue;
    }
    at = ends[1] + 1;  // past an empty match: the next character
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) ++at;
  }
  return out;
}

std::string escaped_pattern(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view(R"(\.[]{}()*+?|^$-&)").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}
}  // namespace moesim::numerics
