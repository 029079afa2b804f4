#include <CLI/CLI.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/command.h"
#include "cli/examples.h"
#include "core/config.h"
#include "core/files.h"
#include "core/installed.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/replacing.h"
#include "core/terminal.h"
#include "results/program.h"

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
    if (!verb->get_group().empty() || verb->get_name() == argv[1]) verbs.push_back(verb->get_name());  // else hidden
  for (const std::string& verb : verbs)
    if (verb == argv[1]) return;
  throw ConfigError(fmt::format("no command is called \"{}\"{}", argv[1],
                                suggestion(argv[1], {verbs.begin(), verbs.end()}, "there are")));
}

/// What the parser took for nothing: an option that is none, with the one that was meant, or words too many.
std::string not_expected(const CLI::App& app) {
  const CLI::App* verb = &app;
  std::string called = app.get_name();
  while (!verb->get_subcommands().empty()) {
    verb = verb->get_subcommands().front();
    called += " " + verb->get_name();
  }
  const std::vector<std::string> words = app.remaining(true);
  const auto option = std::ranges::find_if(words, [](const std::string& w) { return w.size() > 1 && w[0] == '-'; });
  if (option == words.end()) return fmt::format("\"{}\" was not expected by {}", fmt::join(words, " "), called);
  const std::string name = option->substr(0, option->find('='));
  std::vector<std::string> known;
  for (const CLI::Option* o : verb->get_options())
    for (const std::string& l : o->get_lnames()) known.push_back("--" + l);
  // A letter left out first: "--sed" is as near to "--set" as to "--seed".
  const auto lacks_one = [&](const std::string& whole) {
    std::size_t at = 0;
    for (const char c : whole)
      if (at < name.size() && c == name[at]) ++at;
    return at == name.size() && whole.size() == name.size() + 1;
  };
  const auto longer = std::ranges::find_if(known, lacks_one);
  const std::string near = longer != known.end() ? *longer : nearest(name, {known.begin(), known.end()});
  return fmt::format("{} has no option \"{}\"{}", called, name,
                     near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near));
}

void set_up(CLI::App& app, int& exit_code) {
  app.set_version_flag("--version", [&app] { return app.get_name() + " " + results::program(); });
  app.add_flag_callback(
      "--python",
      [] {
        if (const std::string folder = core::python_folder(); !folder.empty()) throw CLI::CallForVersion(folder, 0);
        throw ConfigError::placed("there is no Python module beside this program: it was built without pybind11");
      },
      "Print the folder of the Python module, for PYTHONPATH, and exit");
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
    const bool extras = dynamic_cast<const CLI::ExtrasError*>(&e) != nullptr;
    throw ConfigError(
        fmt::format("{} (see moesim {}--help)", extras ? not_expected(app) : e.what(),
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
