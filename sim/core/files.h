// Reads and writes whole files with errors a user can act on.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/descriptor.h"
#include "core/names.h"

namespace moesim::core {

/// A regular file opened for reading.
struct OpenFile {
  Descriptor descriptor;
  std::uint64_t size = 0;
};
/// Every file of the user's that is read is opened by this one function, or looked at by the next.
/// Throws ConfigError "FILE: no such file" / "is a folder" / "is not a regular file" / "cannot be read".
OpenFile open_file(const std::string& file);
/// Throws what open_file() throws, as far as that is known without opening it: for what a library opens.
void check_file(const std::string& file);

constexpr std::uint64_t kMostFile = std::uint64_t{1} << 30;      // 1 GiB
constexpr std::uint64_t kMostWritten = std::uint64_t{64} << 20;  // 64 MiB: of what people write, or models come with
/// The file's bytes, at most `most` (a whole number of MiB): looked at before anything is read.
/// Throws ConfigError as open_file() does, or "FILE: is larger than 64 MiB".
std::string read_file(const std::string& file, std::uint64_t most = kMostFile);
/// Writes a new file through NewFile.  Throws ConfigError if that fails or `file` exists.
void write_file(const std::string& file, std::string_view bytes);
/// Throws ConfigError unless a new file can be made there: the folder exists and is writable, and the file is not there
/// yet or may be replaced (replacing.h).
void check_new_file(const std::string& file);

/// Throws ConfigError if two of `outputs`, each with what it is to be ("the timeline"), are one file; "" is none.
void check_different(const std::vector<std::pair<std::string, std::string>>& outputs);

/// The folder that holds `file`: "." for a plain name.
std::string folder_of(const std::string& file);

/// The program's version.
std::string_view version();
}  // namespace moesim::core
