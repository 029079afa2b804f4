// --force: new files may take the place of files that are there, but of nothing that the command itself reads.
#pragma once
#include <string>

#include "core/names.h"

struct stat;

namespace moesim::core {

/// Whether, from here on, a new file may take the place of one of its name.  Not so when a command begins.
void allow_replacing(bool allowed);

/// Notes a file that was opened to be read.
void note_read(const struct stat& status);

/// Says that a database is to be written at `file`: nothing else takes the place of one.
void writes_database(const std::string& file);

/// Whether a new file may take the place of what stands at `file`: there is a regular file, and replacing is allowed.
/// Throws ConfigError where it is allowed and what stands there is a folder, a link or the like, was read by this
/// command, or is a database and none is to be written there.
bool may_replace(const std::string& file);
}  // namespace moesim::core
