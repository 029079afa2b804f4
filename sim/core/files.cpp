#include "core/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/config_error.h"
#include "core/new_file.h"
#include "core/replacing.h"

namespace fs = std::filesystem;

namespace moesim::core {
namespace {
[[noreturn]] void cannot_read(const std::string& file, int error) {
  throw ConfigError::placed(error == ENOENT ? fmt::format("{}: no such file", file)
                                            : fmt::format("{}: cannot be read: {}", file, std::strerror(error)));
}

/// Pipes and devices have no size, which every budget of a reader is held against.
void check_kind(const std::string& file, const struct stat& status) {
  if (S_ISDIR(status.st_mode)) throw ConfigError::placed(fmt::format("{}: is a folder, expected a file", file));
  if (!S_ISREG(status.st_mode))
    throw ConfigError::placed(fmt::format("{}: is not a regular file; save what it gives to one first", file));
}
}  // namespace

OpenFile open_file(const std::string& file) {
  // Not blocking: opening a pipe would wait for its writer.
  OpenFile out{Descriptor(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK))};
  struct stat status {};
  if (!out.descriptor || fstat(out.descriptor.number(), &status) != 0) cannot_read(file, errno);
  check_kind(file, status);
  note_read(status);
  out.size = std::uint64_t(status.st_size);
  return out;
}

void check_file(const std::string& file) {
  struct stat status {};
  if (stat(file.c_str(), &status) != 0) cannot_read(file, errno);
  check_kind(file, status);
  note_read(status);
}

std::string read_file(const std::string& file, std::uint64_t most) {
  const OpenFile in = open_file(file);
  if (in.size > most) throw ConfigError::placed(fmt::format("{}: is larger than {} MiB", file, most >> 20));
  std::string out(std::size_t(in.size), '\0');
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = read(in.descriptor.number(), out.data() + done, out.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) cannot_read(file, errno);
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
  if (file.empty() || file == "-")
    throw ConfigError::placed(fmt::format("expected the name of a file to create, got \"{}\"", file));
  std::error_code error;
  if (fs::exists(fs::symlink_status(file, error)) && !may_replace(file))
    throw ConfigError::placed(
        fmt::format("{}: already exists; choose another name with -o, or overwrite it with --force", file));
  const std::string folder = folder_of(file);
  if (!fs::is_directory(folder, error))
    throw ConfigError::placed(fmt::format("{}: the folder {} does not exist", file, folder));
  if (access(folder.c_str(), W_OK) != 0)
    throw ConfigError::placed(
        fmt::format("{}: the folder {} cannot be written: {}", file, folder, std::strerror(errno)));
}

std::string folder_of(const std::string& file) {
  const std::string folder = fs::path(file).parent_path().string();
  return folder.empty() ? "." : folder;
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
