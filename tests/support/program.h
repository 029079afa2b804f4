// Runs the built program as a user would and keeps what it printed.
#pragma once
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>

#include "support/places.h"
#include "support/temporary_folder.h"

namespace moesim {

struct Printed {
  int exit_code = -1;
  std::string out, err;
};

/// arguments: as typed after `moesim`, quoted for the shell.  Runs in `folder`.
inline Printed moesim_prints(const std::string& arguments, const TemporaryFolder& folder) {
  const auto read = [](const std::string& command) {
    std::string text;
    FILE* pipe = popen(command.c_str(), "r");
    std::array<char, 4096> buffer{};
    for (std::size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) text.append(buffer.data(), n);
    return std::pair(pclose(pipe), text);
  };
  Printed printed;
  const std::string errors = folder.file(".stderr");
  const auto [status, out] = read("cd '" + folder.path().string() + "' && '" + test::moesim_program() + "' " +
                                  arguments + " 2>'" + errors + "'");
  printed.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  printed.out = out;
  printed.err = read("cat '" + errors + "'; rm -f '" + errors + "'").second;
  return printed;
}
}  // namespace moesim
