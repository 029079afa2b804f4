#include "cli/manual/parts.h"

#include <fmt/format.h>

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
  if (o.get_type_size() == 0) return "";
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
}  // namespace moesim::cli
