#include "core/paths.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "core/config.h"
#include "core/files.h"
#include "core/installed.h"

namespace fs = std::filesystem;

namespace moesim::core {
namespace {
constexpr std::string_view kHere = ".";

bool is_file(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}
void add_once(std::vector<std::string>& list, const std::string& word) {
  if (std::ranges::find(list, word) == list.end()) list.push_back(word);
}

/// Steps 2 and 3 as folders.
std::vector<std::string> folders_near(const NamedBy& by) {
  std::vector<std::string> out;
  if (!by.file.empty() && !by.on_command_line) out.push_back(folder_of(by.file));
  add_once(out, std::string(kHere));
  if (!by.file.empty()) add_once(out, folder_of(by.file));
  return out;
}

[[noreturn]] void not_found(const std::string& name, std::vector<std::string> folders) {
  if (fs::path(name).is_absolute()) throw ConfigError(fmt::format("{}: no such file", name));
  std::ranges::replace(folders, std::string(kHere), std::string("the working folder"));
  throw ConfigError(fmt::format("{}: no such file; looked in {}", name, fmt::join(folders, ", ")));
}

/// The files that may be entry `name`, most likely first: steps 1 to 4.
std::vector<std::string> entry_files(std::string_view catalogue, const std::string& name, const NamedBy& by) {
  if (name.empty() || fs::path(name).is_absolute()) return {name};
  std::vector<std::string> out;
  const auto add_folder = [&](const std::string& folder) {
    out.push_back(fmt::format("{}/{}.yaml", folder, name));
    out.push_back(fmt::format("{}/{}", folder, name));
  };
  if (by.on_command_line) out.push_back(name);
  if (!by.file.empty()) add_folder(folder_of(by.file));
  out.push_back(name);
  for (const std::string& folder : catalogue_folders(catalogue, by.file)) add_folder(folder);
  return out;
}
}  // namespace

std::vector<std::string> candidate_paths(const std::string& name, const NamedBy& by) {
  if (fs::path(name).is_absolute()) return {name};
  std::vector<std::string> out;
  for (const std::string& folder : folders_near(by))
    add_once(out, folder == kHere ? name : (fs::path(folder) / name).string());
  return out;
}

std::string find_path(const std::string& name, const NamedBy& by) {
  std::error_code error;
  for (const std::string& path : candidate_paths(name, by))
    if (!path.empty() && fs::exists(path, error)) return path;
  not_found(name, folders_near(by));
}

std::vector<std::string> catalogue_folders(std::string_view catalogue, const std::string& beside) {
  std::vector<std::string> out;
  if (!beside.empty()) out.push_back(fmt::format("{}/{}", folder_of(beside), catalogue));
  if (const char* data = std::getenv("MOESIM_DATA"); data != nullptr && *data != '\0')
    out.push_back(fmt::format("{}/{}", data, catalogue));
  // What is installed has its data beside it; the folder it was built in may be gone, or another's by now.
  if (const std::string installed = installed_data(); !installed.empty()) {
    out.push_back(fmt::format("{}/{}", installed, catalogue));
    return out;
  }
  out.push_back(fmt::format("{}/{}", MOESIM_INSTALLED_DATA, catalogue));
  out.push_back(fmt::format("{}/{}", MOESIM_SOURCE_DIR, catalogue));
  return out;
}

namespace {
/// The nearest name; else where there is one of that name, or what there is, as far as a line holds it.
std::string instead_of(std::string_view catalogue, const std::string& name) {
  constexpr std::size_t kMostListed = 12;
  const std::vector<std::string> names = catalogue_names(catalogue);
  const std::vector<std::string_view> known(names.begin(), names.end());
  for (const std::string_view other : {"models", "hardware", "scenarios"})
    if (const std::vector<std::string> there = catalogue_names(other);
        other != catalogue && std::ranges::find(there, name) != there.end())
      return fmt::format("; it is one of the {}: moesim {} {}", other, other == "scenarios" ? "explain" : "show", name);
  if (known.size() > kMostListed && nearest(name, known).empty())
    return fmt::format("; moesim list {} names them", catalogue);
  return suggestion(name, known, "there are");
}
}  // namespace

std::string catalogue_file(std::string_view catalogue, const std::string& name, std::string_view what,
                           const NamedBy& by) {
  for (const std::string& file : entry_files(catalogue, name, by))
    if (is_file(file)) return file;
  std::error_code error;
  for (const std::string& file : entry_files(catalogue, name, by))
    if (!file.empty() && fs::exists(file, error)) return file;  // whoever reads it says what it is instead
  if (name.find('/') != std::string::npos || name.ends_with(".yaml") || name.ends_with(".json")) {
    std::vector<std::string> folders = folders_near(by);
    for (const std::string& folder : catalogue_folders(catalogue, by.file)) add_once(folders, folder);
    not_found(name, folders);
  }
  throw ConfigError(fmt::format("no {} is called \"{}\"{}", what, name, instead_of(catalogue, name)));
}

std::vector<std::string> catalogue_names(std::string_view catalogue) {
  std::set<std::string> names;
  std::error_code error;
  for (const std::string& folder : catalogue_folders(catalogue))
    for (const auto& entry : fs::directory_iterator(folder, error))
      if (entry.path().extension() == ".yaml") names.insert(entry.path().stem().string());
  return {names.begin(), names.end()};
}
}  // namespace moesim::core
