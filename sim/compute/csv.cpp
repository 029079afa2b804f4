#include "compute/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/check.h"
#include "core/config.h"
#include "core/files.h"

namespace moesim {
namespace {
std::vector<std::string> split(std::string_view line) {
  std::vector<std::string> out;
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  for (;;) {
    const std::size_t comma = line.find(',');
    std::string_view cell = line.substr(0, comma);
    while (!cell.empty() && cell.front() == ' ') cell.remove_prefix(1);
    while (!cell.empty() && cell.back() == ' ') cell.remove_suffix(1);
    out.emplace_back(cell);
    if (comma == std::string_view::npos) return out;
    line.remove_prefix(comma + 1);
  }
}
}  // namespace

Csv::Csv(const std::string& file, const std::vector<std::string_view>& required) : file_(file) {
  const std::string text = read_file(file);
  std::size_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    ++number;
    if (line.empty() || line.front() == '#' || line == "\r") continue;
    std::vector<std::string> cells = split(line);
    if (header_.empty()) {
      header_ = std::move(cells);
      continue;
    }
    if (cells.size() != header_.size())
      throw ConfigError(fmt::format("{}:{}: expected {} cells, found {}", file, number, header_.size(), cells.size()));
    cells_.push_back(std::move(cells));
    lines_.push_back(number);
  }
  if (header_.empty()) throw ConfigError(file + ": expected a header line with column names, the file is empty");
  for (const std::string_view column : required)
    if (std::find(header_.begin(), header_.end(), column) == header_.end())
      throw ConfigError(
          fmt::format("{}:1: missing column \"{}\"; there are: {}", file, column, fmt::join(header_, ", ")));
}

std::size_t Csv::find(std::string_view column) const {
  const auto at = std::find(header_.begin(), header_.end(), column);
  check(at != header_.end(), "{} was read without requiring column {}", file_, column);
  return std::size_t(at - header_.begin());
}

const std::string& Csv::text(std::size_t row, std::string_view column) const { return cells_.at(row)[find(column)]; }

double Csv::number(std::size_t row, std::string_view column) const {
  const std::string& cell = text(row, column);
  double out = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), out);
  if (error != std::errc{} || end != cell.data() + cell.size())
    fail(row, fmt::format("{}: expected a number, got \"{}\"", column, cell));
  return out;
}

std::int64_t Csv::integer(std::size_t row, std::string_view column) const {
  const std::string& cell = text(row, column);
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), out);
  if (error != std::errc{} || end != cell.data() + cell.size())
    fail(row, fmt::format("{}: expected an integer, got \"{}\"", column, cell));
  return out;
}

void Csv::fail(std::size_t row, std::string_view problem) const {
  throw ConfigError(fmt::format("{}:{}: {}", file_, lines_.at(row), problem));
}
}  // namespace moesim
