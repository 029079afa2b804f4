// Files to begin with: what `moesim init` writes.  Comments come from the field lists, so that they say what is read.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace moesim::cli {

struct Start {
  std::string_view name, summary;
  std::string_view next;  // the command that takes the file, which stands for FILE in it
  std::string (*text)();
};
std::span<const Start> starts();

/// `text`, YAML whose every key stands on a line of its own, with the help of each key behind it.  A line `...` becomes
/// what else its section may hold, commented out, at its defaults.  root: the section of the top level ("scenario").
std::string annotated(std::string_view text, std::string_view root);
}  // namespace moesim::cli
