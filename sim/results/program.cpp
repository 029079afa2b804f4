#include "results/program.h"

#include <fmt/format.h>

#include <cstdint>

#include "core/built.h"
#include "core/config_error.h"
#include "core/files.h"
#include "core/paths.h"
#include "results/schema.h"

namespace moesim::results {
namespace {
constexpr std::string_view kKinds[] = {"engine-", "kernels-", "network-"};  // of calibrations, by how entries begin

/// FNV-1a over names and bytes, in the order of the names.
std::string calibration() {
  std::uint64_t hash = 0xcbf29ce484222325;
  int found = 0;
  const auto add = [&](std::string_view text) {
    for (const char c : text) hash = (hash ^ std::uint8_t(c)) * 0x100000001b3;
    hash = (hash ^ 0xff) * 0x100000001b3;  // ends a text: no byte of UTF-8
  };
  for (const std::string& name : core::catalogue_names("hardware"))
    for (const std::string_view kind : kKinds)
      if (name.starts_with(kind)) {
        add(name);
        try {
          add(core::read_file(core::catalogue_file("hardware", name, "calibration"), core::kMostWritten));
        } catch (const core::ConfigError&) {  // whoever uses it will say so
        }
        ++found;
      }
  return found == 0 ? "none" : fmt::format("{:08x}", std::uint32_t(hash ^ (hash >> 32)));
}
}  // namespace

const std::string& program() {
  static const std::string text = fmt::format("{} (commit {}, results schema {}, calibration {}; {})", core::version(),
                                              core::commit(), kSchemaVersion, calibration(), core::compiler());
  return text;
}

std::string_view figures_by(std::string_view program) { return program.substr(0, program.find(';')); }
}  // namespace moesim::results
