#include "serving/traces/row_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/config.h"

namespace moesim {
namespace {
void split(std::string_view line, std::vector<std::string_view>& out) {
  out.clear();
  std::size_t start = 0;
  bool quoted = false;
  for (std::size_t i = 0; i <= line.size(); ++i) {
    if (i < line.size() && line[i] == '"') quoted = !quoted;
    if (i < line.size() && (line[i] != ',' || quoted)) continue;
    std::string_view field = line.substr(start, i - start);
    if (field.size() >= 2 && field.front() == '"' && field.back() == '"') field = field.substr(1, field.size() - 2);
    out.push_back(field);
    start = i + 1;
  }
}

bool number(std::string_view text, double& out) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return !text.empty() && error == std::errc{} && end == text.data() + text.size() && std::isfinite(out);
}

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

RowFile::RowFile(const std::string& file) : file_(file), in_(file, std::ios::binary) {
  if (!in_ || in_.peek() == std::ifstream::traits_type::eof()) {
    in_.clear();
    throw ConfigError(fmt::format("{}: {}", file, std::ifstream(file) ? "is empty or not a file" : "no such file"));
  }
}

bool RowFile::next() {
  while (std::getline(in_, line_)) {
    if (++row_ == 1 && line_.starts_with("\xef\xbb\xbf")) line_.erase(0, 3);
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    if (line_.find_first_not_of(" \t") != std::string::npos) return true;
  }
  return false;
}

void RowFile::fail(std::string_view problem) const {
  throw ConfigError(fmt::format("{}:{}: {}", file_, row_, problem));
}

CsvFile::CsvFile(const std::string& file) : rows_(file) {
  if (!rows_.next()) rows_.fail("expected a line of column names, found nothing");
  header_ = rows_.line();
  split(header_, names_);
}

bool CsvFile::has(std::string_view column) const { return std::ranges::find(names_, column) != names_.end(); }

std::size_t CsvFile::column(std::string_view name) const {
  const auto found = std::ranges::find(names_, name);
  if (found == names_.end())
    rows_.fail(fmt::format("missing column \"{}\"{}", name, suggestion(name, names_, "there are")));
  return std::size_t(found - names_.begin());
}

bool CsvFile::next() {
  if (!rows_.next()) return false;
  split(rows_.line(), fields_);
  if (fields_.size() != names_.size())
    rows_.fail(fmt::format("expected {} fields as in the header, got {}", names_.size(), fields_.size()));
  return true;
}

int CsvFile::count(std::size_t column) const {
  double value = 0;
  if (!number(fields_[column], value) || value != std::floor(value))
    rows_.fail(fmt::format("{}: expected a whole number, got \"{}\"", names_[column], fields_[column]));
  if (value < 0) rows_.fail(fmt::format("{}: must not be negative, got {}", names_[column], fields_[column]));
  if (value > 1e9) rows_.fail(fmt::format("{}: is beyond 10^9, got {}", names_[column], fields_[column]));
  return int(value);
}

double CsvFile::seconds(std::size_t column) const {
  double value = 0;
  if (!number(fields_[column], value))
    rows_.fail(fmt::format("{}: expected a number of seconds, got \"{}\"", names_[column], fields_[column]));
  if (value < 0) rows_.fail(fmt::format("{}: a time must not be negative, got {}", names_[column], fields_[column]));
  return value;
}

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
}  // namespace moesim
