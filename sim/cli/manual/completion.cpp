// Completion for bash and zsh.
#include <CLI/CLI.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/manual/manual.h"
#include "cli/manual/parts.h"

namespace moesim::cli {
namespace {
// Names come from the program itself, so that they are those of its data: lines of `moesim list X` begin with them.
// Of scenarios a verb is offered those of its kind, which begin with its name, and files that end as what it reads.
constexpr std::string_view kBash = R"bash(# bash completion of moesim, made by `moesim manual`
_moesim_names() { moesim list "$1" 2>/dev/null | sed -n 's/^  \([A-Za-z0-9_.-]*[A-Za-z0-9]\)\(:\| \).*/\1/p' | _moesim_kind "$1" "$2"; }
@KIND@
_moesim() {
  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]} sub=${COMP_WORDS[2]}
  local words="" names="" plain="" files=yes
  compopt -o filenames 2>/dev/null
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "@VERBS@ --help --version --python" -- "$current"))
    return
  fi
  case $verb in
@CASES@  esac
  COMPREPLY=()
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    return
  fi
  if [ -n "$names" ]; then COMPREPLY=($(compgen -W "$(for n in $names; do _moesim_names "$n" "$verb"; done)" -- "$current")); fi
  if [ -n "$plain" ]; then COMPREPLY+=($(compgen -W "$plain" -- "$current")); files=no; fi
  if [ $files = no ]; then return; fi
  case $verb in
    @RESULTS@) COMPREPLY+=($(compgen -f -X '!*.db' -- "$current") $(compgen -d -- "$current")) ;;
    *) COMPREPLY+=($(compgen -f -- "$current")) ;;
  esac
}
complete -F _moesim moesim
)bash";
/// Verbs that are given databases of results.
constexpr std::string_view kReadsResults[] = {"report", "compare", "diff", "merge"};
constexpr std::string_view kKind = R"sh(_moesim_kind() {
  case "$1 $2" in
    "scenarios size" | "scenarios sweep") grep "^$2-" ;;
    "scenarios "*) grep -v '^\(size\|sweep\)-' ;;
    *) cat ;;
  esac
})sh";

void replace(std::string& text, std::string_view mark, std::string_view by) {
  text.replace(text.find(mark), mark.size(), by);
}

std::vector<std::string> all_names(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::Option* o : options_of(app))
    for (std::string& name : names_of(*o)) out.push_back(std::move(name));
  return out;
}

/// Lines of a verb's case: its options; what its arguments are, and what the option before the cursor takes.
std::string bash_lines(const CLI::App& app, std::string_view indent) {
  std::string out = fmt::format("{}words=\"{}\"\n", indent, fmt::join(all_names(app), " ")), cases;
  for (const CLI::Option* o : options_of(app)) {
    const auto [names, plain] = completions_of(app, *o);
    if (o->get_positional()) {
      if (!names.empty()) out += fmt::format("{}names=\"{}\"\n", indent, names);
      if (!plain.empty()) out += fmt::format("{}plain=\"{}\"\n", indent, plain);
    } else if (o->get_items_expected_max() > 0) {
      cases += fmt::format("{}  {}) names=\"{}\" plain=\"\" ;;\n", indent, fmt::join(names_of(*o), "|"), names);
    }
  }
  return cases.empty() ? out : fmt::format("{}{}case $before in\n{}{}esac\n", out, indent, cases, indent);
}

std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else if (c == '\n')
      out += ' ';
    else if (c == '[' || c == ']' || c == ':' || c == '\\')
      out += fmt::format("\\{}", c);
    else
      out += c;
  }
  return out;
}

std::string zsh_value(const CLI::App& verb, const CLI::Option& o) {
  const auto [names, plain] = completions_of(verb, o);
  if (!plain.empty()) return fmt::format("({})", plain);
  if (o.get_positional() && std::ranges::find(kReadsResults, verb.get_name()) != std::end(kReadsResults))
    return "_files -g \"*.db\"";
  return names.empty() ? "_files" : fmt::format("_moesim_names {}", names);
}

