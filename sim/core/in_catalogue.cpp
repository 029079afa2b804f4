#include "core/in_catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/paths.h"

namespace moesim::core {

bool in_catalogue(std::string_view catalogue, const std::string& name) {
  std::error_code error;
  return std::ranges::any_of(catalogue_folders(catalogue), [&](const std::string& folder) {
    return std::filesystem::exists(fmt::format("{}/{}.yaml", folder, name), error);
  });
}
}  // namespace moesim::core
