#include "numerics/weights/assemble.h"

#include <fmt/format.h>
#include <regex.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "core/files.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "formats/safetensors_writer.h"
#include "numerics/weights/new_folder.h"
#include "numerics/weights/parents.h"
#include "numerics/weights/tensor_values.h"

namespace moesim::numerics {
namespace {
namespace fs = std::filesystem;
constexpr std::int64_t kPiece = 1 << 20;  // elements in memory at once, of each parent

/// A POSIX extended regular expression.
class Pattern {
 public:
  explicit Pattern(const std::string& text) {
    const int error = ::regcomp(&compiled_, text.c_str(), REG_EXTENDED | REG_NOSUB);
    if (error == 0) return;
    char message[200];
    ::regerror(error, &compiled_, message, sizeof message);
    throw ConfigError::placed(fmt::format("--tensors: \"{}\" is not a valid pattern: {}", text, message));
  }
  ~Pattern() { ::regfree(&compiled_); }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;
  bool matches(const std::string& name) const { return ::regexec(&compiled_, name.c_str(), 0, nullptr, 0) == 0; }

 private:
  regex_t compiled_;
};

std::string pattern_of(const std::string& tensors) {
  if (tensors == "all") return ".";
  if (tensors == "routed_experts") return "\\.experts\\.";
  return tensors;
}

class Assembler {
 public:
  Assembler(const AssemblyOptions& options, const Parents& parents)
      : options_(options), parents_(parents), pattern_(pattern_of(options.tensors)) {
    double sum = 0;
    for (const AssemblyParent& p : options.parents) sum += p.weight;
    for (const AssemblyParent& p : options.parents) shares_.push_back(p.weight / sum);
    for (const auto& [name, found] : parents_.first().tensors())
      result_.bytes += std::int64_t(found.tensor->bytes.size());
  }

  AssemblyResult write(const std::string& folder) {
    check_choice();
    formats::SafetensorsWriter writer(folder, plan(), options_.shard);
    Progress progress("assembling", std::uint64_t(result_.bytes), "B");
    std::uint64_t done = 0;
    for (const auto& [name, found] : parents_.first().tensors()) {
      stop_if_interrupted();
      parents_.check_whole();
      add(name, *found.tensor, writer);
      progress.at(done += found.tensor->bytes.size(), name);
    }
    writer.finish();
    result_.files = writer.files();
    return result_;
  }

 private:
  std::vector<formats::PlannedTensor> plan() const {
    std::vector<formats::PlannedTensor> out;
    for (const auto& [name, found] : parents_.first().tensors())
      out.push_back({name, found.tensor->type, found.tensor->shape});
    return out;
  }
  bool chosen(const std::string& name) const { return !parents_.is_scale(name) && pattern_.matches(name); }
  void check_choice() const {
    for (const auto& [name, found] : parents_.first().tensors()) {
      if (!chosen(name)) continue;
      if (found.tensor->type == formats::StoredType::u8 && name.ends_with("_blocks"))
        throw ConfigError(fmt::format("{}: tensor {} is MXFP4, which cannot be merged; use a BF16 release",
                                      found.file->file(), name));
      if (is_real(found.tensor->type)) return;
    }
    throw ConfigError::placed(
        fmt::format("--tensors: no tensor of {} matches \"{}\"", parents_.first().folder(), options_.tensors));
  }

  void add(const std::string& name, const formats::StoredTensor& first, formats::SafetensorsWriter& writer) {
    if (const auto made = scales_.find(name); made != scales_.end()) {
      writer.add(std::as_bytes(std::span(made->second)));
      scales_.erase(made);
      return;
    }
    if (parents_.is_scale(name)) return writer.add(first.bytes);
    ++result_.tensors;
    if (!chosen(name) || !is_real(first.type)) return writer.add(first.bytes);
    const double difference = largest_difference(name);
    if (difference > result_.largest_difference) {
      result_.largest_difference = difference;
      result_.largest_name = name;
    }
    if (options_.threshold > 0 && difference <= options_.threshold) {
      ++result_.below;
      return writer.add(first.bytes);
    }
    ++result_.merged;
    if (const int only = only_parent(); only >= 0) return copy(name, only, writer);
    merge(name, first, writer);
  }

  /// The parent that weighs everything, or -1.
  int only_parent() const {
    int found = -1;
    for (std::size_t p = 0; p < shares_.size(); ++p) {
      if (shares_[p] == 0) continue;
      if (found >= 0) return -1;
      found = int(p);
    }
    return found;
  }
  void copy(const std::string& name, int parent, formats::SafetensorsWriter& writer) {
    if (const formats::StoredTensor* scales = parents_.scales(parent, name)) {
      std::vector<float> values(std::size_t(scales->elements()));
      std::memcpy(values.data(), scales->bytes.data(), scales->bytes.size());
      scales_[name + "_scale_inv"] = std::move(values);
    }
    writer.add(parents_.tensor(parent, name).bytes);
  }

