// The command line: one file a verb, one line a verb in verbs.cpp.
#pragma once

namespace CLI {
class App;
}

namespace moesim::cli {

/// Parses and runs one command.  Returns the exit code; throws ConfigError for a wrong command or input.
int command(int argc, char** argv);
/// The same without running anything: throws ConfigError where the command line itself is wrong.
void check_command(int argc, char** argv);

/// One per verb file: adds the verb with its options and help to `app`; its callback writes the exit code.
using AddVerb = void (*)(CLI::App& app, int& exit_code);
}  // namespace moesim::cli
