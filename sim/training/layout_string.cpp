#include "training/layout_string.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/config_error.h"

namespace moesim::training {
namespace {
// More than any model here has layers; a repeat of repeats would else fill the memory.
constexpr std::size_t kMostLetters = 100'000;

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::string read() {
    std::string out = parts();
    if (at_ < text_.size()) fail("\")\" closes nothing");
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw ConfigError(fmt::format("\"{}\", character {}: {}", text_, at_ + 1, problem));
  }
  bool ends() {
    while (at_ < text_.size() && (text_[at_] == ',' || text_[at_] == ' ')) ++at_;
    return at_ == text_.size();
  }
  std::string parts() {
    std::string out;
    while (!ends() && text_[at_] != ')') {
      const std::string one = part();
      const std::size_t times = repeats();
      if (out.size() + one.size() * times > kMostLetters) fail(fmt::format("more than {} letters", kMostLetters));
      for (std::size_t i = 0; i < times; ++i) out += one;
    }
    return out;
  }
  std::string part() {
    const char letter = text_[at_];
    if (std::string_view("EtmL|").find(letter) != std::string_view::npos) {
      ++at_;
      return std::string(1, letter);
    }
    if (letter != '(') fail(fmt::format("expected E, t, m, L, | or (, got \"{}\"", letter));
    ++at_;
    std::string inside = parts();
    if (at_ == text_.size()) fail("a \"(\" is not closed");
    ++at_;
    return inside;
  }
  std::size_t repeats() {
    if (ends() || text_[at_] != '*') return 1;
    ++at_;
    std::size_t out = 0, digits = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9' && digits < 6; ++at_, ++digits)
      out = out * 10 + std::size_t(text_[at_] - '0');
    if (out == 0) fail("expected a number from 1 after \"*\"");
    if (out > kMostLetters) fail(fmt::format("more than {} letters", kMostLetters));
    return out;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};
}  // namespace

std::vector<std::string> stages_of_layout(std::string_view text) {
  std::vector<std::string> out(1);
  for (const char letter : Reader(text).read()) {
    if (letter == '|')
      out.emplace_back();
    else
      out.back() += letter;
  }
  return out;
}

std::string layout_refusal(const std::vector<std::string>& stages, int wanted, int layers, int mtp_layers) {
  if (int(stages.size()) != wanted) return fmt::format("has {} stages, the schedule {}", stages.size(), wanted);
  std::string all;
  for (std::size_t s = 0; s < stages.size(); ++s) {
    if (stages[s].empty()) return fmt::format("stage {} is empty, which no cost is known for", s);
    all += stages[s];
  }
  const std::string needed =
      "E" + std::string(std::size_t(layers), 't') + std::string(std::size_t(mtp_layers), 'm') + "L";
  if (all == needed) return "";
  const auto count = [&](char letter) { return std::ranges::count(all, letter); };
  return fmt::format("expected E, {} t, {} m and L in this order, got {} E, {} t, {} m and {} L", layers, mtp_layers,
                     count('E'), count('t'), count('m'), count('L'));
}

bool takes_layout(const Config& training, const TrainingPlan& plan) {
  if (!training.has("pipeline_layout")) return false;
  for (const char* other : {"layers", "heads", "ends_as_layers"})
    if (training.has(other))
      training.at(other).fail("training.pipeline_layout says where the layers, embedding and loss are");
  training.at("pipeline_layout").placed([&] {
    const std::string why = layout_refusal(stages_of_layout(plan.section.pipeline_layout), plan.schedule.stages(),
                                           plan.model.layers, plan.model.mtp_layers);
    if (!why.empty()) throw ConfigError(why);
  });
  return true;
}
}  // namespace moesim::training
