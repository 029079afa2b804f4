#include "numerics/weights/new_folder.h"

#include <fmt/format.h>

#include <filesystem>

#include "core/config.h"
#include "core/files.h"

namespace moesim::numerics {
namespace fs = std::filesystem;

NewFolder::NewFolder(const std::string& output) : output_(output), path_(output + ".partial") {
  check_new_file(output);
  std::error_code error;
  if (!fs::create_directory(path_, error))
    throw ConfigError(error ? fmt::format("{}: cannot be created ({})", path_, error.message())
                            : fmt::format("{}: is left from another run; remove it first", path_));
}

NewFolder::~NewFolder() {
  std::error_code ignored;
  if (!kept_) fs::remove_all(path_, ignored);
}

void NewFolder::keep() {
  std::error_code error;
  fs::rename(path_, output_, error);
  if (error) throw ConfigError(fmt::format("{}: cannot be written ({})", output_, error.message()));
  kept_ = true;
}
}  // namespace moesim::numerics
