// Man pages.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <sstream>

#include "cli/manual/manual.h"
#include "cli/manual/parts.h"
#include "core/files.h"

namespace moesim::cli {
namespace {
/// Text that troff takes as it is: a hyphen stays one that can be typed, no line begins a request.
std::string plain(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool begins = i == 0 || text[i - 1] == '\n';
    if (begins && (text[i] == '.' || text[i] == '\'')) out += "\\&";
    if (text[i] == '\\')
      out += "\\e";
    else if (text[i] == '-')
      out += "\\-";
    else
      out += text[i];
  }
  return out;
}

std::string option_text(const CLI::Option& o) {
  std::string names;
  for (const std::string& name : names_of(o))
    names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ", plain(name));
  const std::string value = value_of(o);
  if (!value.empty()) names += fmt::format(" \\fI{}\\fR", plain(value));
  return fmt::format(".TP\n{}\n{}\n", names, plain(help_of(o)));
}

/// Options and arguments by the groups of --help.
std::string options_text(const CLI::App& app) {
  std::string out, arguments;
  for (const CLI::Option* o : options_of(app))
    if (o->get_positional())
      arguments += fmt::format(".TP\n\\fI{}\\fR\n{}\n", plain(o->get_name(true)), plain(help_of(*o)));
  if (!arguments.empty()) out += ".SH ARGUMENTS\n" + arguments;
  for (const std::string& group : app.get_groups()) {
    std::string text;
    for (const CLI::Option* o : options_of(app))
      if (!o->get_positional() && o->get_group() == group) text += option_text(*o);
    if (text.empty()) continue;
    out += group == "Options" ? ".SH OPTIONS\n" + text : fmt::format(".SS {}\n{}", plain(group), text);
  }
  return out;
}

std::string synopsis(const CLI::App& app, const std::string& name) {
  std::string out = fmt::format("\\fB{}\\fR", plain(name));
  if (!verbs_of(app).empty()) return out + " \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n";
  out += " [\\fIOPTIONS\\fR]";
  for (const CLI::Option* o : options_of(app))
    if (o->get_positional()) {
      const std::string word = fmt::format("\\fI{}\\fR{}", plain(o->get_name(true)), takes_several(*o) ? "..." : "");
      out += o->get_required() ? " " + word : fmt::format(" [{}]", word);
    }
  return out + "\n";
}

/// The table of keys, or worked examples: kept line by line.
std::string footer_text(const CLI::App& app) {
  const std::string footer = app.get_footer();
  return footer.find_first_not_of(" \n") == footer.npos ? "" : fmt::format(".SH NOTES\n.nf\n{}\n.fi\n", plain(footer));
}

constexpr std::string_view kExits =
    ".SH EXIT STATUS\n0: done. 1: an expectation of the scenario failed. 2: something the user can mend; one line says "
    "what and where. 70: a fault of the program. 128 + signal: ended by that signal.\n";
}  // namespace

std::string man_page(const CLI::App& app) {
  const bool whole = app.get_parent() == nullptr;
  const std::string name = whole ? app.get_name() : fmt::format("moesim {}", app.get_name());
  const std::string page = whole ? "moesim" : fmt::format("moesim-{}", app.get_name());
  std::string out = fmt::format(".TH {} 1 \"\" \"moesim {}\" \"moesim\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n{}",
                                plain(page), version(), plain(page), plain(app.get_description()), synopsis(app, name));
  if (whole) {
    out += ".SH COMMANDS\n";
    for (const CLI::App* verb : verbs_of(app))
      out += fmt::format(".TP\n\\fBmoesim\\-{}\\fR(1)\n{}\n", plain(verb->get_name()), plain(verb->get_description()));
  }
  out += options_text(app);
  if (!whole)
    for (const CLI::App* verb : verbs_of(app)) {
      out += fmt::format(".SH {} {}\n{}.PP\n{}", plain(name), plain(verb->get_name()),
                         plain(verb->get_description() + "\n"), synopsis(*verb, name + " " + verb->get_name()));
      for (const CLI::Option* o : options_of(*verb))
        out += o->get_positional() ? fmt::format(".TP\n\\fI{}\\fR\n{}\n", plain(o->get_name(true)), plain(help_of(*o)))
                                   : option_text(*o);
    }
  return out + footer_text(app) + std::string(kExits);
}
}  // namespace moesim::cli
