// The one way to write a file: nobody sees half of it, and what was there is overwritten only with --force, as a whole.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "core/descriptor.h"
#include "core/interrupt.h"
#include "core/names.h"

namespace moesim::core {

/// A file being written under another name beside its own: FILE.XXXXXX, a random one that only we can have opened.
class NewFile {
 public:
  /// Throws ConfigError unless a new file can be made there (see check_new_file).
  explicit NewFile(const std::string& file);
  /// Removes what was written, unless keep() was called.
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  /// Throws ConfigError "FILE: cannot be written: No space left on device".
  void write(std::string_view bytes);
  /// Puts the bytes on the disk and gives them their name.  Throws ConfigError if that fails or another file has come
  /// to stand there, unless it may be replaced (replacing.h).
  void keep();

  /// Where it is until then, for libraries that open files by name.
  const std::string& path() const { return path_; }
  /// The name that keep() gives.
  const std::string& file() const { return file_; }

 private:
  void flush();
  std::string file_, path_, buffer_;
  Descriptor descriptor_;
  bool kept_ = false;
  std::unique_ptr<Unfinished> unfinished_;
};

/// Gives `from`, a file or folder of ours, the name `to`.  Throws ConfigError if something stands there.
void rename_new(const std::string& from, const std::string& to);
/// A folder of a random name beside `file`, for one whose parts become visible together.  Throws ConfigError.
std::string new_folder_beside(const std::string& file);
/// Puts the folder's list of names on the disk, as far as its file system can.
void sync_folder_of(const std::string& file);
}  // namespace moesim::core
