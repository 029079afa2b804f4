// Reads and writes whole files with errors a user can act on.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/names.h"

namespace moesim::core {

/// The file's bytes.  Throws ConfigError "FILE: no such file" / "is a folder" / "is not a regular file" / "cannot be
/// read" / "is larger than 1 GiB".
std::string read_file(const std::string& file);
/// Writes a new file through NewFile.  Throws ConfigError if that fails or `file` exists.
void write_file(const std::string& file, std::string_view bytes);
/// Throws ConfigError unless a new file can be made there: the folder exists and is writable, and the file is not there
/// yet.
void check_new_file(const std::string& file);

/// Throws ConfigError if two of `outputs`, each with what it is to be ("the timeline"), are one file; "" is none.
void check_different(const std::vector<std::pair<std::string, std::string>>& outputs);

/// The program's version.
std::string_view version();
}  // namespace moesim::core
