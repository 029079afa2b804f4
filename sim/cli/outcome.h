// The one way the program ends.
#pragma once
#include <functional>

namespace moesim::cli {

/// Runs the command, says its one error on stderr, writes out what is left of stdout, and returns the exit code: the
/// command's own (0 done, 1 an expectation failed), 2 for what the user can mend (input, a full disk, a closed stdout),
/// 70 for our fault, 128 + signal where one ended it.
int outcome_of(const std::function<int()>& command);

/// Makes sure that 0, 1 and 2 are open, so that no file of ours is opened as one of them and printed into.
void hold_standard_streams();
}  // namespace moesim::cli
