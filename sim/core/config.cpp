#include "core/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <span>

#include "core/files.h"
#include "core/typed_list.h"
#include "core/utf8.h"
#include "core/yaml_text.h"

namespace moesim::core {
/// One step of a key path: "kv", or "1" of "pools[1]".
struct Config::Segment {
  std::string key;
  bool is_index = false;
};

namespace {
using Segment = Config::Segment;
/// How values that are read later are noted until then: not written, or written and no single value.
constexpr std::string_view kKept = "-", kGiven = "given";
bool is_kept(std::string_view value) { return value == kKept || value == kGiven; }
constexpr std::size_t kMostSteps = 50;  // of a key path; functions that walk a document recurse

/// "a.b[1].c" as its steps.  Throws ConfigError on an empty step.
std::vector<Segment> split(const std::string& path, std::string_view from) {
  const auto refuse = [&] { throw ConfigError::placed(fmt::format("{}: expected key.path=value", from)); };
  if (path.empty() || path.front() == '.' || path.back() == '.' || path.find("..") != std::string::npos) refuse();
  std::vector<Segment> out;
  std::string word;
  for (char c : path + ".") {
    if (c != '.' && c != '[' && c != ']') {
      word += c;
    } else if (!word.empty()) {
      const bool digits = std::ranges::all_of(word, [](char d) { return d >= '0' && d <= '9'; });
      out.push_back({std::exchange(word, ""), digits});
    }
  }
  if (out.empty() || out.size() > kMostSteps) refuse();
  return out;
}

/// The element that a step names.  Throws ConfigError if there is none.
std::size_t element(const Segment& step, std::size_t size, const std::string& from) {
  std::size_t i = 0;
  const auto [end, error] = std::from_chars(step.key.data(), step.key.data() + step.key.size(), i);
  if (size == 0) throw ConfigError::placed(fmt::format("{}: the list there is empty", from));
  if (error != std::errc{} || !step.is_index || i >= size)
    throw ConfigError::placed(fmt::format("{}: the list has elements 0 to {}, got \"{}\"", from, size - 1, step.key));
  return i;
}

void put(YAML::Node node, std::span<const Segment> steps, const YAML::Node& value, const std::string& from) {
  const Segment& step = steps.front();
  const bool last = steps.size() == 1;
  if (node.IsSequence()) {
    const std::size_t i = element(step, node.size(), from);
    if (last) return void(node[i] = value);
    return put(node[i], steps.subspan(1), value, from);
  }
  if (node.IsScalar())
    throw ConfigError::placed(one_line(
        fmt::format("{}: \"{}\" is a single value there and has no key \"{}\"", from, node.Scalar(), step.key)));
  if (last) return void(node[step.key] = value);
  put(node[step.key], steps.subspan(1), value, from);
}

YAML::Node load_override(const Config::Override& o, const std::string& from) {
  try {
    return load_yaml(o.value);
  } catch (const YamlFault& fault) {
    if (fault.problem.starts_with("not valid"))
      throw ConfigError::placed(one_line(fmt::format("{}: \"{}\" is {}", from, o.value, fault.problem)));
    throw ConfigError::placed(
        one_line(fmt::format("{}: {}{}{}", from, fault.path, fault.path.empty() ? "" : ": ", fault.problem)));
  }
}
}  // namespace

struct Config::Document {
  std::string name;
  bool option = false;                              // `name` is a command's option, and the text its value
  std::map<std::string, std::string> overridden{};  // path: what gave it, "--set PATH" or a place in a file
  std::vector<std::string> order{};
  std::map<std::string, std::string> values{};
  std::map<std::string, std::map<std::string, YAML::Node, std::less<>>> long_maps{};  // by path, then by key

