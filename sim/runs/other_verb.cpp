#include "runs/other_verb.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "core/in_shell.h"
#include "core/paths.h"
#include "runs/studies.h"

namespace moesim::runs {
namespace {
struct Kind {
  std::string_view verb, name;
};
constexpr Kind kScenario{"run", "a scenario"}, kSweep{"sweep", "a sweep"}, kPlan{"size", "a plan"};

const Kind* kind_of(const Config& file) {
  if (!file.is_map()) return nullptr;
  if (file.has("size")) return &kPlan;
  if (file.has("scenario") && file.has("vary")) return &kSweep;
  for (const StudyEntry& study : studies())
    if (file.has(study.section)) return &kScenario;
  return nullptr;
}

std::string_view taken_by(std::string_view verb) {
  return verb == kSweep.verb  ? kSweep.name
         : verb == kPlan.verb ? kPlan.name
         : verb == "place"    ? "traces or counts"
                              : kScenario.name;
}

/// What a command calls the file: its name if it is the catalogue's of that name, else its path.
std::string called(const std::string& file) {
  const std::string name = std::filesystem::path(file).stem().string();
  std::error_code error;
  if (const std::vector<std::string> known = catalogue_names("scenarios");
      std::ranges::find(known, name) != known.end() &&
      std::filesystem::equivalent(catalogue_file("scenarios", name, "scenario"), file, error))
    return name;
  return in_shell(file);
}
}  // namespace

void refuse_other_verb(const Config& file, std::string_view verb) {
  const Kind* kind = kind_of(file);
  if (kind == nullptr || kind->verb == verb) return;
  const std::string output = std::filesystem::path(file.file()).stem().string() + ".db";
  file.fail(fmt::format("is {}, and {} {} expected; moesim {} {}{} runs it", kind->name, taken_by(verb),
                        verb == "place" ? "were" : "was", kind->verb, called(file.file()),
                        kind == &kSweep ? " -o " + in_shell(output) : ""));
}
}  // namespace moesim::runs
