#include "pages/assets.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "core/config.h"
#include "core/files.h"
#include "core/paths.h"

namespace moesim::pages {

std::string asset(const std::string& name) {
  const std::vector<std::string> folders = core::catalogue_folders("reports");
  std::error_code error;
  for (const std::string& folder : folders)
    if (const std::string file = folder + "/page/" + name; std::filesystem::is_regular_file(file, error))
      return core::read_file(file, core::kMostWritten);
  throw ConfigError(fmt::format("page/{}: no such file; looked in {}", name, fmt::join(folders, ", ")));
}
}  // namespace moesim::pages
