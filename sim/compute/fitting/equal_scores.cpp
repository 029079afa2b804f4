#include "compute/fitting/equal_scores.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "core/elementary.h"

namespace moesim::compute {
namespace {
constexpr std::string_view kFlat = "flat", kClear = "top_last";
constexpr double kManyScores = 1e6;  // from which the time goes with their number

/// Of a row of a choice: which, and whether its scores are equal; none of other kernels.
std::optional<std::pair<ChoiceKernel, bool>> choice_of(const formats::CsvTable& csv, std::size_t r) {
  const std::string kernel(csv.text(r, "kernel")), scores(csv.text(r, "scores"));
  const bool entries = kernel == "csa_topk";
  if (!entries && kernel != "dsa_topk") return std::nullopt;
  const bool flat = scores.ends_with(kFlat);
  if (!flat && !scores.ends_with(kClear)) return std::nullopt;
  std::string version = scores.substr(0, scores.size() - (flat ? kFlat : kClear).size());
  if (version.ends_with('_')) version.pop_back();
  return std::pair{ChoiceKernel{system_of(csv.text(r, "library")), kernel, version,
                                int(csv.integer(r, "heads", 1, 100'000)), entries ? 4 : 1},
                   flat};
}

double distance(const Sequences& a, const Sequences& b) {
  return std::abs(log_of(double(a.tokens()) / double(b.tokens()))) +
         std::abs(log_of(double(a.keys()) / double(b.keys())));
}
}  // namespace

EqualScores::EqualScores(const std::string& file) {
  std::vector<std::filesystem::path> tables;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(file).parent_path()))
    if (entry.path().extension() == ".csv" && entry.path().filename().string().starts_with("sparse_kernels_"))
      tables.push_back(entry.path());
  std::ranges::sort(tables);
  std::map<std::tuple<std::string, ChoiceKernel, Sequences>, std::array<double, 2>> both;
  for (const std::filesystem::path& table : tables) {
    const formats::CsvTable csv(table.string(), {"gpu", "library", "kernel", "batch", "new_tokens", "cached_tokens",
                                                 "heads", "scores", "time_us"});
    for (std::size_t r = 0; r < csv.rows(); ++r)
      if (const auto choice = choice_of(csv, r))
        both[{std::string(csv.text(r, "gpu")), choice->first, sequences_of(csv, r)}][choice->second] =
            csv.number(r, "time_us") * 1e-6;
  }
  for (const auto& [key, times] : both)
    if (times[0] > 0 && times[1] > 0)
      rows_[{std::get<0>(key), std::get<1>(key)}].emplace_back(std::get<2>(key), times[1] - times[0]);
}

std::optional<double> EqualScores::seconds(const std::string& gpu, const ChoiceKernel& choice,
                                           const Sequences& s) const {
  if (s.keys() <= std::int64_t{choice.picks} * choice.entry) return 0.0;
  const auto found = rows_.find({gpu, choice});
  if (found == rows_.end()) return std::nullopt;
  const auto nearest = std::ranges::min_element(
      found->second, [&](const auto& a, const auto& b) { return distance(a.first, s) < distance(b.first, s); });
  const double scores = double(s.tokens()) * double(s.keys()),
               of_nearest = double(nearest->first.tokens()) * double(nearest->first.keys());
  return std::max(0.0, nearest->second * (scores > kManyScores ? scores / of_nearest : 1));
}
}  // namespace moesim::compute
