#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/listing/reference.h"

namespace moesim::cli {
namespace {
constexpr std::size_t kWidth = 80;

/// The words of `text` in lines of at most kWidth columns, all but the first behind `indent` blanks; the first begins
/// after `used` columns.
std::string wrapped(std::string_view text, std::size_t indent, std::size_t used) {
  std::string out;
  std::size_t column = used;
  for (bool first = true; !text.empty(); first = false) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (!first && column + 1 + word.size() > kWidth) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (!first) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

std::string type_of(const std::string& path, const KeyHelp& key) {
  const Lead* lead = lead_of(path);
  if (lead != nullptr && key.keys.empty()) return std::string(lead->type);
  return key.words.empty() ? key.type : fmt::format("{}: {}", key.type, fmt::join(key.words, ", "));
}
std::string fallback_of(const KeyHelp& key) {
  if (key.required) return "required";
  return key.fallback.empty() ? "" : "default " + key.fallback;
}
/// Where more is said of a key; "" for nowhere.
std::string more_of(const Place& place) {
  const Lead* lead = lead_of(place.path);
  if (lead != nullptr && !lead->to.empty()) return std::string(lead->to);
  return place.key->keys.empty() ? "" : place.path;
}

/// `  name   type, default` and the help below it.
std::string entry(const Place& place, std::size_t column) {
  const KeyHelp& key = *place.key;
  std::string facts = type_of(place.path, key);
  if (const std::string value = fallback_of(key); !value.empty()) facts += (key.words.empty() ? ", " : "; ") + value;
  if (const std::string more = more_of(place); !more.empty()) facts += fmt::format(" (moesim list {})", more);
  const std::string indent(column, ' ');
  return fmt::format("{:<{}}{}\n{}{}\n", "  " + key.name, column,
                     wrapped(facts, column, std::max(column, key.name.size() + 2)), indent,
                     wrapped(key.help, column, column));
}

/// A heading for each form that has one, and its keys.
std::string entries(const std::vector<Place>& places) {
  std::size_t column = 0;
  for (const Place& p : places) column = std::max(column, p.key->name.size());
  column = std::min<std::size_t>(column, 20) + 4;
  std::string out;
  const Form* form = nullptr;
  for (const Place& p : places) {
    if (p.form != form && !p.form->summary.empty())
      out += fmt::format("\n{}\n",
                         wrapped(p.form->kind.empty() ? p.form->summary : p.form->kind + ": " + p.form->summary, 2, 0));
    form = p.form;
    out += entry(p, column);
  }
  return out;
}

std::string section_text(const Section& section) {
  std::string out = wrapped(section.name + ": " + section.summary, 0, 0) + "\n";
  out += entries(below({section.name, nullptr, nullptr, &section}));
  for (const Form& form : section.forms)
    if (form.keys.empty()) out += fmt::format("\n{}\n", wrapped(form.kind + ": " + form.summary, 2, 0));
  return out;
}

/// All that is known of a key; kinds: those of a family that have it so.
std::string key_text(const Place& place, const std::vector<std::string>& kinds) {
  const KeyHelp& key = *place.key;
  std::string out = fmt::format("{}\n  {}\n", place.path, wrapped(key.help, 2, 2));
  const auto line = [&](std::string_view what, const std::string& text) {
    if (!text.empty()) out += fmt::format("  {:<10}{}\n", what, wrapped(text, 12, 12));
  };
  line("type", key.words.empty() || lead_of(place.path) ? type_of(place.path, key) : key.type);
  line("one of", fmt::format("{}", fmt::join(key.words, ", ")));
  line("units", key.units);
  line("default", key.required ? "none: it is required" : key.fallback);
  line("kinds", fmt::format("{}", fmt::join(kinds, ", ")));
  if (const std::string more = more_of(place); !more.empty() && more != place.path) line("more", "moesim list " + more);
  if (!key.keys.empty()) out += entries(below(place));
  return out;
}

bool same(const KeyHelp& a, const KeyHelp& b) {
  return a.type == b.type && a.words == b.words && a.fallback == b.fallback && a.required == b.required &&
         a.help == b.help;
}
/// Places of one path whose keys say the same, as one, with the kinds that have it.
std::vector<std::pair<Place, std::vector<std::string>>> alike(const std::vector<Place>& places) {
  std::vector<std::pair<Place, std::vector<std::string>>> out;
  for (const Place& p : places) {
    const auto found = std::ranges::find_if(out, [&](const auto& o) {
      return o.first.path == p.path && p.key != nullptr && o.first.key != nullptr && same(*o.first.key, *p.key);
    });
    auto& one = found == out.end() ? out.emplace_back(p, std::vector<std::string>{}) : *found;
    if (p.form != nullptr && !p.form->kind.empty()) one.second.push_back(p.form->kind);
  }
  return out;
}
}  // namespace

std::string reference_text(const std::vector<Place>& places) {
  std::string out;
  for (const auto& [place, kinds] : alike(places)) {
    if (!out.empty()) out += "\n";
    out += place.key == nullptr ? section_text(*place.section) : key_text(place, kinds);
  }
  return out;
}

formats::Json reference_json(const std::vector<Place>& places) {
  formats::Json out = formats::Json::array();
  for (const auto& [place, kinds] : alike(places)) {
    formats::Json one = {{"path", place.path}};
    if (place.key == nullptr) {
      one["help"] = place.section->summary;
    } else {
      one["type"] = type_of(place.path, *place.key);
      one["help"] = place.key->help;
      one["required"] = place.key->required;
      if (!place.key->units.empty()) one["units"] = place.key->units;
      if (!place.key->words.empty()) one["words"] = place.key->words;
      if (!place.key->fallback.empty()) one["default"] = place.key->fallback;
    }
    if (!kinds.empty()) one["kinds"] = kinds;
    formats::Json keys = formats::Json::array();
    for (const Place& inner : place.key == nullptr || !place.key->keys.empty() ? below(place) : std::vector<Place>{})
      keys.push_back({{"path", inner.path}, {"type", type_of(inner.path, *inner.key)}, {"help", inner.key->help}});
    if (!keys.empty()) one["keys"] = std::move(keys);
    out.push_back(std::move(one));
  }
  return out;
}

std::string sections_text() {
  std::size_t width = 0;
  for (const Section& s : sections()) width = std::max(width, s.name.size());
  std::string out = "sections (moesim list NAME shows their keys, moesim list NAME.KEY one of them)\n";
  for (const Section& s : sections())
    out += fmt::format("  {:<{}}  {}\n", s.name, width, wrapped(s.summary, width + 4, width + 4));
  return out;
}
}  // namespace moesim::cli