  /// Calls body(values of each parent) piece by piece, as wide as rows of 128 for FP8.
  template <class Body>
  void each_piece(const std::string& name, const Body& body) {
    const formats::StoredTensor& first = parents_.tensor(0, name);
    const bool scaled = parents_.scales(0, name) != nullptr;
    const std::int64_t columns = scaled ? first.shape.at(1) : 1, step = scaled ? kScaleBlock : kPiece;
    std::vector<std::vector<double>> values(shares_.size());
    for (std::int64_t at = 0; at * columns < first.elements(); at += step) {
      const std::int64_t count = std::min(step, first.elements() / columns - at);
      for (std::size_t p = 0; p < values.size(); ++p) {
        if (p > 0 && shares_[p] == 0) continue;
        if (scaled) {
          read_scaled(parents_.tensor(int(p), name), *parents_.scales(int(p), name), at, count, values[p]);
        } else {
          values[p].resize(std::size_t(count));
          read_values(parents_.tensor(int(p), name), at, values[p]);
        }
      }
      body(values);
    }
  }

  double largest_difference(const std::string& name) {
    std::vector<double> squares(shares_.size());
    double own = 0;
    each_piece(name, [&](const std::vector<std::vector<double>>& values) {
      for (const double v : values[0]) own += v * v;
      for (std::size_t p = 1; p < values.size(); ++p)
        for (std::size_t i = 0; i < values[p].size(); ++i) {
          const double d = values[p][i] - values[0][i];
          squares[p] += d * d;
        }
    });
    const double most = *std::ranges::max_element(squares);
    return most == 0 ? 0 : own == 0 ? INFINITY : std::sqrt(most / own);
  }

  void merge(const std::string& name, const formats::StoredTensor& first, formats::SafetensorsWriter& writer) {
    std::vector<float>* scales = parents_.scales(0, name) != nullptr ? &scales_[name + "_scale_inv"] : nullptr;
    std::vector<std::byte> bytes;
    std::vector<double> sum;
    each_piece(name, [&](const std::vector<std::vector<double>>& values) {
      sum.assign(values[0].size(), 0);
      for (std::size_t p = 0; p < values.size(); ++p)
        for (std::size_t i = 0; i < sum.size() && shares_[p] != 0; ++i) sum[i] += shares_[p] * values[p][i];
      bytes.clear();
      if (scales != nullptr)
        write_scaled(sum, first.shape.at(1), bytes, *scales);
      else
        write_values(first.type, sum, bytes);
      writer.add(bytes);
    });
  }

  const AssemblyOptions& options_;
  const Parents& parents_;
  Pattern pattern_;
  std::vector<double> shares_;
  AssemblyResult result_;
  std::map<std::string, std::vector<float>> scales_;  // new ones, until their turn
};

/// config.json and what a tokenizer needs, as far as they are there.
void copy_companions(const std::string& from, const std::string& to) {
  for (const char* name : {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
                           "tokenizer.model", "special_tokens_map.json", "vocab.json", "merges.txt"}) {
    const std::string file = from + "/" + name;
    if (fs::exists(file)) write_file(to + "/" + name, read_file(file));
  }
}
}  // namespace

AssemblyParent parse_parent(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  double weight = 0;
  if (colon != std::string::npos && colon + 1 < text.size()) {
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data() + colon + 1, end, weight);
    if (error == std::errc{} && at == end) {
      if (!(weight >= 0) || std::isinf(weight))
        throw ConfigError::placed(fmt::format("--parent: the weight of {} must not be negative, got {}",
                                              text.substr(0, colon), text.substr(colon + 1)));
      return {text.substr(0, colon), weight};
    }
  }
  return {text, 1};
}

AssemblyResult assemble(const AssemblyOptions& options) {
  double sum = 0;
  for (const AssemblyParent& p : options.parents) sum += p.weight;
  if (!(sum > 0)) throw ConfigError::placed("--parent: the weights are all zero");
  NewFolder folder(options.output);
  std::vector<std::string> folders;
  for (const AssemblyParent& p : options.parents) folders.push_back(p.folder);
  const Parents parents(folders);
  const AssemblyResult result = Assembler(options, parents).write(folder.path());
  copy_companions(options.parents.front().folder, folder.path());
  folder.keep();
  return result;
}
}  // namespace moesim::numerics
