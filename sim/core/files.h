// Finds catalogue entries, and reads and writes whole files with errors a user can act on.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace moesim {

/// The file's bytes.  Throws ConfigError "FILE: no such file" / "is a folder" / "cannot be read" / "is larger than
/// ...".
std::string read_file(const std::string& file);
/// Writes beside `file` and renames, so that a reader never sees half of it.  Throws ConfigError if that fails.
void write_file(const std::string& file, std::string_view bytes);
/// Throws ConfigError unless a new file can be made there: the folder exists and is writable, and the file is not there
/// yet.
void check_new_file(const std::string& file);

/// Where entries of a catalogue ("models", "hardware", "scenarios", "reports") are looked for, in order: the folder of
/// `beside` (a file that names an entry; "" for none) and its sub-folder of that name, $MOESIM_DATA, the installed data
/// folder, the source tree.
std::vector<std::string> catalogue_folders(std::string_view catalogue, const std::string& beside = "");
/// The file of entry `name`: `name` itself if it names an existing file, else the first NAME.yaml in
/// catalogue_folders(). Throws ConfigError naming the nearest entry if there is none; `what` says what was looked for
/// ("model").
std::string catalogue_file(std::string_view catalogue, const std::string& name, std::string_view what,
                           const std::string& beside = "");
/// Names of all entries (file names without .yaml), sorted, each once.
std::vector<std::string> catalogue_names(std::string_view catalogue);

/// The program's version.
std::string_view version();
}  // namespace moesim
