#include "core/installed.h"

#include <dlfcn.h>
#include <sys/auxv.h>

#include <filesystem>

namespace fs = std::filesystem;

namespace moesim::core {
namespace {
/// The file that this code was loaded from.  dladdr() names a program as it was called, a library by its path.
std::string own_file() {
  std::error_code error;
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&own_file), &info) != 0 && info.dli_fname != nullptr)
    if (const fs::path library = fs::canonical(info.dli_fname, error); !error && library.extension() == ".so")
      return library.string();
  if (const fs::path program = fs::read_symlink("/proc/self/exe", error); !error) return program.string();
  const auto* started = reinterpret_cast<const char*>(getauxval(AT_EXECFN));  // where there is no /proc
  const fs::path program = started == nullptr ? fs::path() : fs::canonical(started, error);
  return error ? "" : program.string();
}
}  // namespace

std::string data_beside(const std::string& file) {
  const fs::path folder = fs::path(file).parent_path();
  for (const char* installed : {MOESIM_BIN_FOLDER, MOESIM_PYTHON_FOLDER}) {
    fs::path prefix = folder;
    const fs::path below(installed);
    bool same = true;
    for (auto part = below.end(); same && part != below.begin();) {
      same = prefix.filename() == *--part;
      prefix = prefix.parent_path();
    }
    std::error_code error;
    if (const fs::path data = prefix / "share" / "moesim"; same && fs::is_directory(data / "models", error))
      return data.string();
  }
  return "";
}

const std::string& installed_data() {
  static const std::string data = data_beside(own_file());
  return data;
}

std::string python_folder() {
  const fs::path folder = fs::path(own_file()).parent_path(), module(MOESIM_PYTHON_FOLDER);
  std::error_code error;
  for (const fs::path& found : {folder.parent_path() / module.parent_path(), folder / "python"})
    if (fs::exists(found / module.filename() / "__init__.py", error)) return found.string();
  return "";
}
}  // namespace moesim::core
