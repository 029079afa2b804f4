// What pages and completions are made of: the verbs and options that --help shows.
#pragma once
#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace moesim::cli {

/// Those that --help shows, in its order.
std::vector<const CLI::App*> verbs_of(const CLI::App& app);
std::vector<const CLI::Option*> options_of(const CLI::App& app);
/// "-o", "--output".
std::vector<std::string> names_of(const CLI::Option& option);
/// What it takes: "FILE", "NUMBER", "TEXT"; "" for a flag.
std::string value_of(const CLI::Option& option);
/// What --help says of it, with the default and whether it is required.
std::string help_of(const CLI::Option& option);
bool takes_several(const CLI::Option& option);
/// The word X where its help says "moesim list X": the names that it takes; "" where it takes a file or anything.
std::string catalogue_of(const CLI::Option& option);
}  // namespace moesim::cli
