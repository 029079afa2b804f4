#include "cli/manual/parts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/listing/sections.h"
#include "cli/listing/starts.h"

namespace moesim::cli {

std::vector<const CLI::App*> verbs_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* verb) { return !verb->get_group().empty(); });
}

std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  return app.get_options([](const CLI::Option* o) { return !o->get_group().empty(); });
}

std::vector<std::string> names_of(const CLI::Option& o) {
  std::vector<std::string> out;
  for (const std::string& name : o.get_snames()) out.push_back("-" + name);
  for (const std::string& name : o.get_lnames()) out.push_back("--" + name);
  return out;
}

std::string value_of(const CLI::Option& o) {
  if (o.get_items_expected_max() == 0) return "";
  const std::string type = o.get_type_name();
  const std::string value = type == "INT" || type == "UINT" || type == "FLOAT" ? "NUMBER" : "TEXT";
  return takes_several(o) ? value + "..." : value;
}

std::string help_of(const CLI::Option& o) {
  std::string out = o.get_description();
  if (!o.get_default_str().empty()) out += fmt::format(" (default: {})", o.get_default_str());
  if (o.get_required()) out += " (required)";
  return out;
}

bool takes_several(const CLI::Option& o) { return o.get_allow_extra_args() && o.get_items_expected_max() > 1; }

std::string catalogue_of(const CLI::Option& o) {
  constexpr std::string_view kSays = "moesim list ";
  const std::string& help = o.get_description();
  const std::size_t at = help.find(kSays);
  if (at == std::string::npos) return "";
  const std::size_t from = at + kSays.size();
  return help.substr(from, std::min(help.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", from), help.size()) - from);
}

Completions completions_of(const CLI::App& verb, const CLI::Option& o) {
  const std::string& name = verb.get_name();
  if (!o.get_positional() || (name != "show" && name != "init" && name != "list")) return {catalogue_of(o), ""};
  if (name == "show") return {"models hardware", ""};
  std::vector<std::string_view> words;
  if (name == "init") {
    for (const Start& start : starts()) words.push_back(start.name);
  } else {
    words = {"models", "hardware", "scenarios", "metrics", "schema", "reference"};
    const std::vector<FamilyHelp> all = families();  // whose names are of their tables
    for (const FamilyHelp& family : all)
      if (family.name.find(' ') == std::string_view::npos) words.push_back(family.name);
    for (const Section& section : sections())
      if (std::ranges::find(words, section.name) == words.end()) words.push_back(section.name);
  }
  return {"", fmt::format("{}", fmt::join(words, " "))};
}
}  // namespace moesim::cli
