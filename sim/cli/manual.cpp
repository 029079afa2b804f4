// moesim manual: man pages and shell completion, from the help of the verbs.  Not in --help: packages run it.
#include "cli/manual/manual.h"

#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "cli/manual/parts.h"
#include "core/files.h"
#include "core/log.h"

namespace moesim::cli {

void add_manual(CLI::App& app, int&) {
  auto folder = std::make_shared<std::string>();
  CLI::App* verb =
      app.add_subcommand("manual", "man pages and completion for bash and zsh, from the help of the verbs");
  verb->group("");
  verb->add_option("folder", *folder, "where to create them; it exists")->required();
  verb->callback([&app, folder] {
    const auto put = [&](const std::string& name, const std::string& text) {
      write_file(fmt::format("{}/{}", *folder, name), text);
    };
    put("moesim.1", man_page(app));
    for (const CLI::App* one : verbs_of(app)) put(fmt::format("moesim-{}.1", one->get_name()), man_page(*one));
    put("moesim.bash", bash_completion(app));
    put("_moesim", zsh_completion(app));
  });
}
}  // namespace moesim::cli