  /// path: of the value at fault; shown: the path the message names, if another.
  [[noreturn]] void fail_at(const YAML::Mark& mark, const std::string& path, std::string_view problem,
                            const std::string* shown = nullptr) const {
    const std::string& name_of_value = shown != nullptr ? *shown : path;
    const std::string where = name_of_value.empty() ? "" : name_of_value + ": ";
    if (const auto* set = override_of(path)) {
      const bool said = set->second == "--set " + name_of_value;
      throw ConfigError::placed(one_line(fmt::format("{}: {}{}", set->second, said ? "" : where, problem)));
    }
    throw ConfigError::placed(one_line(fmt::format("{}: {}{}", at(mark), where, problem)));
  }
  /// "file:line:column", or the option.
  std::string at(const YAML::Mark& mark) const {
    return option || mark.line < 0 ? name : fmt::format("{}:{}:{}", name, mark.line + 1, mark.column + 1);
  }
  /// The override that gave the value at `path`, or none.
  const std::pair<const std::string, std::string>* override_of(const std::string& path) const {
    for (const auto& o : overridden)
      if (path == o.first || path.starts_with(o.first + ".") || path.starts_with(o.first + "[")) return &o;
    return nullptr;
  }
  /// The value of `map`, which stands at `path`, for `key`.
  std::optional<YAML::Node> value_of(const YAML::Node& map, const std::string& path, std::string_view key) {
    constexpr std::size_t kLong = 50;  // from here on every key is sought in an index; the node itself has none
    if (map.size() < kLong) {
      for (const auto& entry : map)
        if (entry.first.Scalar() == key) return entry.second;
      return std::nullopt;
    }
    const auto [index, fresh] = long_maps.try_emplace(path);
    if (fresh)
      for (const auto& entry : map) index->second.emplace(entry.first.Scalar(), entry.second);
    const auto found = index->second.find(key);
    return found == index->second.end() ? std::nullopt : std::optional(found->second);
  }
  /// Says that `fault` was found in what this describes.
  [[noreturn]] void refuse(const YamlFault& fault) const {
    throw ConfigError::placed(
        one_line(fmt::format("{}: {}{}{}", at(fault.mark), fault.path, fault.path.empty() ? "" : ": ", fault.problem)));
  }
};

Config::Config(const YAML::Node& node, std::shared_ptr<Document> document, std::string path)
    : node_(std::make_shared<const YAML::Node>(node)), document_(std::move(document)), path_(std::move(path)) {}

Config Config::load(const std::string& file, const std::vector<Override>& overrides) {
  Config out = from_text(read_file(file, kMostYaml), file, overrides);
  if (!out.is_map()) out.fail("expected a map of keys");
  return out;
}

Config Config::from_text(const std::string& text, const std::string& name, const std::vector<Override>& overrides) {
  return from_document(text, {.name = name}, overrides);
}

Config Config::from_option(const std::string& option, const std::string& text, const std::vector<Override>& overrides) {
  return from_document(text, {.name = option, .option = true}, overrides);
}

Config Config::from_document(const std::string& text, Document description, const std::vector<Override>& overrides) {
  auto document = std::make_shared<Document>(std::move(description));
  YAML::Node root;
  try {
    root = load_yaml(text);
  } catch (const YamlFault& fault) {
    document->refuse(fault);
  }
  if (root.IsNull()) throw ConfigError::placed(fmt::format("{}: is empty", document->name));
  return from_root(root, document, overrides);
}

Config Config::from_root(const YAML::Node& root, std::shared_ptr<Document> document,
                         const std::vector<Override>& overrides) {
  for (const Override& o : overrides) {
    const std::string from = o.from.empty() ? "--set " + o.path : o.from;
    const std::vector<Segment> steps = split(o.path, from);
    put(root, steps, load_override(o, from), from);
    document->overridden[o.path] = from;
  }
  return {root, std::move(document), ""};
}

const std::string& Config::file() const { return document_->name; }
NamedBy Config::named_by() const {
  if (document_->option) return {};
  return {document_->name, document_->override_of(path_) != nullptr};
}
bool Config::is_map() const { return node_->IsMap(); }
bool Config::is_list() const { return node_->IsSequence(); }
bool Config::is_scalar() const { return node_->IsScalar() || node_->IsNull(); }

std::string Config::place() const {
  const auto* set = document_->override_of(path_);
  return set != nullptr ? set->second : fmt::format("{}: {}", document_->at(node_->Mark()), path_);
}

void Config::fail(std::string_view problem) const { document_->fail_at(node_->Mark(), path_, problem); }

void Config::fail_below(std::string_view key, std::string_view problem) const {
  if (key.empty()) fail(problem);
  std::optional<Config> given = *this;  // what is written at the path so far
  YAML::Mark mark = node_->Mark();
  std::string path = path_;
  for (const Segment& step : split(std::string(key), path_)) {
    path += step.is_index ? fmt::format("[{}]", step.key) : (path.empty() ? "" : ".") + step.key;
    if (given) given = given->written_at(step);
    if (given) mark = given->node_->Mark();
  }
  document_->fail_at(mark, path, problem);
}

std::optional<Config> Config::written_at(const Segment& step) const {
  if (is_map() && has(step.key)) return at(step.key);
  if (!is_list() || !step.is_index) return std::nullopt;
  std::size_t i = 0;
  const auto [end, error] = std::from_chars(step.key.data(), step.key.data() + step.key.size(), i);
  if (error != std::errc{} || i >= node_->size()) return std::nullopt;
  return Config((*node_)[i], document_, fmt::format("{}[{}]", path_, i));
}

std::string Config::child_path(std::string_view key) const {
  if (path_.empty() || key.empty()) return key.empty() ? path_ : std::string(key);
  return fmt::format("{}.{}", path_, key);
}

std::vector<std::string> Config::keys() const {
  if (node_->IsNull()) return {};
  if (!node_->IsMap()) fail("expected a map of keys to values");
  std::vector<std::string> out;
  for (const auto& entry : *node_) out.push_back(entry.first.Scalar());
  return out;
}
bool Config::has(std::string_view key) const {
  if (node_->IsNull()) return false;
  if (!node_->IsMap()) fail("expected a map of keys to values");
  return document_->value_of(*node_, path_, key).has_value();
}

Config Config::at(std::string_view key) const {
  if (!has(key)) {
    const std::vector<std::string> present = keys();
    const std::string guess = nearest(key, {present.begin(), present.end()});
    fail(fmt::format("missing key \"{}\"{}", key, guess.empty() ? "" : fmt::format(" (is \"{}\" a typo?)", guess)));
  }
  return {*document_->value_of(*node_, path_, key), document_, child_path(key)};
}

Config Config::at_or_empty(std::string_view key) const {
  if (has(key)) return at(key);
  Config empty = *this;  // keeps the parent's mark for messages
  empty.node_ = std::make_shared<const YAML::Node>(YAML::NodeType::Map);
  empty.path_ = child_path(key);
  return empty;
}

std::vector<Config> Config::items() const {
  std::vector<Config> out;
  if (node_->IsScalar() && document_->overridden.contains(path_)) {  // --set key=a,b,c
    for (const std::string& word : typed_list(node_->Scalar()))
      out.push_back({YAML::Node(word), document_, fmt::format("{}[{}]", path_, out.size())});
    return out;
  }
  if (!node_->IsSequence()) fail("expected a list");
  for (std::size_t i = 0; i < node_->size(); ++i)
    out.push_back({(*node_)[i], document_, fmt::format("{}[{}]", path_, i)});
  return out;
}

void Config::only(const std::vector<std::string_view>& known) const {
  if (node_->IsNull()) return;
  for (const auto& entry : *node_) {
    const std::string& key = entry.first.Scalar();
    if (std::ranges::find(known, key) != known.end()) continue;
    std::vector<std::string_view> shown(known.begin(), known.end());
    if (shown.size() > 1 && shown.front() == "kind") shown.erase(shown.begin());
    document_->fail_at(entry.first.Mark(), child_path(key),
                       fmt::format("unknown key \"{}\"{}", key, suggestion(key, shown, "known keys")), &path_);
  }
}

void Config::resolve(std::string_view key, std::string_view value) const {
  const std::string path = child_path(key);
  std::string shown(value);
  if (value == kKept && node_->IsMap() && has(key)) shown = at(key).is_scalar() ? at(key).text() : kGiven;
  if (value.starts_with("[-") && node_->IsMap() && has(key) && at(key).is_list()) {  // of items read later
    shown = "[";
    for (const Config& item : at(key).items())
      shown += (shown.size() > 1 ? ", " : "") + (item.is_scalar() ? item.text() : std::string("{...}"));
    shown += "]";
  }
  const auto [known, fresh] = document_->values.emplace(path, shown);
  // What a family or a section reads later says what was only kept until then.
  if (fresh) document_->order.push_back(path);
  if (is_kept(known->second)) known->second = shown;
}

std::string Config::resolved() const {
  std::string out;
  for (const std::string& path : document_->order) {
    const std::string& value = document_->values.at(path);
    // What was read of a value kept for later stands under longer paths.
    const auto below = document_->values.upper_bound(path + ".");
    if (is_kept(value) && below != document_->values.end() && below->first.starts_with(path + ".")) continue;
    out += fmt::format("{}: {}\n", path, value == kKept ? "not given" : value);
  }
  return out;
}
}  // namespace moesim::core
