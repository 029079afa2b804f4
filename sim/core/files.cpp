#include "core/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/config_error.h"
#include "core/descriptor.h"
#include "core/new_file.h"

namespace fs = std::filesystem;

namespace moesim::core {
namespace {
constexpr std::int64_t kMostBytes = std::int64_t{1} << 30;
std::string folder_of(const std::string& file) {
  const std::string folder = fs::path(file).parent_path().string();
  return folder.empty() ? "." : folder;
}
}  // namespace

std::string read_file(const std::string& file) {
  const auto fail = [&] { throw ConfigError(fmt::format("{}: cannot be read: {}", file, std::strerror(errno))); };
  // Not blocking: opening a pipe would wait for its writer.
  const Descriptor in(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!in && errno == ENOENT) throw ConfigError(fmt::format("{}: no such file", file));
  if (!in) fail();
  struct stat status {};
  if (fstat(in.number(), &status) != 0) fail();
  if (S_ISDIR(status.st_mode)) throw ConfigError(fmt::format("{}: is a folder, expected a file", file));
  if (!S_ISREG(status.st_mode))
    throw ConfigError(fmt::format("{}: is not a regular file; save what it gives to one first", file));
  if (status.st_size > kMostBytes) throw ConfigError(fmt::format("{}: is larger than 1 GiB", file));
  std::string out(std::size_t(status.st_size), '\0');
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = read(in.number(), out.data() + done, out.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail();
    if (n == 0) break;  // it has become shorter
    done += std::size_t(n);
  }
  out.resize(done);
  return out;
}

void write_file(const std::string& file, std::string_view bytes) {
  NewFile out(file);
  out.write(bytes);
  out.keep();
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

void check_different(const std::vector<std::pair<std::string, std::string>>& outputs) {
  const auto real = [](const std::string& file) { return fs::weakly_canonical(fs::absolute(file)); };
  for (auto one = outputs.begin(); one != outputs.end(); ++one)
    for (auto other = outputs.begin(); other != one; ++other)
      if (!one->second.empty() && !other->second.empty() && real(one->second) == real(other->second))
        throw ConfigError::placed(
            fmt::format("{}: {} and {} cannot be one file", one->second, other->first, one->first));
}

std::string_view version() { return MOESIM_VERSION; }
}  // namespace moesim::core
