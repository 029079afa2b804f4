#include "core/files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/config_error.h"

namespace fs = std::filesystem;

namespace moesim::core {
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
  throw ConfigError::placed(fmt::format("{}: cannot be written: {}", file, why));
}

void check_new_file(const std::string& file) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(file, error)))
    throw ConfigError::placed(fmt::format("{}: already exists; remove it or choose another name with -o", file));
  const std::string folder = folder_of(file);
  if (!fs::is_directory(folder, error))
    throw ConfigError::placed(fmt::format("{}: the folder {} does not exist", file, folder));
  if (access(folder.c_str(), W_OK) != 0)
    throw ConfigError::placed(
        fmt::format("{}: the folder {} cannot be written: {}", file, folder, std::strerror(errno)));
}

std::string_view version() { return MOESIM_VERSION; }
}  // namespace moesim::core
