// Runs the command and ends with its exit code.
#include "cli/command.h"
#include "cli/outcome.h"
#include "core/interrupt.h"

int main(int argc, char** argv) {
  moesim::cli::hold_standard_streams();
  moesim::watch_interrupts();
  return moesim::cli::outcome_of([&] { return moesim::cli::command(argc, argv); });
}
