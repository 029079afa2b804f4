#include "placement/files/load_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/config.h"
#include "formats/csv.h"
#include "formats/json.h"
#include "formats/npy.h"
#include "placement/files/recognise.h"

namespace moesim::placement {
namespace {
constexpr int kMostExperts = 1 << 20;
constexpr double kMostCounts = 1 << 24;  // that layers left out may stand for

class LoadReader {
 public:
  explicit LoadReader(const std::string& file) : file_(file) {}

  Loads read() {
    const std::string head = formats::ByteFile(file_).head(4096);
    const std::size_t start = head.find_first_not_of(" \t\r\n");
    if (start == std::string::npos) fail("is empty");
    if (formats::is_npy(head))
      from_npy();
    else if (head[start] == '{' || head[start] == '[')
      from_json();
    else
      from_csv();
    if (counts_.empty()) fail("holds no layer");
    const int layers = int(counts_.size()) / experts_;
    return loads_of_matrix(file_, layers, experts_, std::move(counts_));
  }
  std::optional<std::int64_t> rank() const { return rank_; }

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
    const formats::ArraySource array = formats::npy_array(file_);
    const std::size_t rank = array.shape.size();
    if (rank != 2 && rank != 3) fail("expected [layers, experts] or [steps, layers, experts], got {} dimensions", rank);
    if (array.shape.back() > kMostExperts) fail("{} experts, expected at most {}", array.shape.back(), kMostExperts);
    experts_ = int(array.shape.back());
    const auto layer_size = std::size_t(array.shape[rank - 2]) * std::size_t(array.shape[rank - 1]);
    std::vector<double> values;
    array.read_reals(0, array.shape[0], values);
    if (values.empty()) fail("holds no layer");
    counts_.assign(layer_size, 0);
    for (std::size_t i = 0; i < values.size(); ++i) add(i % layer_size, values[i]);
  }

  void from_json() {
    placement::refuse_placement(file_, "counts");
    const formats::JsonValue root = formats::read_json(file_);
    for (const char* key : {"rank", "ep_rank", "dp_rank"})
      if (root.is_object() && root.contains(key) && root[key].is_number_integer())
        rank_ = root[key].get<std::int64_t>();
    const formats::JsonValue& matrix = root.is_object() ? formats::JsonObject(root, file_).at("logical_count") : root;
    if (!matrix.is_array() || matrix.empty() || !matrix[0].is_array() || matrix[0].empty())
      fail("expected a matrix [layers][experts] or [steps][layers][experts]");
    if (!matrix[0][0].is_array()) return add_step(matrix);
    for (const formats::JsonValue& step : matrix) add_step(step);
  }
  void add_step(const formats::JsonValue& step) {
    if (!step.is_array() || step.empty()) fail("expected a list of layers in every step");
    const bool first = counts_.empty();
    std::size_t at = 0;
    for (std::size_t layer = 0; layer < step.size(); ++layer) {
      const formats::JsonValue& row = step[layer];
      if (!row.is_array() || row.empty()) fail("layer {}: expected a list of counts", layer);
      if (first && layer == 0) experts_ = int(row.size());
      if (row.size() != std::size_t(experts_))
        fail("layer {} has {} experts, but layer 0 has {}", layer, row.size(), experts_);
      for (const formats::JsonValue& count : row) {
        if (!count.is_number())
          fail("layer {}, expert {}: expected a number, got {}", layer, &count - &row[0], formats::shown(count));
        if (first) counts_.push_back(0);
        if (at < counts_.size()) add(at, count.get<double>());
        ++at;
      }
    }
    if (at != counts_.size())
      fail("a step has {} layers, but the first has {}", step.size(), counts_.size() / std::size_t(experts_));
  }

  /// One row a layer, after a heading if there is one; its first cell may say that rows begin with a layer number, or
  /// be empty, where pandas wrote an index.
  void from_csv() {
    placement::refuse_placement(file_, "counts");
    formats::CsvFile csv(file_);
    bool numbered = false;
    while (csv.next()) {
      if (csv.lines().number() == 1 && heading(csv)) {
        numbered = csv.text(0) == "layer" || csv.text(0).empty();
        for (std::size_t c = 0; c < csv.cells(); ++c)
          if (csv.text(c) == "expert")
            csv.fail("has a line for each count; expected one a layer, with all its experts");
      } else {
        add_row(csv, numbered);
      }
    }
  }
  static bool heading(const formats::CsvFile& csv) {
    const std::string_view first = csv.text(0);
    return first.empty() ? csv.cells() > 1 && !csv.is_number(1) : std::isalpha(static_cast<unsigned char>(first[0]));
  }
  void add_row(const formats::CsvFile& csv, bool numbered) {
    const int experts = int(csv.cells()) - numbered;
    if (experts < 1) csv.fail("no counts");
    if (experts_ == 0) experts_ = experts;
    if (experts != experts_) csv.fail(fmt::format("{} experts, but the first layer has {}", experts, experts_));
    if (numbered) {
      const double layer = csv.number(0), done = double(counts_.size() / std::size_t(experts_));
      if (layer != std::floor(layer) || layer < done || layer > 10000)
        csv.fail(fmt::format("expected a layer number of at least {}, got {}", done, layer));
      if (layer * experts_ > kMostCounts)
        csv.fail(fmt::format("layer {}: too many layers of {} experts", layer, experts_));
      counts_.resize(std::size_t(layer) * std::size_t(experts_), 0);  // layers left out are dense
    }
    for (std::size_t c = numbered; c < csv.cells(); ++c) counts_.push_back(csv.number(c));
  }

  const std::string& file_;
  std::optional<std::int64_t> rank_;
  int experts_ = 0;
  std::vector<double> counts_;  // (layers, experts)
};
}  // namespace

std::vector<int> loaded_experts(const Loads& loads) {
  std::vector<int> out;
  for (int e = 0; e < loads.experts; ++e)
    for (std::size_t row = 0; row < loads.rows(); ++row)
      if (loads.row(row)[std::size_t(e)] > 0) {
        out.push_back(e);
        break;
      }
  return out;
}

Loads read_loads(const std::string& file, std::optional<std::int64_t>* rank) {
  LoadReader reader(file);
  Loads out = reader.read();
  out.name = std::filesystem::path(file).stem().string();
  if (rank) *rank = reader.rank();
  return out;
}
}  // namespace moesim::placement
