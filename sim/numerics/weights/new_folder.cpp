#include "numerics/weights/new_folder.h"

#include <filesystem>

#include "core/files.h"
#include "core/new_file.h"

namespace moesim::numerics {
namespace {
void remove_all(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}
}  // namespace

NewFolder::NewFolder(const std::string& output) : output_(output) {
  check_new_file(output);
  path_ = new_folder_beside(output);
  unfinished_ = std::make_unique<Unfinished>([path = path_] {
    remove_all(path);
    return std::string();
  });
}

NewFolder::~NewFolder() {
  if (!kept_) remove_all(path_);
}

void NewFolder::keep() {
  rename_new(path_, output_);
  kept_ = true;
  sync_folder_of(output_);
}
}  // namespace moesim::numerics
