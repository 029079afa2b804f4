#include "compute/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/check.h"
#include "core/config.h"
#include "core/files.h"
#include "core/lines.h"

namespace moesim {
Csv::Csv(const std::string& file, const std::vector<std::string_view>& required) : file_(file) {
  const std::string text = read_file(file);
  int header_line = 1;
  for_each_line(text, [&](int number, std::string_view line) {
    if (line.empty() || line.front() == '#') return;
    const std::vector<std::string_view> views = split_cells(line);
    std::vector<std::string> cells(views.begin(), views.end());
    if (header_.empty()) {
      header_ = std::move(cells);
      header_line = number;
      for (const std::string& column : header_)
        if (std::ranges::count(header_, column) > 1)
          throw ConfigError::placed(fmt::format("{}:{}: column \"{}\" appears twice", file, number, column));
      return;
    }
    if (cells.size() != header_.size())
      throw ConfigError::placed(
          fmt::format("{}:{}: expected {} cells, found {}", file, number, header_.size(), cells.size()));
    cells_.push_back(std::move(cells));
    lines_.push_back(std::size_t(number));
  });
  if (header_.empty())
    throw ConfigError::placed(file + ": expected a header line with column names, the file is empty");
  for (const std::string_view column : required)
    if (std::find(header_.begin(), header_.end(), column) == header_.end())
      throw ConfigError::placed(fmt::format("{}:{}: missing column \"{}\"; there are: {}", file, header_line, column,
                                            fmt::join(header_, ", ")));
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
  throw ConfigError::placed(fmt::format("{}:{}: {}", file_, lines_.at(row), problem));
}
}  // namespace moesim
