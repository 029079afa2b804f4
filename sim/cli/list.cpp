// moesim list: what the catalogues and families hold.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "cli/command.h"
#include "core/files.h"

namespace moesim {
namespace {
void list(const std::string& what) {
  for (const std::string& name : catalogue_names(what)) fmt::print("{}\n", name);
}
}  // namespace

void add_list(CLI::App& app, int&) {
  CLI::App* verb = app.add_subcommand("list", "models, hardware and scenarios by name");
  auto what = std::make_shared<std::string>();
  verb->add_option("what", *what, "models, hardware or scenarios")->required();
  verb->callback([what] { list(*what); });
}
}  // namespace moesim
