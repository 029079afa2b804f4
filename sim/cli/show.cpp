// moesim show: a model, several side by side, a piece of hardware, or the table of claims.
#include "cli/show.h"
#include "core/log.h"

#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/command.h"
#include "cli/numbers.h"
#include "cli/options.h"
#include "cli/showing/catalogue_text.h"
#include "core/files.h"
#include "core/paths.h"
#include "core/terminal.h"
#include "core/utf8.h"
#include "formats/json.h"
#include "network/topology/topology.h"
#include "results/summary.h"
#include "spec/claims.h"
#include "spec/release/read_release.h"
#include "spec/release/release_entry.h"
#include "spec/release/release_of_model.h"

namespace moesim::cli {
namespace {
bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

/// A name, YAML path, config.json or folder that stands for a model; false for hardware.  Throws ConfigError for
/// neither.
bool is_model(const std::string& name) {
  namespace fs = std::filesystem;
  const std::vector<std::string> models = catalogue_names("models"), hardware = catalogue_names("hardware");
  if (contains(models, name)) return true;
  if (contains(hardware, name)) return false;
  std::error_code error;
  if (fs::is_directory(name, error) || name.ends_with(".json")) return true;
  if (fs::exists(name, error)) return spec::hardware_type(name).empty();
  if (name.find('/') != std::string::npos || name.ends_with(".yaml"))
    throw ConfigError(fmt::format("{}: no such file", name));
  std::vector<std::string_view> all(models.begin(), models.end());
  all.insert(all.end(), hardware.begin(), hardware.end());
  const std::string guess = nearest(name, all);
  throw ConfigError(
      fmt::format("no model or hardware is called \"{}\"{}", name,
                  contains(catalogue_names("scenarios"), name)
                      ? fmt::format("; it is a scenario or plan: moesim explain {}, moesim run --help", name)
                  : guess.empty() ? "; moesim list shows all"
                                  : fmt::format("; did you mean \"{}\"?", guess)));
}

/// The config.json that a name stands for, or "".
std::string config_of(const std::string& name) {
  namespace fs = std::filesystem;
  if (contains(catalogue_names("models"), name)) return "";
  std::error_code error;
  if (fs::is_directory(name, error)) return (fs::path(name) / "config.json").string();
  return name.ends_with(".json") ? name : "";
}

/// The release that a name stands for; a catalogue's entry as the config.json it would have.
spec::Release release_of(const std::string& name) {
  if (const std::string file = config_of(name); !file.empty()) return spec::read_release(file);
  if (contains(catalogue_names("models"), name))
    if (std::optional<spec::Release> entry = spec::release_of_entry(catalogue_file("models", name, "model")))
      return *std::move(entry);
  return spec::release_of_model(spec::load_model(name));
}

/// Some options are for clusters alone.
void check_cluster(const std::string& name, std::string_view type, const ShowOptions& options) {
  const std::string_view option = options.collectives ? "collectives" : options.draw.empty() ? "" : "draw";
  if (!option.empty() && type != "cluster")
    throw ConfigError::placed(fmt::format("--{}: {} is a {}, not a cluster", option, name, type));
}

network::Topology topology_of(const std::string& name) {
  return at_place(name, [&] { return network::Topology(spec::load_cluster(name)); });
}

std::string draw_network(const std::string& name, const std::string& format) {
  if (format == "dot") return network::topology_dot(topology_of(name));
  if (format == "svg") return network::topology_svg(topology_of(name));
  throw ConfigError::placed(fmt::format("--draw: expected dot or svg, got \"{}\"", format));
}

std::string show_hardware(const std::string& name, const ShowOptions& options) {
  const bool json = options.json;
  const std::string file = catalogue_file("hardware", name, "hardware");
  const std::string type = spec::hardware_type(file);
  check_cluster(name, type, options);
  if (!options.draw.empty()) return draw_network(name, options.draw);
  if (options.collectives) return show_collectives(spec::load_cluster(name), json);
  if (type == "gpu") return show_gpu(spec::load_gpu(name), json);
  if (type == "node") return show_node(spec::load_node(name), json);
  if (type == "fabric") return show_fabric(spec::load_fabric(name), json);
  if (type == "cluster") return show_cluster(spec::load_cluster(name), json);
  const std::string text = read_file(file);  // another folder's measurements: their file says all
  return json ? formats::json_text({{"name", name}, {"type", type}, {"file", text}}, 2) + "\n" : text;
}

/// Models of which at least one is a config.json.
std::string show_described(const std::vector<std::string>& names, const ShowOptions& options) {
  check_cluster(names.front(), "model", options);
  std::vector<spec::Release> releases;
  for (const std::string& name : names) releases.push_back(release_of(name));
  return show_releases(releases, options);
}

std::string show(const std::vector<std::string>& names, const ShowOptions& options) {
  std::vector<spec::Model> models;
  std::vector<std::string> hardware, known;
  bool released = options.contexts.size() > 1;
  for (const std::string& name : names)
    if (is_model(name)) {
      known.push_back(name);
      released = released || !config_of(name).empty();
      if (released) continue;
      models.push_back(spec::load_model(name));
      released = models.back().unpublished.empty() && !models.back().can_run();
    } else {
      hardware.push_back(name);
    }
  if (released && !known.empty() && hardware.empty()) return show_described(known, options);
  if (released) {
    models.clear();
    for (const std::string& name : known) models.push_back(spec::load_model(name));
  }
  if (!models.empty() && !hardware.empty())
    throw ConfigError(
        fmt::format("{} is a model and {} is hardware: show one or the other", models.front().name, hardware.front()));
  if (!models.empty()) check_cluster(models.front().name, "model", options);
  if (models.size() == 1) return show_model(models.front(), options);
  if (!models.empty()) return show_models(models, options);
  if (hardware.size() == 1) return show_hardware(hardware.front(), options);
  formats::Json all = formats::Json::array();
  std::string out;
  for (const std::string& name : hardware)
    if (options.json)
      all.push_back(formats::Json::parse(show_hardware(name, options)));
    else
      out += (out.empty() ? "" : "\n") + show_hardware(name, options);
  return options.json ? formats::json_text({{"hardware", all}}, 2) + "\n" : out;
}

spec::CacheFormat cache_format(const std::string& word) {
  std::vector<std::string_view> names;
  for (const auto& [name, format] : enum_names(spec::CacheFormat{})) {
    if (name == word) return format;
    names.push_back(name);
  }
  throw ConfigError::placed(
      fmt::format("--kv-dtype: \"{}\" is not known{}", word, suggestion(word, names, "there are")));
}
}  // namespace

std::string show_claims(bool json) {
  const std::vector<spec::Claim> claims = spec::popular_claims();
  if (json) {
    formats::Json out = formats::Json::array();
    for (const spec::Claim& c : claims)
      out.push_back(
          {{"about", c.about}, {"claim", c.claim}, {"verdict", c.holds ? "right" : "wrong"}, {"fact", c.fact}});
    return formats::json_text({{"claims", out}}, 2) + "\n";
  }
  std::string out;
  for (const spec::Claim& c : claims)
    out += fmt::format("{}: {}\n  {}: {}\n", c.about, c.claim, c.holds ? "right" : "wrong", c.fact);
  return out;
}

namespace {
std::vector<std::int64_t> contexts_of(const std::vector<std::string>& words) {
  if (words.empty()) return ShowOptions{}.contexts;
  std::vector<std::int64_t> out;
  for (const std::string& word : words) {
    if (!whole_number_problem(word, 1, 1'000'000'000).empty())
      throw ConfigError::placed(fmt::format("--context: expected 1 to 1000000000 tokens, got {}", one_line(word)));
    out.push_back(std::stoll(word));
  }
  return out;
}
}  // namespace

void add_show(CLI::App& app, int&) {
  struct Given {
    std::vector<std::string> names, contexts;
    ShowOptions options;
    std::string format = "bf16";
    bool claims = false;
  };
  auto given = std::make_shared<Given>();
  CLI::App* verb = app.add_subcommand(
      "show", "count a model's parameters, cache and operations, compare several, or print a piece of hardware");
  add_list(*verb, "names", given->names,
           "models (catalogue name, YAML file, config.json or its folder), or GPUs, nodes, fabrics, clusters");
  add_list(*verb, "--context", given->contexts,
           "tokens of one user's cache and of a training sequence; several, 4096,131072: a table of caches (default: "
           "4096)");
  verb->add_option("--kv-dtype", given->format, "format of the KV cache: bf16, fp8, or fp8_mla (656 B a layer for MLA)")
      ->capture_default_str();
  verb->add_option("--batch", given->options.batch, "tokens of one decode step, which share the weights it reads")
      ->capture_default_str();
  verb->add_option("--gpu", given->options.gpu, "whose memory several models are fitted to")->capture_default_str();
  verb->add_option("--draw", given->options.draw, "print a cluster's network as a picture: dot (Graphviz) or svg");
  verb->add_flag("--collectives", given->options.collectives,
                 "what all-reduce, all-gather and their like take on a cluster, by algorithm and bytes");
  verb->add_flag("--claims", given->claims, "popular claims about these models, and what their shapes give");
  verb->add_flag("--json", given->options.json, "print one JSON object");
  verb->callback([given] {
    ShowOptions options = given->options;
    for (std::string name; !(name = take_stray(given->contexts, begins_as_number)).empty();)
      given->names.push_back(name);
    if (given->claims == !given->names.empty())
      throw ConfigError(given->claims ? "--claims stands alone, without names"
                                      : "show needs a name (see moesim list) or --claims");
    options.contexts = contexts_of(given->contexts);
    options.context = options.contexts.front();
    if (options.batch < 1) throw ConfigError::placed(fmt::format("--batch: expected 1 or more, got {}", options.batch));
    if (options.collectives && !options.draw.empty())
      throw ConfigError("show --draw and --collectives do not go together");
    options.format = cache_format(given->format);
    const std::string text = given->claims ? show_claims(options.json) : show(given->names, options);
    options.json || !options.draw.empty() ? print_text(text) : print_folded(text);
  });
}
}  // namespace moesim::cli
