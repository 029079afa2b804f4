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

/// What an option of a verb, or an argument, may be completed with.
struct Completions {
  std::string names;  // lists whose names it takes: "models hardware"
  std::string words;  // or words that the program knows itself, which are all that it takes
};
Completions completions_of(const CLI::App& verb, const CLI::Option& option);
}  // namespace moesim::cli
