// moesim report: a results database as one page that opens from disk.
#include <CLI/CLI.hpp>

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>

#include <filesystem>

#include "cli/command.h"
#include "cli/options.h"
#include "core/files.h"
#include "core/log.h"
#include "core/utf8.h"
#include "pages/report.h"

extern char** environ;

namespace moesim::cli {
namespace {
/// Shows the page in what the desktop opens such files with.  Says so where nothing does; the page is there all the
/// same.
void open_page(const std::string& file) {
  const std::string path = std::filesystem::absolute(file).string();
  std::string program = "xdg-open", argument = path;
  char* const arguments[] = {program.data(), argument.data(), nullptr};
  pid_t process = 0;
  int status = 0;
  if (posix_spawnp(&process, program.c_str(), nullptr, nullptr, arguments, environ) != 0 ||
      waitpid(process, &status, 0) != process || status != 0)
    say(fmt::format("xdg-open did not open {}", path));
}
}  // namespace

void add_report(CLI::App& app, int&) {
  struct Given {
    std::string database, output;
    bool open = false;
  };
  auto given = std::make_shared<Given>();
  CLI::App* verb = app.add_subcommand("report", "a page of charts and tables from a results database, in one file");
  verb->add_option("database", given->database,
                   "results database of a run, sweep, place, size or validate, or a routing trace")
      ->required();
  add_output(*verb, "-o,--output", given->output, "page to create (default: the database's name, .html)");
  verb->add_flag("--open", given->open, "show it with xdg-open");
  verb->callback([given] {
    const std::string output = given->output.empty()
                                   ? std::filesystem::path(given->database).replace_extension(".html").string()
                                   : given->output;
    check_different({{"the database", given->database}, {"the page", output}});
    if (output.ends_with(".db"))
      throw ConfigError::placed(fmt::format("{}: a page is HTML, no database; name it .html", one_line(output)));
    check_new_file(output);
    const std::string page = pages::report_page(given->database);
    write_file(output, page);
    print_text("{} ({:.0f} kB)\n", output, double(page.size()) * 1e-3);
    if (given->open) open_page(output);
  });
}
}  // namespace moesim::cli