/// A word of _arguments for each option and argument.
std::string zsh_arguments(const CLI::App& app, std::string_view indent) {
  std::string out;
  int position = 0;
  for (const CLI::Option* o : options_of(app)) {
    if (o->get_positional()) {
      out += fmt::format(" \\\n{}'{}:{}:{}'", indent, takes_several(*o) ? "*" : std::to_string(++position),
                         zsh_text(o->get_name(true)), zsh_value(app, *o));
      continue;
    }
    for (const std::string& name : names_of(*o))
      out +=
          fmt::format(" \\\n{}'{}{}[{}]{}'", indent, o->get_items_expected_max() > 1 ? "*" : "", name,
                      zsh_text(o->get_description()),
                      o->get_items_expected_max() > 0 ? fmt::format(":{}:{}", value_of(*o), zsh_value(app, *o)) : "");
  }
  return out + "\n";
}

std::string zsh_verbs(const CLI::App& app, std::string_view indent) {
  std::string out;
  for (const CLI::App* verb : verbs_of(app))
    out += fmt::format("{}'{}:{}'\n", indent, verb->get_name(), zsh_text(verb->get_description()));
  return out;
}
}  // namespace

std::string bash_completion(const CLI::App& app) {
  std::string verbs, cases;
  for (const CLI::App* verb : verbs_of(app)) {
    verbs += (verbs.empty() ? "" : " ") + verb->get_name();
    cases += fmt::format("    {})\n", verb->get_name());
    const std::vector<const CLI::App*> parts = verbs_of(*verb);
    if (parts.empty()) {
      cases += bash_lines(*verb, "      ");
    } else {
      std::vector<std::string> names;
      for (const CLI::App* part : parts) names.push_back(part->get_name());
      cases += fmt::format(
          "      if [ \"$COMP_CWORD\" -eq 2 ]; then\n        COMPREPLY=($(compgen -W \"{}\" -- \"$current\"))\n        "
          "return\n      fi\n      case $sub in\n",
          fmt::join(names, " "));
      for (const CLI::App* part : parts)
        cases += fmt::format("        {})\n{}          ;;\n", part->get_name(), bash_lines(*part, "          "));
      cases += "      esac\n";
    }
    cases += "      ;;\n";
  }
  std::string out(kBash);
  replace(out, "@KIND@", kKind);
  replace(out, "@RESULTS@", fmt::format("{}", fmt::join(kReadsResults, "|")));
  replace(out, "@VERBS@", verbs);
  replace(out, "@CASES@", cases);
  return out;
}

std::string zsh_completion(const CLI::App& app) {
  std::string out = fmt::format(
      "#compdef moesim\n# zsh completion of moesim, made by `moesim manual`\n{}\n_moesim_names() {{\n  local -a "
      "names\n  names=(${{(f)\"$(for n in $@; do moesim list $n 2>/dev/null | sed -n 's/^  "
      "\\([A-Za-z0-9_.-]*[A-Za-z0-9]\\)[: "
      "].*/\\1/p' | _moesim_kind $n $verb; done)\"}})\n  compadd -a names\n  _files\n}}\n_moesim() {{\n  local -a "
      "verbs\n  verbs=(\n{}  )\n  if "
      "(( CURRENT == 2 )); then\n    _describe command verbs\n    return\n  fi\n  local verb=$words[2]\n  shift "
      "words\n  (( "
      "CURRENT-- ))\n  case $verb in\n",
      kKind, zsh_verbs(app, "    "));
  for (const CLI::App* verb : verbs_of(app)) {
    out += fmt::format("    {})\n", verb->get_name());
    if (const std::vector<const CLI::App*> parts = verbs_of(*verb); parts.empty()) {
      out += "      _arguments" + zsh_arguments(*verb, "        ");
    } else {
      out += fmt::format(
          "      verbs=(\n{}      )\n      if (( CURRENT == 2 )); then\n        _describe command verbs\n        "
          "return\n      fi\n      local part=$words[2]\n      shift words\n      (( CURRENT-- ))\n      case $part "
          "in\n",
          zsh_verbs(*verb, "        "));
      for (const CLI::App* part : parts)
        out += fmt::format("        {})\n          _arguments{}          ;;\n", part->get_name(),
                           zsh_arguments(*part, "            "));
      out += "      esac\n";
    }
    out += "      ;;\n";
  }
  return out + "  esac\n}\n_moesim \"$@\"\n";
}
}  // namespace moesim::cli
