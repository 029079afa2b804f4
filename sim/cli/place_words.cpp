#include "cli/place_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "cli/numbers.h"
#include "placement/placement.h"

namespace moesim::cli {
namespace {
/// Leaves those that are the list's own; files among the others go to `files`, and what is neither stays to be refused.
template <class Own>
void take_files(std::vector<std::string>& words, std::vector<std::string>& files, Own&& own) {
  std::vector<std::string> left;
  for (const std::string& word : words) {
    std::error_code unknown;  // what cannot be looked up is no file
    (!own(word) && std::filesystem::exists(word, unknown) ? files : left).push_back(word);
  }
  words = std::move(left);
}

template <class T, class Problem>
void read_numbers(const char* option, const std::vector<std::string>& words, Problem&& problem, std::vector<T>& out) {
  for (const std::string& word : words) {
    if (const std::string wrong = problem(word); !wrong.empty())
      throw ConfigError::placed(fmt::format("{}: {}", option, wrong));
    std::from_chars(word.data(), word.data() + word.size(), out.emplace_back());
  }
}
}  // namespace

void sort_words(PlaceGiven& given) {
  std::vector<std::string> kinds;
  for (const auto& s : placement::placements().table()) kinds.emplace_back(s.kind);
  take_files(given.strategies, given.files,
             [&](const std::string& word) { return std::ranges::find(kinds, word) != kinds.end(); });
  const auto slots = [](const std::string& word) { return whole_number_problem(word, 1, kMostPlaces); };
  const auto gpu_slots = [](const std::string& word) { return whole_number_problem(word, 0, kMostPlaces); };
  const auto speed = [](const std::string& word) { return number_problem(word, false); };
  // A number that is out of range is still none of the files, so that it is refused as what it is.
  const auto number = [](const std::string& word) {
    return word.find_first_not_of("+-.0123456789eE") == std::string::npos;
  };
  for (auto* words : {&given.slot_words, &given.gpu_slot_words, &given.gpu_speed_words})
    take_files(*words, given.files, number);
  for (auto* words : {&given.windows, &given.eval_windows})
    take_files(*words, given.files, [](const std::string& word) { return word.find(':') != std::string::npos; });
  read_numbers("--slots", given.slot_words, slots, given.slots);
  read_numbers("--gpu-slots", given.gpu_slot_words, gpu_slots, given.gpu_slots);
  read_numbers("--gpu-speed", given.gpu_speed_words, speed, given.gpu_speed);
  if (given.files.empty() && given.traces.empty() && given.loads.empty() && given.evals.size() > 1)
    throw ConfigError::placed(
        "--eval: takes every file up to the next option, so that none is left to plan from; give that one first, or "
        "with --trace or --loads");
}
}  // namespace moesim::cli
