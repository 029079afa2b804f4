#include "pages/studies/faults.h"

#include <fmt/format.h>

#include <charconv>

#include "pages/studies/common.h"

namespace moesim::pages {
namespace {
constexpr std::size_t kMostWords = 6;    // marks that are named where they stand; more are numbered
constexpr std::size_t kMostMarks = 200;  // of a chart

std::string key_of(int index, std::string_view what) { return fmt::format("serving.faults[{}].{}", index, what); }

struct Fault {
  int index = 0;
  double at = 0;
};
std::vector<Fault> faults_of(const Facts& f) {
  std::vector<Fault> out;
  for (int i = 0; !f.setting(key_of(i, "at")).empty(); ++i)
    if (const std::optional<double> when = seconds_of(f.setting(key_of(i, "at")))) out.push_back({i, *when});
  return out;
}
}  // namespace

std::string fault_name(const Facts& f, int index) {
  const std::string kind = f.setting(key_of(index, "kind")), gpu = f.setting(key_of(index, "gpu"));
  const std::string instance = f.setting(key_of(index, "instance")), pool = f.setting(key_of(index, "pool"));
  std::string out = spaced(kind);
  for (const auto& [name, words] : {std::pair("gpu", "GPU "),
                                    {"node", "node of GPU "},
                                    {"nic", "adapter of GPU "},
                                    {"slow_gpu", "slow GPU "},
                                    {"slow_link", "slow link of GPU "}})
    if (kind == name) out = words + gpu;
  if (!instance.empty() && instance != "0") out += " of instance " + instance;
  return pool.empty() || pool == "-" ? out : out + " of pool " + pool;
}

std::string fault_title(const Facts& f, const std::string& scope) {
  int index = -1;
  const auto [end, error] = std::from_chars(scope.data(), scope.data() + scope.size(), index);
  const std::string at = index < 0 ? "" : f.setting(key_of(index, "at"));
  if (error != std::errc() || at.empty()) return scope;
  const std::size_t answer = scope.rfind(',');
  return fmt::format("{} at {}{}", fault_name(f, index), at,
                     answer == std::string::npos ? "" : ", " + spaced(scope.substr(answer + 1)));
}

Marks marks_of(const Facts& f, const std::vector<double>& plans) {
  Marks out;
  const std::vector<Fault> faults = faults_of(f);
  const bool numbered = faults.size() + plans.size() > kMostWords;
  for (const Fault& fault : faults) {
    out.guides.push_back({fault.at, numbered ? fmt::to_string(fault.index + 1) : fault_name(f, fault.index)});
    if (numbered)
      out.note += fmt::format("{}{}: {} at {}", out.note.empty() ? "Marks: " : "; ", fault.index + 1,
                              fault_name(f, fault.index), f.setting(key_of(fault.index, "at")));
  }
  for (const double when : plans)
    if (out.guides.size() < faults.size() + kMostMarks) out.guides.push_back({when, numbered ? "" : "new plan"});
  if (numbered && !plans.empty()) out.note += out.note.empty() ? "Marks: new plans" : "; without a number: new plans";
  if (!out.note.empty()) out.note += ".";
  if (plans.size() > kMostMarks)
    out.note += fmt::format(" The first {} of {} new plans are marked.", kMostMarks, plans.size());
  return out;
}
}  // namespace moesim::pages
