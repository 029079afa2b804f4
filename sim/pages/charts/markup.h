// HTML that what is put into it cannot break: text is escaped where it enters, once.
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace moesim::pages {

/// Text of others as part of a page, in an element or in an attribute in double quotes: markup is written out, what is
/// not UTF-8 or would steer a terminal replaced.
std::string escaped(std::string_view text);

/// Finished markup.  Only html() makes it.
class Html {
 public:
  Html() = default;
  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  Html& operator+=(const Html& more) {
    text_ += more.text_;
    return *this;
  }

 private:
  friend Html html_of(std::string&& text);
  explicit Html(std::string text) : text_(std::move(text)) {}
  std::string text_;
};
/// For html() alone.
inline Html html_of(std::string&& text) { return Html(std::move(text)); }

inline const std::string& shown(const Html& h) { return h.text(); }
inline std::string shown(std::string_view text) { return escaped(text); }
template <class T>
requires std::is_arithmetic_v<T> T shown(T number) { return number; }

/// `format` is ours and holds the markup; arguments are Html, numbers, or text, which is escaped.
template <class... A>
Html html(fmt::format_string<std::decay_t<decltype(shown(std::declval<const A&>()))>...> format,
          const A&... arguments) {
  return html_of(fmt::vformat(fmt::string_view(format), fmt::make_format_args(shown(arguments)...)));
}

/// A text whose long names may be broken behind each "_".
Html breakable(std::string_view text);
/// A coordinate or share: at most three digits behind the point, "0" for what is no finite number.
std::string coordinate(double value);
/// Of a share from 0 to 1: "41.667%".
std::string percent(double share);
}  // namespace moesim::pages
