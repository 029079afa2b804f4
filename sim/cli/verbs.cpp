#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "cli/about.h"
#include "cli/command.h"
#include "cli/examples.h"
#include "core/config.h"
#include "core/files.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/replacing.h"
#include "core/terminal.h"

namespace moesim::cli {

void add_run(CLI::App& app, int& exit_code);
void add_record(CLI::App& app, int& exit_code);
void add_size(CLI::App& app, int& exit_code);
void add_sweep(CLI::App& app, int& exit_code);
void add_merge(CLI::App& app, int& exit_code);
void add_report(CLI::App& app, int& exit_code);
void add_loss(CLI::App& app, int& exit_code);
void add_assemble(CLI::App& app, int& exit_code);
void add_schedule(CLI::App& app, int& exit_code);
void add_place(CLI::App& app, int& exit_code);
void add_list(CLI::App& app, int& exit_code);
void add_init(CLI::App& app, int& exit_code);
void add_show(CLI::App& app, int& exit_code);
void add_trace(CLI::App& app, int& exit_code);
void add_calibrate(CLI::App& app, int& exit_code);
void add_explain(CLI::App& app, int& exit_code);
void add_diff(CLI::App& app, int& exit_code);
void add_validate(CLI::App& app, int& exit_code);
void add_compare(CLI::App& app, int& exit_code);
void add_manual(CLI::App& app, int& exit_code);

namespace {
// In the order of --help: from what a newcomer runs first to what they come to later.
// clang-format off
constexpr AddVerb kVerbs[] = {
    add_run,
    add_record,
    add_place,
    add_size,
    add_sweep,
    add_merge,
    add_report,
    add_loss,
    add_assemble,
    add_schedule,
    add_list,
    add_init,
    add_show,
    add_trace,
    add_explain,
    add_calibrate,
    add_compare,
    add_diff,
    add_validate,
    add_manual,
};
// clang-format on
/// The parser would only say that a verb is missing.
void refuse_unknown_verb(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return;
  std::vector<std::string> verbs;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    verbs.push_back(verb->get_name());
  for (const std::string& verb : verbs)
    if (verb == argv[1]) return;
  throw ConfigError(fmt::format("no command is called \"{}\"{}", argv[1],
                                suggestion(argv[1], {verbs.begin(), verbs.end()}, "there are")));
}

void set_up(CLI::App& app, int& exit_code) {
  app.set_version_flag("--version", about());
  app.require_subcommand(1);
  app.failure_message([](const CLI::App*, const CLI::Error& e) { return std::string(e.what()); });
  for (const AddVerb add : kVerbs) add(app, exit_code);
  for (CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    verb->footer([verb] { return examples_of(verb->get_name()); });
}

/// Throws ConfigError for a command line that is wrong.  Returns an exit code where --help or --version was all.
std::optional<int> parse(CLI::App& app, int argc, char** argv) {
  refuse_unknown_verb(app, argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    print_folded(app.help());
    return 0;
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --version
    throw ConfigError(
        fmt::format("{} (see moesim {}--help)", e.what(),
                    app.get_subcommands().empty() ? "" : app.get_subcommands().front()->get_name() + " "));
  }
  return {};
}

constexpr const char* kAbout =
    "moesim: what a Mixture-of-Experts deployment does with real routing, before you rent it";
}  // namespace

int command(int argc, char** argv) {
  CLI::App app{kAbout, "moesim"};
  int exit_code = 0;
  allow_replacing(false);
  set_up(app, exit_code);
  limit_data(memory_bound().bytes);  // the program fails, not some other on this machine
  return parse(app, argc, argv).value_or(exit_code);
}

void check_command(int argc, char** argv) {
  CLI::App app{kAbout, "moesim"};
  int exit_code = 0;
  set_up(app, exit_code);
  app.parse_complete_callback([] { throw CLI::Success(); });  // all is read, and no verb has begun
  (void)parse(app, argc, argv);
}
}  // namespace moesim::cli
