// moesim list: what the catalogues and families hold.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "cli/command.h"
#include "cli/listing/reference.h"
#include "cli/showing/catalogue_text.h"
#include "core/family.h"
#include "core/files.h"
#include "core/log.h"
#include "core/paths.h"
#include "core/terminal.h"
#include "formats/json.h"
#include "placement/placement.h"
#include "placement/section.h"
#include "results/metrics.h"
#include "results/schema.h"
#include "routing/default_law.h"
#include "routing/traffic_kinds.h"

namespace moesim::cli {
namespace {
struct Group {
  std::string title;
  struct Line {
    std::string name, text, kind;
  };
  std::vector<Line> lines;
};

Group models() {
  Group out{"models", {}};
  for (const std::string& name : catalogue_names("models")) {
    const spec::Model m = spec::load_model(name);
    out.lines.push_back({name, summary(m), m.family});
  }
  return out;
}
Group hardware() {
  Group out{"hardware", {}};
  for (const HardwareEntry& e : hardware_entries()) out.lines.push_back({e.name, e.summary, e.type});
  return out;
}
Group scenarios() {
  Group out{"scenarios", {}};
  for (const std::string& name : catalogue_names("scenarios")) {
    const Config config = Config::load(catalogue_file("scenarios", name, "scenario"));
    out.lines.push_back({name, config.is_map() && config.has("title") ? config.at("title").text() : "", ""});
  }
  return out;
}

/// Names under a heading; a blank line where the kind changes.
void print(const Group& group) {
  print_text("{}\n", group.title);
  std::size_t width = 0;
  for (const Group::Line& line : group.lines) width = std::max(width, line.name.size());
  for (std::size_t i = 0; i < group.lines.size(); ++i) {
    if (i > 0 && group.title == "hardware" && group.lines[i].kind != group.lines[i - 1].kind) print_text("\n");
    print_folded(fmt::format("  {:<{}}  {}\n", group.lines[i].name, width, group.lines[i].text));
  }
}
void print(const FamilyHelp& family, bool parameters) {
  print_text("{}\n", family.name);
  std::size_t width = 0;
  for (const auto& entry : family.entries) width = std::max(width, entry.kind.size());
  for (const auto& entry : family.entries) {
    if (!parameters) {
      print_folded(fmt::format("  {:<{}}  {}\n", entry.kind, width, entry.summary));
      continue;
    }
    print_folded(fmt::format("  {}: {}\n{}", entry.kind, entry.summary, entry.parameters));
  }
}

formats::Json json_of(const Group& group) {
  formats::Json out = formats::Json::array();
  for (const Group::Line& line : group.lines) {
    formats::Json entry = {{"name", line.name}, {"summary", line.text}};
    if (!line.kind.empty()) entry[group.title == "models" ? "family" : "type"] = line.kind;
    out.push_back(entry);
  }
  return out;
}
formats::Json json_of(const FamilyHelp& family) {
  formats::Json out = formats::Json::array();
  for (const auto& entry : family.entries)
    out.push_back({{"kind", entry.kind}, {"summary", entry.summary}, {"parameters", entry.parameters}});
  return out;
}

/// Every metric under its full name.
formats::Json metrics_json() {
  formats::Json out = formats::Json::array();
  for (const results::MetricSection& section : results::metric_sections())
    for (const results::MetricDefinition& m : section.metrics)
      for (const std::string& name : results::full_names(m))
        out.push_back({{"name", name},
                       {"unit", m.unit},
                       {"better", name_of(m.better)},
                       {"scopes", m.scopes},
                       {"meaning", m.meaning}});
  return formats::Json{{"metrics", out}};
}

/// For a terminal: every metric under its section, folded to the width.
void print_metrics() {
  std::string out;
  for (const results::MetricSection& section : results::metric_sections()) {
    out += fmt::format("{}{}\n", out.empty() ? "" : "\n", section.title);
    for (const results::MetricDefinition& m : section.metrics) {
      const std::string unit = m.unit.empty() ? "" : fmt::format("{}, ", m.unit);
      const std::string better =
          m.better == results::Better::neither ? "" : fmt::format("{} is better, ", name_of(m.better));
      out += fmt::format("  {}  {}{}of {}: {}\n", fmt::join(results::full_names(m), ", "), unit, better, m.scopes,
                         m.meaning);
    }
  }
  core::print_folded(out);
}

/// "kernel models", "kernel-model" and "kernel_models" are the same word; the start of a family's name is enough.
std::string plain(std::string_view name) {
  std::string out(name);
  std::ranges::replace(out, ' ', '-');
  std::ranges::replace(out, '_', '-');
  if (out.ends_with("s")) out.pop_back();
  return out;
}

constexpr std::pair<std::string_view, Group (*)()> kCatalogues[] = {
    {"models", models}, {"hardware", hardware}, {"scenarios", scenarios}};

void list_all(bool json) {
  formats::Json all;
  for (const auto& [name, make] : kCatalogues) {
    const Group group = make();
    if (json)
      all[std::string(name)] = json_of(group);
    else
      print(group), print_text("\n");
  }
  if (!json) print_text("strategies (moesim list NAME shows their parameters)\n\n");
  for (const FamilyHelp& family : families())
    if (json)
      all["families"][std::string(family.name)] = json_of(family);
    else
      print(family, false), print_text("\n");
  if (!json) return print_text("{}", sections_text());
  for (const Section& section : sections())
    all["sections"].push_back({{"name", section.name}, {"summary", section.summary}});
  print_text("{}\n", formats::json_text(all, 2));
}

/// With parameters; and the other keys of its section, where a scenario's section is more than one of the family.
void print_in_full(const FamilyHelp& family) {
  print(family, true);
  if (family.name == placement::placements().name())
    print_folded("\nkeys of the section `placement`\n" + help_of<placement::PlacementSection>());
  if (family.name != routing::traffics().name()) return;
  std::string laws = "\nserving without the section `routing`, by the model's gate\n";
  for (const routing::DefaultLaw& law : routing::default_laws())
    laws += fmt::format("  {} ({})\n    {}   {}\n", law.gate, law.models, law.section, law.source);
  print_folded(laws);
}

void print(const std::vector<Place>& places, bool json) {
  if (json) return print_text("{}\n", formats::json_text(formats::Json{{"keys", reference_json(places)}}, 2));
  print_text("{}", reference_text(places));
}

bool is_family(const std::string& what) {
  return std::ranges::any_of(families(), [&](const FamilyHelp& f) { return plain(f.name) == plain(what); });
}

/// What does show it, where `what` is in a list rather than one; "" for nothing.
std::string shown_by(const std::string& what) {
  for (const auto& [name, make] : kCatalogues)
    if (const std::vector<std::string> known = catalogue_names(name); std::ranges::find(known, what) != known.end())
      return fmt::format("; moesim show {} shows it", what);
  if (results::find_metric(what) != nullptr) return "; it is a metric: moesim list metrics says what each is";
  for (const FamilyHelp& family : families())
    if (std::ranges::any_of(family.entries, [&](const auto& entry) { return entry.kind == what; }))
      return fmt::format("; moesim list {} shows it", family.name);
  std::string small = what;
  std::ranges::transform(small, small.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return small != what && !look_up(small).empty() ? fmt::format("; did you mean \"{}\"?", small) : "";
}

[[noreturn]] void refuse(const std::string& what) {
  std::string problem = shown_by(what);
  if (problem.empty()) problem = suggested_path(what);
  if (problem.empty()) {
    std::vector<std::string_view> names = {"schema", "metrics", "reference"};
    for (const auto& [name, make] : kCatalogues) names.push_back(name);
    const std::vector<FamilyHelp> all = families();
    for (const FamilyHelp& family : all) names.push_back(family.name);
    for (const Section& section : sections()) names.push_back(section.name);
    for (const KeyHelp& key : section_called("scenario")->forms[0].keys) names.push_back(key.name);
    std::vector<std::string_view> each;
    for (const std::string_view name : names)
      if (std::ranges::find(each, name) == each.end()) each.push_back(name);
    const std::string near = nearest(what, each);
    problem = near.empty() ? "; moesim list says what can be" : fmt::format("; did you mean \"{}\"?", near);
  }
  throw ConfigError(fmt::format("nothing called \"{}\" can be listed{}", what, problem));
}

void list(const std::string& what, bool json) {
  if (what.empty()) return list_all(json);
  if (what == "schema") return print_text("{}", results::schema_markdown());
  if (what == "reference") return print_text("{}", reference_markdown());
  if (what == "metrics" && !json && core::terminal_width() > 0) return print_metrics();
  if (what == "metrics")
    return print_text("{}", json ? formats::json_text(metrics_json(), 2) + "\n" : results::metrics_markdown());
  for (const auto& [name, make] : kCatalogues)
    if (name == what || (plain(name) == plain(what) && look_up(what).empty()))
      return json ? print_text("{}\n", formats::json_text(formats::Json{{std::string(name), json_of(make())}}, 2))
                  : print(make());
  if (!is_family(what))
    if (const std::vector<Place> places = look_up(what); !places.empty()) return print(places, json);
  for (const FamilyHelp& family : families())
    if (plain(family.name).starts_with(plain(what)))
      return json
                 ? print_text("{}\n", formats::json_text(formats::Json{{std::string(family.name), json_of(family)}}, 2))
                 : print_in_full(family);
  refuse(what);
}
}  // namespace

void add_list(CLI::App& app, int&) {
  CLI::App* verb = app.add_subcommand("list", "models, hardware, scenarios, strategies and keys, with a line on each");
  auto what = std::make_shared<std::vector<std::string>>();
  auto json = std::make_shared<bool>(false);
  verb->add_option(
      "what", *what,
      "models, hardware, scenarios, a family of strategies; a section of a file or a key in it "
      "(serving, serving.pools.kv.block); metrics (every figure with unit, better way and meaning), schema "
      "(tables of results), reference (every key) (default: all but the last three and single keys)");
  verb->add_flag("--json", *json, "print one JSON object");
  verb->callback([what, json] {
    if (what->size() > 1 && *json) throw ConfigError::placed("--json: prints one object; give one name");
    if (what->empty()) list("", *json);
    for (const std::string& one : *what) list(one, *json);
  });
}
}  // namespace moesim::cli
