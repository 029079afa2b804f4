// reports/reference.md.
#include <fmt/format.h>

#include <algorithm>

#include "cli/listing/reference.h"

namespace moesim::cli {
namespace {
/// As a cell of a table.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '<' || c == '*' || c == '_') out += '\\';
    out += c;
  }
  return out;
}
std::string code(std::string_view text) { return fmt::format("`{}`", text); }
/// How GitHub and others name a heading.
std::string anchor(std::string_view section) {
  std::string out;
  for (const char c : section)
    if (c != '.') out += c;
  return out;
}

std::string type_cell(const std::string& path, const KeyHelp& key) {
  const Lead* lead = lead_of(path);
  if (lead == nullptr) {
    std::string words;
    for (const std::string& w : key.words) words += (words.empty() ? ": " : ", ") + code(w);
    return key.type + words;
  }
  const std::string_view section = lead->to.substr(0, section_called(lead->to) ? lead->to.npos : lead->to.find('.'));
  return section.empty() ? std::string(lead->type)
                         : fmt::format("{}: [{}](#{})", lead->type, lead->to, anchor(section));
}

/// One row a key, nested ones by their path from the section on.
std::string table(const Section& section, const Form& wanted) {
  std::string out;
  for_each_key(section, [&](const Form& form, const std::string& path, const KeyHelp& key) {
    if (&form != &wanted) return;
    if (out.empty()) out = "| key | type | default | meaning |\n|---|---|---|---|\n";
    const std::string fallback = key.required ? "required" : key.fallback.empty() ? "" : code(key.fallback);
    out += fmt::format("| `{}` | {} | {} | {} |\n", path.substr(section.name.size() + 1), type_cell(path, key),
                       fallback, cell(key.help));
  });
  return out.empty() ? "No parameters.\n" : out;
}

std::string units_table() {
  std::string out = "| type | units |\n|---|---|\n";
  for (const ValueType& t : {value_type(Time{}), value_type(Bytes{}), value_type(Bandwidth{}), value_type(FlopRate{}),
                             value_type(Power{}), value_type(Price{})})
    out += fmt::format("| {} | {} |\n", t.one, t.units);
  return out;
}
}  // namespace

std::string reference_markdown() {
  std::string out =
      "# Reference of keys\n\n"
      "Every key of scenarios, plans, sweeps and catalogue entries, from the lists by which they are read; printed by\n"
      "`moesim list reference`. `moesim list KEY.PATH` shows one section or key. Figures are in\n"
      "[metrics.md](metrics.md), tables of results in [schema.md](schema.md).\n\n"
      "Values with a dimension are written with their unit:\n\n" +
      units_table() + "\n";
  for (const Section& s : sections()) out += fmt::format("- [{}](#{}): {}\n", s.name, anchor(s.name), cell(s.summary));
  for (const Section& s : sections()) {
    out += fmt::format("\n## {}\n\n{}.\n", s.name, cell(s.summary));
    for (const Form& form : s.forms) {
      if (!form.kind.empty())
        out += fmt::format("\n### {}: {}\n\n{}.\n", s.name, form.kind, cell(form.summary));
      else if (!form.summary.empty())
        out += fmt::format("\n### {}: {}\n", s.name, cell(form.summary));
      out += "\n" + table(s, form);
    }
  }
  return out;
}
}  // namespace moesim::cli
