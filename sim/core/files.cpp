#include "core/files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "core/config.h"

namespace fs = std::filesystem;

namespace moesim {
namespace {
constexpr std::uintmax_t kMostBytes = std::uintmax_t{1} << 30;
std::string folder_of(const std::string& file) {
  const std::string folder = fs::path(file).parent_path().string();
  return folder.empty() ? "." : folder;
}
}  // namespace

std::string read_file(const std::string& file) {
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  if (!fs::exists(status)) throw ConfigError(fmt::format("{}: no such file", file));
  if (fs::is_directory(status)) throw ConfigError(fmt::format("{}: is a folder, expected a file", file));
  if (fs::is_regular_file(status) && fs::file_size(file, error) > kMostBytes)
    throw ConfigError(fmt::format("{}: is larger than 1 GiB", file));
  std::ifstream in(file, std::ios::binary);
  std::string out{std::istreambuf_iterator<char>(in), {}};
  if (!in) throw ConfigError(fmt::format("{}: cannot be read: {}", file, std::strerror(errno)));
  return out;
}

void write_file(const std::string& file, std::string_view bytes) {
  const std::string part = file + ".part";
  std::ofstream out(part, std::ios::binary);
  out.write(bytes.data(), std::streamsize(bytes.size()));
  out.close();
  if (out) {
    std::error_code error;
    fs::rename(part, file, error);
    if (!error) return;
  }
  const std::string why = std::strerror(errno);
  std::error_code ignored;
  fs::remove(part, ignored);
  throw ConfigError(fmt::format("{}: cannot be written: {}", file, why));
}

void check_new_file(const std::string& file) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(file, error)))
    throw ConfigError(fmt::format("{}: already exists; remove it or choose another name with -o", file));
  const std::string folder = folder_of(file);
  if (!fs::is_directory(folder, error))
    throw ConfigError(fmt::format("{}: the folder {} does not exist", file, folder));
  if (access(folder.c_str(), W_OK) != 0)
    throw ConfigError(fmt::format("{}: the folder {} cannot be written: {}", file, folder, std::strerror(errno)));
}

std::vector<std::string> catalogue_folders(std::string_view catalogue, const std::string& beside) {
  std::vector<std::string> out;
  if (!beside.empty()) {
    out.push_back(folder_of(beside));
    out.push_back(fmt::format("{}/{}", folder_of(beside), catalogue));
  }
  if (const char* data = std::getenv("MOESIM_DATA"); data != nullptr && *data != '\0')
    out.push_back(fmt::format("{}/{}", data, catalogue));
  out.push_back(fmt::format("{}/{}", MOESIM_INSTALLED_DATA, catalogue));
  out.push_back(fmt::format("{}/{}", MOESIM_SOURCE_DIR, catalogue));
  return out;
}

std::string catalogue_file(std::string_view catalogue, const std::string& name, std::string_view what,
                           const std::string& beside) {
  std::error_code error;
  if (fs::is_regular_file(name, error)) return name;
  for (const std::string& folder : catalogue_folders(catalogue, beside)) {
    for (const std::string& file : {fmt::format("{}/{}.yaml", folder, name), fmt::format("{}/{}", folder, name)})
      if (!name.empty() && fs::is_regular_file(file, error)) return file;
  }
  if (name.find('/') != std::string::npos || name.ends_with(".yaml") || name.ends_with(".json"))
    throw ConfigError(fmt::format("{}: no such file", name));
  const std::vector<std::string> names = catalogue_names(catalogue);
  throw ConfigError(
      fmt::format("no {} is called \"{}\"{}", what, name, suggestion(name, {names.begin(), names.end()}, "there are")));
}

std::vector<std::string> catalogue_names(std::string_view catalogue) {
  std::set<std::string> names;
  std::error_code error;
  for (const std::string& folder : catalogue_folders(catalogue))
    for (const auto& entry : fs::directory_iterator(folder, error))
      if (entry.path().extension() == ".yaml") names.insert(entry.path().stem().string());
  return {names.begin(), names.end()};
}

std::string_view version() { return MOESIM_VERSION; }
}  // namespace moesim
