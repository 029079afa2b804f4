// Runs the command, prints the one error, exits: 0 done, 1 an expectation failed, 2 the user's input is wrong, 70 our
// fault.
#include <fmt/format.h>

#include <exception>

#include "cli/command.h"
#include "core/config.h"

int main(int argc, char** argv) try { return moesim::cli::command(argc, argv); } catch (const moesim::ConfigError& e) {
  fmt::print(stderr, "{}\n", e.what());
  return 2;
} catch (const std::bad_alloc&) {
  fmt::print(stderr, "out of memory\n");
  return 70;
} catch (const std::exception& e) {
  fmt::print(stderr, "moesim {} failed, please report this: {}\n", MOESIM_VERSION, e.what());
  return 70;
}
