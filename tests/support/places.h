// Where the sources lie that a test reads, and the program that it runs.
#pragma once
#include <string>

namespace moesim::test {
/// The repository, without a slash at its end.
const std::string& source_dir();
/// The built program.
const std::string& moesim_program();
}  // namespace moesim::test
