#include "study/load_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/config.h"
#include "core/files.h"
#include "core/lines.h"
#include "numerics/npy.h"

namespace moesim {
namespace {
using Json = nlohmann::json;

class Reader {
 public:
  explicit Reader(const std::string& file) : file_(file) {}

  Loads read() {
    const std::string text = read_file(file_);
    const std::size_t start = text.find_first_not_of(" \t\r\n");
    if (start == std::string::npos) fail("is empty");
    if (text.starts_with("\x93NUMPY"))
      from_npy();
    else if (text[start] == '{' || text[start] == '[')
      from_json(text);
    else
      from_csv(text);
    if (counts_.empty()) fail("holds no layer");
    const int layers = int(counts_.size()) / experts_;
    return loads_of_matrix(file_, layers, experts_, std::move(counts_));
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw ConfigError::placed(file_ + ": " + fmt::format(format, std::forward<Args>(args)...));
  }

  /// Adds a step's count.
  void add(std::size_t at, double count) {
    check_count(file_, int(at) / experts_, int(at) % experts_, count);
    counts_[at] += count;
  }

  void from_npy() {
    const NumberArray array = read_npy_numbers(file_);
    const std::size_t rank = array.shape.size();
    if (rank != 2 && rank != 3) fail("expected [layers, experts] or [steps, layers, experts], got {} dimensions", rank);
    experts_ = int(std::min<std::int64_t>(array.shape.back(), 1 << 20));
    const auto layer_size = std::size_t(array.shape[rank - 2]) * std::size_t(array.shape[rank - 1]);
    if (layer_size == 0 || array.values.empty()) fail("holds no layer");
    counts_.assign(layer_size, 0);
    for (std::size_t i = 0; i < array.values.size(); ++i) add(i % layer_size, array.values[i]);
  }

  void from_json(const std::string& text) {
    Json root;
    try {
      root = Json::parse(text);
    } catch (const Json::parse_error& e) {
      fail("is not JSON: byte {}", e.byte);
    } catch (const Json::out_of_range&) {
      fail("is not JSON: a number is too large");
    }
    if (root.is_object() && !root.contains("logical_count")) fail("missing key \"logical_count\"");
    const Json& matrix = root.is_object() ? root["logical_count"] : root;
    if (!matrix.is_array() || matrix.empty() || !matrix[0].is_array() || matrix[0].empty())
      fail("expected a matrix [layers][experts] or [steps][layers][experts]");
    if (!matrix[0][0].is_array()) return add_step(matrix);
    for (const Json& step : matrix) add_step(step);
  }
  void add_step(const Json& step) {
    if (!step.is_array() || step.empty()) fail("expected a list of layers in every step");
    const bool first = counts_.empty();
    std::size_t at = 0;
    for (std::size_t layer = 0; layer < step.size(); ++layer) {
      const Json& row = step[layer];
      if (!row.is_array()) fail("layer {}: expected a list of counts", layer);
      if (first && layer == 0) experts_ = int(row.size());
      if (row.size() != std::size_t(experts_))
        fail("layer {} has {} experts, but layer 0 has {}", layer, row.size(), experts_);
      for (const Json& count : row) {
        if (!count.is_number())
          fail("layer {}, expert {}: expected a number, got {}", layer, &count - &row[0], count.dump());
        if (first) counts_.push_back(0);
        if (at < counts_.size()) add(at, count.get<double>());
        ++at;
      }
    }
    if (at != counts_.size())
      fail("a step has {} layers, but the first has {}", step.size(), counts_.size() / std::size_t(experts_));
  }

  double number(std::string_view cell, int line) const {
    double out = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), out);
    if (error != std::errc() || end != cell.data() + cell.size()) fail("{}: expected a number, got \"{}\"", line, cell);
    return out;
  }
  void from_csv(const std::string& text) {
    bool numbered = false;
    for_each_line(text, [&](int line, std::string_view row) {
      if (row.empty()) return;
      const std::vector<std::string_view> cells = split_cells(row);
      if (line == 1 && std::isalpha(static_cast<unsigned char>(row[0]))) {
        numbered = cells[0] == "layer";
        return;
      }
      std::vector<double> counts;
      for (const std::string_view cell : cells) counts.push_back(number(cell, line));
      add_line(counts, numbered, line);
    });
  }
  void add_line(std::vector<double>& cells, bool numbered, int line) {
    const int experts = int(cells.size()) - numbered;
    if (experts < 1) fail("{}: no counts", line);
    if (experts_ == 0) experts_ = experts;
    if (experts != experts_) fail("{}: {} experts, but the first layer has {}", line, experts, experts_);
    if (numbered) {
      const auto done = double(counts_.size() / std::size_t(experts_));
      if (cells[0] != std::floor(cells[0]) || cells[0] < done || cells[0] > 10000)
        fail("{}: expected a layer number of at least {}, got {}", line, done, cells[0]);
      counts_.resize(std::size_t(cells[0]) * std::size_t(experts_), 0);  // layers left out are dense
    }
    counts_.insert(counts_.end(), cells.begin() + numbered, cells.end());
  }

  const std::string& file_;
  int experts_ = 0;
  std::vector<double> counts_;  // (layers, experts)
};
}  // namespace

Loads read_loads(const std::string& file) {
  Loads out = Reader(file).read();
  out.name = std::filesystem::path(file).stem().string();
  return out;
}
}  // namespace moesim
