// Where a name in a file or a command leads: data files, and entries of the catalogues.
//
// One order for all of them:
//   1. an absolute path is what it says;
//   2. beside what names it: the folder of the file in which the name stands.  A value of --set and an option stand on
//      the command line, so that their folder is the one where the command runs;
//   3. where the command runs, and for a value of --set the folder of the file whose value it replaces;
//   4. entries of a catalogue ("models") besides: its sub-folder in the folder of the file that names them, in
//      $MOESIM_DATA, in the installed data, in the source tree (of a build).  ".yaml" may be left out there.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/names.h"

namespace moesim::core {

/// Who names a path.
struct NamedBy {
  std::string file;              // "" for the command line
  bool on_command_line = false;  // it replaces a value of `file` with --set
};

/// A file or folder that a configuration names, found while it is read: the fields of a section that are paths.
struct DataFile {
  std::string name;  // as written
  std::string path;  // where it was found; "" if nothing is named
};

/// What `name` may stand for, most likely first: steps 1 to 3.
std::vector<std::string> candidate_paths(const std::string& name, const NamedBy& by);
/// The first of candidate_paths() that exists, a file or a folder.  Throws ConfigError naming the folders that were
/// looked in.
std::string find_path(const std::string& name, const NamedBy& by);

/// Where entries of a catalogue ("models", "hardware", "scenarios", "reports") lie, in order: step 4.
/// beside: a file that names an entry; "" for none.
std::vector<std::string> catalogue_folders(std::string_view catalogue, const std::string& beside = "");
/// The file of entry `name`, by steps 1 to 4.  Throws ConfigError naming the nearest entry if there is none; `what`
/// says what was looked for ("model").
std::string catalogue_file(std::string_view catalogue, const std::string& name, std::string_view what,
                           const NamedBy& by = {});
/// Names of all entries (file names without .yaml), sorted, each once.
std::vector<std::string> catalogue_names(std::string_view catalogue);
}  // namespace moesim::core
