#include "serving/traces/moment.h"

namespace moesim::serving {
namespace {
/// Reads exactly `digits` digits and drops them.
bool digits(std::string_view& text, int digits, std::int64_t& out) {
  if (int(text.size()) < digits) return false;
  out = 0;
  for (int i = 0; i < digits; ++i) {
    const char c = text[std::size_t(i)];
    if (c < '0' || c > '9') return false;
    out = out * 10 + (c - '0');
  }
  text.remove_prefix(std::size_t(digits));
  return true;
}

bool skip(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

/// Days from 1970-01-01 (Hinnant's days_from_civil).
std::int64_t days(std::int64_t y, std::int64_t m, std::int64_t d) {
  y -= m <= 2;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
  const std::int64_t of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool zone(std::string_view text, std::int64_t& offset) {
  offset = 0;
  if (text.empty() || text == "Z" || text == " UTC") return true;
  const bool west = text.front() == '-';
  std::int64_t hour = 0, minute = 0;
  if (!skip(text, "+-") || !digits(text, 2, hour)) return false;
  if (!text.empty()) {
    skip(text, ":");
    if (!digits(text, 2, minute)) return false;
  }
  offset = (west ? -1 : 1) * (hour * 3600 + minute * 60);
  return text.empty();
}
}  // namespace

bool parse_moment(std::string_view text, Moment& out) {
  std::int64_t year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (!digits(text, 4, year) || !skip(text, "-") || !digits(text, 2, month) || !skip(text, "-") ||
      !digits(text, 2, day) || !skip(text, " T") || !digits(text, 2, hour) || !skip(text, ":") ||
      !digits(text, 2, minute) || !skip(text, ":") || !digits(text, 2, second))
    return false;
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return false;
  std::int64_t fraction = 0, unit = 1'000'000'000'000;
  if (skip(text, ".")) {
    std::int64_t digit = 0;
    while (digits(text, 1, digit)) fraction += digit * (unit /= 10);
  }
  std::int64_t offset = 0;
  if (!zone(text, offset)) return false;
  out = {days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset, fraction};
  return true;
}
}  // namespace moesim::serving
