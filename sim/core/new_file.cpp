#include "core/new_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "core/config_error.h"
#include "core/files.h"
#include "core/replacing.h"

namespace moesim::core {
namespace {
constexpr std::size_t kBuffer = 1 << 16;  // bytes a call to the system

[[noreturn]] void cannot_write(const std::string& file, int error) {
  throw ConfigError::placed(fmt::format("{}: cannot be written: {}", file, std::strerror(error)));
}

// Read before main: it can only be read by changing it, and then files of other threads would get the wrong mode.
const mode_t kMask = [] {
  const mode_t mask = umask(0);
  umask(mask);
  return mask;
}();

/// The temporary's mode is 0600; a file of ours has the one that others of the user's have.
mode_t usual_mode(mode_t all) { return all & ~kMask; }
}  // namespace

NewFile::NewFile(const std::string& file) : file_(file), path_(file + ".XXXXXX") {
  check_new_file(file);
  descriptor_ = Descriptor(mkostemp(path_.data(), O_CLOEXEC));
  if (!descriptor_) cannot_write(file, errno);
  fchmod(descriptor_.number(), usual_mode(0666));
  unfinished_ = std::make_unique<Unfinished>([path = path_] {
    unlink(path.c_str());  // has no such name any more once it is kept
    return std::string();
  });
}

NewFile::~NewFile() {
  if (!kept_) unlink(path_.c_str());
}

void NewFile::flush() {
  std::string_view left = buffer_;
  while (!left.empty()) {
    const ssize_t n = ::write(descriptor_.number(), left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) cannot_write(file_, errno);
    left.remove_prefix(std::size_t(n));
  }
  buffer_.clear();
}

void NewFile::write(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() >= kBuffer) flush();
}

void NewFile::keep() {
  flush();
  if (fsync(descriptor_.number()) != 0 && errno != EINVAL)
    cannot_write(file_, errno);  // EINVAL: cannot be synced there
  if (descriptor_.close() != 0) cannot_write(file_, errno);
  if (!may_replace(file_))
    rename_new(path_, file_);
  else if (std::rename(path_.c_str(), file_.c_str()) != 0)
    cannot_write(file_, errno);
  kept_ = true;
  sync_folder_of(file_);
}

void rename_new(const std::string& from, const std::string& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return;
  if (errno == EINVAL || errno == ENOSYS) {  // a file system without it: as near to that as it has
    check_new_file(to);
    if (std::rename(from.c_str(), to.c_str()) == 0) return;
  }
  if (errno == EEXIST)
    throw ConfigError::placed(fmt::format("{}: came to exist while it was being written; it is left as it is", to));
  cannot_write(to, errno);
}

std::string new_folder_beside(const std::string& file) {
  std::string path = file + ".XXXXXX";
  if (mkdtemp(path.data()) == nullptr) cannot_write(file, errno);
  chmod(path.c_str(), usual_mode(0777));
  return path;
}

void sync_folder_of(const std::string& file) {
  const Descriptor folder(open(folder_of(file).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) (void)fsync(folder.number());
}
}  // namespace moesim::core
