#include "cli/outcome.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>

#include "core/config_error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/utf8.h"

namespace moesim::cli {
namespace {
constexpr int kUserError = 2, kOurFault = 70;

/// One line, whatever names from files hold: line breaks, terminal commands, a megabyte of text.
std::string line_of(const char* message) {
  constexpr std::size_t kMost = 2000;  // bytes: some lines of a terminal
  return shortened(one_line(message), kMost);
}

/// Where nobody reads stdout any more, silence is what its writer expects.
int lost_stdout(int error) {
  if (error == EPIPE) return 128 + SIGPIPE;
  say(fmt::format("standard output: cannot be written: {}", std::strerror(error)));
  return kUserError;
}

/// Exceptions of the libraries beneath us that no reader has given a file and place: what they can only mean.
int of_library(const std::exception& e) {
  if (dynamic_cast<const std::bad_alloc*>(&e) != nullptr) {
    say("out of memory: the machine, or a limit set for this process (ulimit -v, a container's), has no more to give");
    return kUserError;
  }
  if (const auto* file = dynamic_cast<const std::filesystem::filesystem_error*>(&e)) {
    say(fmt::format("{}: {}", line_of(file->path1().c_str()), file->code().message()));
    return kUserError;
  }
  if (const auto* system = dynamic_cast<const std::system_error*>(&e)) {
    if (std::ferror(stdout) != 0) return lost_stdout(system->code().value());
    say(fmt::format("the system refused: {}", system->code().message()));  // a thread, a lock
    return kUserError;
  }
  say(fmt::format("moesim {} failed, please report this: {}", version(), line_of(e.what())));
  return kOurFault;
}

int code_of(const std::function<int()>& command) {
  try {
    const int code = command();
    return std::fflush(stdout) == 0 && std::ferror(stdout) == 0 ? code : lost_stdout(errno);
  } catch (const Interrupted& e) {
    say(line_of(e.what()));
    return 0;  // the signal's comes below
  } catch (const ConfigError& e) {
    say(line_of(e.what()));
    return kUserError;
  } catch (const std::exception& e) {
    return of_library(e);
  }
}
}  // namespace

int outcome_of(const std::function<int()>& command) {
  const int code = code_of(command);
  end_has_begun();
  return interrupted() ? 128 + interrupting_signal() : code;
}

void hold_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(stream, F_GETFD) < 0 && errno == EBADF)
      (void)open("/dev/null", O_RDONLY);  // takes the lowest free number, this one; writing to it fails, as it should
}
}  // namespace moesim::cli
