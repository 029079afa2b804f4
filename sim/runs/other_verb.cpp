#include "runs/other_verb.h"

#include <fmt/format.h>

#include <filesystem>

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
  return verb == kSweep.verb ? kSweep.name : verb == kPlan.verb ? kPlan.name : kScenario.name;
}
}  // namespace

void refuse_other_verb(const Config& file, std::string_view verb) {
  const Kind* kind = kind_of(file);
  if (kind == nullptr || kind->verb == verb) return;
  const std::string name = std::filesystem::path(file.file()).stem().string();
  file.fail(fmt::format("is {}, and {} was expected; moesim {} {}{} runs it", kind->name, taken_by(verb), kind->verb,
                        name, kind == &kSweep ? fmt::format(" -o {}.db", name) : ""));
}
}  // namespace moesim::runs
