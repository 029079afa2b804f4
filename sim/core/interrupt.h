// Ctrl-C and its kin: heard between steps of long work, obeyed within half a second wherever the program is.
#pragma once
#include <exception>
#include <functional>
#include <string>
#include <string_view>

#include "core/names.h"

namespace moesim::core {

/// Takes SIGINT, SIGTERM and SIGHUP (unless it is ignored, as under nohup).  The first asks the program to end; where
/// it has not begun to (end_has_begun) within 0.4 s, a thread of ours ends it: it saves what is kept (Unfinished), says
/// so in one line and exits with 128 + signal.  A second signal ends it at once.
void watch_interrupts();

/// True once a signal asked the program to end.  Long work looks at it every few milliseconds and stops.
bool interrupted();
/// That signal, or 0.
int interrupting_signal();

/// Thrown by work that a signal ends.  Not a ConfigError: nobody takes it for a fault of one point or file.
class Interrupted : public std::exception {
 public:
  /// what_is_left: "nothing was written", "out.db holds what was done until then".
  explicit Interrupted(std::string_view what_is_left);
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

/// Throws Interrupted if a signal asked for it.
void stop_if_interrupted(std::string_view what_is_left = "nothing was written");

/// The program is ending by itself after a signal, however long closing its files takes: the watching thread lets it.
/// Does nothing without a signal.  Where that thread came first, this does not return.
void end_has_begun();

/// Something that must not be left as it is if the program ends between two of its own steps.  While it lives, the
/// watching thread may call `save`, after which the program ends.  save may wait for a lock that the work holds for
/// single calls, in which no Unfinished begins or ends.
class Unfinished {
 public:
  /// save returns what is left for the user: "out.db holds what was done until then", or "".
  explicit Unfinished(std::function<std::string()> save);
  ~Unfinished();
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;

 private:
  int id_;
};
}  // namespace moesim::core
