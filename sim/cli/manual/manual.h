// Man pages and shell completion, made of the help of the verbs.
#pragma once
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace moesim::cli {

/// moesim(1), or moesim-VERB(1) of one of its verbs, in the man macros of troff.
std::string man_page(const CLI::App& app);
/// Completion of verbs, options, files and names of the catalogues, for bash and for zsh.
std::string bash_completion(const CLI::App& app);
std::string zsh_completion(const CLI::App& app);
}  // namespace moesim::cli
