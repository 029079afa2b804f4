#include "cli/listing/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>

namespace moesim::cli {
namespace {
/// "serving.pools[0].kv" and "serving.pools.0.kv" as serving, pools, kv.
std::vector<std::string> words_of(std::string_view path) {
  std::vector<std::string> out(1);
  bool within = false;  // [...]
  for (const char c : path) {
    if (c == '[' || c == ']')
      within = c == '[';
    else if (c == '.' && !within)
      out.emplace_back();
    else if (!within)
      out.back() += c;
  }
  const auto number = [](const std::string& w) {
    return std::ranges::all_of(w, [](char c) { return c >= '0' && c <= '9'; });
  };
  std::erase_if(out, number);
  return out;
}
std::string joined(std::span<const std::string> words) {
  std::string out;
  for (const std::string& w : words) out += (out.empty() ? "" : ".") + w;
  return out;
}

Place place_of(const Section& section) { return {section.name, nullptr, nullptr, &section}; }

std::vector<Place> descend(std::vector<Place> from, std::span<const std::string> words, std::string_view kind) {
  for (const std::string& word : words) {
    std::vector<Place> next;
    for (const Place& place : from)
      for (Place& inner : below(place))
        if (inner.key->name == word && (kind.empty() || inner.form->kind.empty() || inner.form->kind == kind))
          next.push_back(std::move(inner));
    from = std::move(next);
  }
  return from;
}

/// Sections whose keys stand at the top of a file.
constexpr std::string_view kTop[] = {"scenario", "plan", "sweep"};

void walk(const Form& form, const std::vector<KeyHelp>& keys, const std::string& prefix,
          const std::function<void(const Form&, const std::string&, const KeyHelp&)>& f) {
  for (const KeyHelp& key : keys) {
    const std::string path = prefix + "." + key.name;
    f(form, path, key);
    walk(form, key.keys, path, f);
  }
}
}  // namespace

void for_each_key(const Section& section,
                  const std::function<void(const Form&, const std::string&, const KeyHelp&)>& f) {
  for (const Form& form : section.forms) walk(form, form.keys, section.name, f);
}

std::vector<Place> below(const Place& place) {
  std::vector<Place> out;
  const auto add = [&](const Form& form, const std::vector<KeyHelp>& keys, const std::string& path) {
    for (const KeyHelp& key : keys) out.push_back({path + "." + key.name, &form, &key, place.section});
  };
  if (place.key == nullptr) {
    for (const Form& form : place.section->forms) add(form, form.keys, place.path);
    return out;
  }
  add(*place.form, place.key->keys, place.path);
  const Lead* lead = lead_of(place.path);
  if (lead == nullptr || lead->to.empty()) return out;
  if (const Section* section = section_called(lead->to)) return below(place_of(*section));
  for (const Place& target : look_up(lead->to))
    for (Place& inner : below(target)) out.push_back(std::move(inner));
  return out;
}

std::vector<Place> look_up(std::string_view path, std::string_view kind) {
  constexpr std::string_view kHardware =
      "hardware.";  // the catalogue; its entries' keys stand in sections of their own
  if (path.starts_with(kHardware)) path.remove_prefix(kHardware.size());
  const std::vector<std::string> words = words_of(path);
  if (words.empty()) return {};
  const std::span<const std::string> all(words);
  for (std::size_t n = words.size(); n > 0; --n)
    if (const Section* section = section_called(joined(all.first(n))))
      if (std::vector<Place> found = descend({place_of(*section)}, all.subspan(n), kind); !found.empty()) return found;
  std::vector<Place> out;
  for (const std::string_view top : kTop)
    for (Place& found : descend({place_of(*section_called(top))}, all, kind)) out.push_back(std::move(found));
  return out;
}

std::string suggested_path(std::string_view path) {
  const std::vector<std::string> words = words_of(path);
  const std::span<const std::string> all(words);
  std::vector<std::string> ends;
  for (const Section& section : sections())
    for_each_key(section, [&](const Form&, const std::string& at, const KeyHelp&) {
      if (at.ends_with("." + joined(all)) && std::ranges::find(ends, at) == ends.end()) ends.push_back(at);
    });
  constexpr std::size_t kMostShown = 8;
  if (!ends.empty())
    return fmt::format("; there {} {}{}", ends.size() == 1 ? "is" : "are",
                       fmt::join(std::span(ends).first(std::min(kMostShown, ends.size())), ", "),
                       ends.size() > kMostShown ? ", ..." : "");
  for (std::size_t n = words.size(); n-- > 1;) {  // how far it leads
    const std::vector<Place> reached = look_up(joined(all.first(n)));
    if (reached.empty()) continue;
    std::set<std::string> names;
    for (const Place& place : reached)
      for (const Place& inner : below(place)) names.insert(inner.key->name);
    const std::string near = nearest(words[n], {names.begin(), names.end()});
    if (!near.empty()) return fmt::format("; did you mean \"{}.{}\"?", joined(all.first(n)), near);
    if (names.empty()) return fmt::format("; {} has no keys below it", joined(all.first(n)));
    return fmt::format("; {} has {}", joined(all.first(n)), fmt::join(names, ", "));
  }
  return "";
}
}  // namespace moesim::cli
