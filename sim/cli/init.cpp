// moesim init: a commented file to begin with.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/listing/starts.h"
#include "cli/options.h"
#include "core/files.h"
#include "core/log.h"

namespace moesim::cli {
namespace {
const Start& start_called(const std::string& name) {
  std::vector<std::string_view> names;
  for (const Start& s : starts()) {
    if (s.name == name) return s;
    names.push_back(s.name);
  }
  throw ConfigError(fmt::format("no start is called \"{}\"{}", name, suggestion(name, names, "there are")));
}

void init(const std::string& what, const std::string& file) {
  const Start& start = start_called(what);
  const std::string text = start.text();
  if (file.empty()) return print_text("{}", text);
  write_file(file, text);
  std::string next(start.next);
  next.replace(next.find("FILE"), 4, file);
  print_text("{} is written; next: {}\n", file, next);
}
}  // namespace

void add_init(CLI::App& app, int&) {
  struct Given {
    std::string what, file;
  };
  auto given = std::make_shared<Given>();
  CLI::App* verb = app.add_subcommand("init", "write a commented scenario, plan, cluster or model to begin with");
  std::string what;
  for (const Start& s : starts()) what += fmt::format("{}{} ({})", what.empty() ? "" : ", ", s.name, s.summary);
  verb->add_option("what", given->what, what)->required();
  add_output(*verb, "-o,--output", given->file, "file to create (default: print it)");
  verb->callback([given] { init(given->what, given->file); });
}
}  // namespace moesim::cli
