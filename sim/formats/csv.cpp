#include "formats/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "core/check.h"
#include "core/config.h"
#include "core/utf8.h"

namespace moesim::formats {
namespace {
constexpr std::size_t kMostCells = 1 << 20;     // of a line: one an expert, and a few
constexpr std::uint64_t kMostBytes = 64 << 20;  // of a table that is read whole

std::string_view trimmed(std::string_view cell) {
  while (cell.starts_with(' ')) cell.remove_prefix(1);
  while (cell.ends_with(' ')) cell.remove_suffix(1);
  return cell;
}

/// Returns false if there are more cells than a line may have.
bool split(std::string_view line, std::string_view separators, std::vector<std::string_view>& out) {
  out.clear();
  std::size_t start = 0;
  bool quoted = false;
  for (std::size_t i = 0; i <= line.size(); ++i) {
    if (i < line.size() && line[i] == '"') quoted = !quoted;
    if (i < line.size() && (quoted || separators.find(line[i]) == std::string_view::npos)) continue;
    std::string_view cell = trimmed(line.substr(start, i - start));
    if (cell.size() >= 2 && cell.front() == '"' && cell.back() == '"') cell = cell.substr(1, cell.size() - 2);
    if (out.size() == kMostCells) return false;
    out.push_back(cell);
    start = i + 1;
  }
  return true;
}

template <class T>
bool parse_whole(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}
bool parse_number(std::string_view text, double& out) { return parse_whole(text, out) && std::isfinite(out); }
std::string no_number(std::string_view expected, std::string_view cell) {
  return fmt::format("expected {}, got \"{}\"", expected, cell);
}
}  // namespace

CsvFile::CsvFile(const std::string& file, std::string_view separators) : CsvFile(LineFile(file), separators) {}

CsvFile::CsvFile(LineFile lines, std::string_view separators) : lines_(std::move(lines)), separators_(separators) {}

void CsvFile::read_names() {
  if (!next())
    throw ConfigError::placed(
        fmt::format("{}: expected a header line with column names, the file is empty", lines_.name()));
  std::set<std::string_view> seen;
  for (const std::string_view name : cells_) {
    if (!name.empty() && !seen.insert(name).second) fail(fmt::format("column \"{}\" appears twice", name));
    names_.emplace_back(name);
  }
}

bool CsvFile::next() {
  do {
    if (!lines_.next()) return false;
  } while (lines_.line().starts_with('#'));
  if (!split(lines_.line(), separators_, cells_)) fail(fmt::format("the line has more than {} cells", kMostCells));
  if (!names_.empty() && cells_.size() != names_.size())
    fail(fmt::format("expected {} cells as in the header, got {}", names_.size(), cells_.size()));
  return true;
}

bool CsvFile::has(std::string_view name) const { return std::ranges::find(names_, name) != names_.end(); }

std::size_t CsvFile::column(std::string_view name) const {
  const auto found = std::ranges::find(names_, name);
  if (found == names_.end())
    fail(fmt::format("missing column \"{}\"{}", name, suggestion(name, {names_.begin(), names_.end()}, "there are")));
  return std::size_t(found - names_.begin());
}

void CsvFile::fail(std::size_t column, std::string_view problem) const {
  fail(names_.empty() ? std::string(problem) : fmt::format("{}: {}", names_[column], problem));
}

bool CsvFile::is_number(std::size_t column) const {
  double unused = 0;
  return parse_number(cells_[column], unused);
}

double CsvFile::number(std::size_t column) const {
  double out = 0;
  if (!parse_number(cells_[column], out)) fail(column, no_number("a number", cells_[column]));
  return out;
}

std::int64_t CsvFile::integer(std::size_t column) const {
  std::int64_t out = 0;
  if (!parse_whole(cells_[column], out)) fail(column, no_number("an integer", cells_[column]));
  return out;
}

int CsvFile::count(std::size_t column) const {
  double value = 0;
  if (!parse_number(cells_[column], value) || value != std::floor(value))
    fail(column, no_number("a whole number", cells_[column]));
  if (value < 0) fail(column, fmt::format("must not be negative, got {}", cells_[column]));
  if (value > 1e9) fail(column, fmt::format("is beyond 10^9, got {}", cells_[column]));
  return int(value);
}

double CsvFile::seconds(std::size_t column) const {
  double value = 0;
  if (!parse_number(cells_[column], value)) fail(column, no_number("a number of seconds", cells_[column]));
  if (value < 0) fail(column, fmt::format("a time must not be negative, got {}", cells_[column]));
  return value;
}

CsvTable::CsvTable(const std::string& file, const std::vector<std::string_view>& required) : file_(file) {
  if (ByteFile(file).size() > kMostBytes)
    throw ConfigError::placed(fmt::format("{}: is larger than {} MiB", file, kMostBytes >> 20));
  CsvFile csv(file);
  csv.read_names();
  for (const std::string_view column : required) (void)csv.column(column);
  names_ = csv.names();
  while (csv.next()) {
    lines_.push_back(std::uint32_t(csv.lines().number()));
    for (std::size_t c = 0; c < names_.size(); ++c) {
      text_ += csv.text(c);
      ends_.push_back(std::uint32_t(text_.size()));
    }
  }
}

std::string_view CsvTable::text(std::size_t row, std::string_view column) const {
  const auto found = std::ranges::find(names_, column);
  check(found != names_.end() && row < rows(), "{} was read without requiring column {}", file_, column);
  const std::size_t cell = row * names_.size() + std::size_t(found - names_.begin());
  const std::size_t begin = cell == 0 ? 0 : ends_[cell - 1];
  return std::string_view(text_).substr(begin, ends_[cell] - begin);
}

double CsvTable::number(std::size_t row, std::string_view column) const {
  double out = 0;
  if (!parse_number(text(row, column), out))
    fail(row, fmt::format("{}: {}", column, no_number("a number", text(row, column))));
  return out;
}

std::int64_t CsvTable::integer(std::size_t row, std::string_view column) const {
  std::int64_t out = 0;
  if (!parse_whole(text(row, column), out))
    fail(row, fmt::format("{}: {}", column, no_number("an integer", text(row, column))));
  return out;
}

std::int64_t CsvTable::integer(std::size_t row, std::string_view column, std::int64_t low, std::int64_t high) const {
  const std::int64_t out = integer(row, column);
  if (out < low || out > high) fail(row, fmt::format("{}: expected {} to {}, got {}", column, low, high, out));
  return out;
}

void CsvTable::fail(std::size_t row, std::string_view problem) const {
  throw ConfigError::placed(one_line(fmt::format("{}:{}: {}", file_, lines_.at(row), problem)));
}
}  // namespace moesim::formats
