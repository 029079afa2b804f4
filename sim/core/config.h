// Reads YAML into structs.  A struct lists its fields once; parsing, defaults, unknown-key errors,
// help text and the resolved configuration all come from that one list.
#pragma once
#include <array>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config_error.h"
#include "core/named_enum.h"
#include "core/names.h"
#include "core/paths.h"
#include "core/units.h"

namespace YAML {
class Node;
}

namespace moesim::core {

class FieldReader;
/// A struct with  static void fields(auto& f, auto& p) { f("key", p.field, "help"); }
template <class T>
concept FieldList = std::is_class_v<T> && requires {
  &T::template fields<FieldReader, T>;
};

/// A YAML value, the file it came from and the key path that leads to it.  Copies are cheap handles.
class Config {
 public:
  struct Segment;      // one step of a key path
  Config() = default;  // holds nothing; only to be assigned to

  /// `--set key.path=value`: replaces or adds one value; a list element is `key[1]` or `key.1`.
  struct Override {
    std::string path, value;
    std::string from{};  // what messages name where the value is at fault; empty: "--set PATH"
  };
  /// Throws ConfigError if the file cannot be read, is not YAML, repeats a key, or an override does not fit.
  static Config load(const std::string& file, const std::vector<Override>& overrides = {});
  /// The same from text; `name` stands for the file in messages.
  static Config from_text(const std::string& text, const std::string& name,
                          const std::vector<Override>& overrides = {});
  /// The value of a command's option: messages name the option instead of a place in a file.
  static Config from_option(const std::string& option, const std::string& text,
                            const std::vector<Override>& overrides = {});

  bool has(std::string_view key) const;
  Config at(std::string_view key) const;  // throws ConfigError if absent
  /// The value, or an empty map at that place if absent: reading it yields defaults, and errors point to the parent.
  Config at_or_empty(std::string_view key) const;
  std::vector<Config> items() const;      // throws ConfigError if not a list
  std::vector<std::string> keys() const;  // throws ConfigError if not a map; in the file's order
  bool is_map() const;
  bool is_list() const;
  bool is_scalar() const;
  const std::string& path() const { return path_; }
  std::string place() const;        // "file:line:column: key.path", as messages begin
  const std::string& file() const;  // as given to load()
  NamedBy named_by() const;         // who names the paths written here

  std::string text() const;  // throws ConfigError if not a scalar
  void parse(std::string& out) const { out = text(); }
  void parse(bool& out) const;
  void parse(int& out) const;
  void parse(std::int64_t& out) const;
  void parse(std::uint64_t& out) const;
  void parse(double& out) const;
  void parse(Time& out) const;                    // "1.5 us"
  void parse(Bytes& out) const;                   // "80 GiB"
  void parse(Bandwidth& out) const;               // "400 Gbps", "900 GB/s"
  void parse(FlopRate& out) const;                // "989 TFLOP/s"
  void parse(Power& out) const;                   // "700 W"
  void parse(Price& out) const;                   // "2 USD/h"
  void parse(DataFile& out) const;                // "" names nothing; anything else must be there
  void parse(Config& out) const { out = *this; }  // kept raw, for a family to read later
  template <class T>
  void parse(std::optional<T>& out) const;
  template <class T>
  void parse(std::vector<T>& out) const;
  template <NamedEnum E>
  void parse(E& out) const;
  template <class T>
  requires FieldList<T>
  void parse(T& out) const;

  /// Throws ConfigError at this value.
  [[noreturn]] void fail(std::string_view problem) const;
  /// The same at the value that `key` ("kv.block") leads to from here, or as near to it as something is written.
  [[noreturn]] void fail_below(std::string_view key, std::string_view problem) const;
  /// Runs f, which uses what was described here, and returns what it returns.  A ConfigError without a place that
  /// leaves f is one of this value from then on, or of the value at the error's key below it.
  template <class F>
  decltype(auto) placed(F&& f) const;
  /// Throws ConfigError if a key is not among `known`, naming the nearest one.
  void only(const std::vector<std::string_view>& known) const;
  /// Notes the value in force for `key`, given or default, for resolved().
  void resolve(std::string_view key, std::string_view value) const;
  /// Every value read so far from this file, defaults included, as "key.path: value" lines in order of first reading.
  std::string resolved() const;

 private:
  struct Document;
  Config(const YAML::Node& node, std::shared_ptr<Document> document, std::string path);
  static Config from_document(const std::string& text, Document description, const std::vector<Override>& overrides);
  static Config from_root(const YAML::Node& root, std::shared_ptr<Document> document,
                          const std::vector<Override>& overrides);
  std::string child_path(std::string_view key) const;
  std::optional<Config> written_at(const Segment& step) const;

  std::shared_ptr<const YAML::Node> node_;  // const: reading a missing key must not create it
  std::shared_ptr<Document> document_;
  std::string path_;
};

std::string to_text(const std::string& v);
inline std::string to_text(const DataFile& v) { return v.name; }
std::string to_text(bool v);
std::string to_text(int v);
std::string to_text(std::int64_t v);
std::string to_text(std::uint64_t v);
std::string to_text(double v);
std::string to_text(Time v);       // "1.5 us"
std::string to_text(Bytes v);      // "80 GiB"
std::string to_text(Bandwidth v);  // "50 GB/s"
std::string to_text(FlopRate v);   // "989 TFLOP/s"
std::string to_text(Power v);      // "700 W"
std::string to_text(Price v);      // "2 USD/h"
inline std::string to_text(const Config&) { return "-"; }
template <NamedEnum E>
std::string to_text(E v) {
  return std::string(name_of(v));
}
template <class T>
std::string to_text(const std::optional<T>& v) {
  if constexpr (FieldList<T>)
    return v ? "given" : "none";
  else
    return v ? to_text(*v) : "none";
}
template <class T>
std::string to_text(const std::vector<T>& v) {
  std::string out = "[";
  for (const T& x : v) {
    if constexpr (FieldList<T>)
      out += "{...}";
    else
      out += (out.size() > 1 ? ", " : "") + to_text(x);
  }
  return out + "]";
}

/// The candidate closest to `word` by edit distance, or "" if none is close.
std::string nearest(std::string_view word, const std::vector<std::string_view>& candidates);
/// "; did you mean "x"?", or "; <what>: a, b, c" if nothing is close: the end of an error about an unknown word.
std::string suggestion(std::string_view word, const std::vector<std::string_view>& candidates, std::string_view what);

/// Visits a struct's fields and fills them from YAML; keeps the list of keys it was asked for.
class FieldReader {
 public:
  /// extending: the struct already holds values (of the entry it extends), so no key is required.
  explicit FieldReader(const Config& config, bool extending = false) : config_(config), extending_(extending) {}
  template <class T>
  void operator()(std::string_view key, T& value, std::string_view /*help*/) {
    known_.push_back(key);
    if (config_.has(key))
      config_.at(key).parse(value);
    else if constexpr (FieldList<T>)
      config_.at_or_empty(key).parse(value);
    if constexpr (!FieldList<T>) config_.resolve(key, to_text(value));
  }
  template <class T>
  void required(std::string_view key, T& value, std::string_view help) {
    if (!extending_) (void)config_.at(key);
    (*this)(key, value, help);
  }
  /// A key that is allowed here but read elsewhere.
  void skip(std::string_view key) { known_.push_back(key); }
  void finish() const { config_.only(known_); }

 private:
  const Config& config_;
  bool extending_;
  std::vector<std::string_view> known_{"kind"};
};

/// Visits the same fields to print them: key, default and help, nested structs indented.
class FieldPrinter {
 public:
  explicit FieldPrinter(int indent = 4) : indent_(indent) {}
  template <class T>
  void operator()(std::string_view key, const T& value, std::string_view help) {
    if constexpr (FieldList<T>)
      nested(key, value, help);
    else
      line(key, "default " + to_text(value), help);
  }
  template <class T>
  void required(std::string_view key, const T& value, std::string_view help) {
    if constexpr (FieldList<T>)
      nested(key, value, help);
    else
      line(key, "required", help);
  }
  void skip(std::string_view) {}
  const std::string& text() const { return text_; }

 private:
  template <class T>
  void nested(std::string_view key, const T& value, std::string_view help) {
    line(key, "", help);
    FieldPrinter inner(indent_ + 2);
    T::fields(inner, value);
    text_ += inner.text();
  }
  void line(std::string_view key, std::string_view value, std::string_view help);
  int indent_;
  std::string text_;
};

/// Fills a T from its field list.
template <class T>
T read(const Config& config) {
  T out{};
  config.parse(out);
  return out;
}
/// The help of T's fields, one line each.
template <class T>
std::string help_of() {
  FieldPrinter printer;
  const T defaults{};
  T::fields(printer, defaults);
  return printer.text();
}

template <class F>
decltype(auto) Config::placed(F&& f) const {
  try {
    return std::forward<F>(f)();
  } catch (const ConfigError& e) {
    if (e.has_place() || !node_) throw;
    fail_below(e.key(), e.problem());
  }
}

template <class T>
void Config::parse(std::optional<T>& out) const {
  if (is_scalar() && (text() == "none" || text() == "null" || text() == "~")) return out.reset();
  if (!out) out.emplace();
  parse(*out);
}
template <class T>
void Config::parse(std::vector<T>& out) const {
  out.clear();
  for (const Config& item : items()) item.parse(out.emplace_back());
}
template <NamedEnum E>
void Config::parse(E& out) const {
  const std::string word = text();
  std::vector<std::string_view> names;
  for (const auto& [name, value] : enum_names(E{})) {
    if (name == word) return void(out = value);
    names.push_back(name);
  }
  fail("\"" + word + "\" is not known here" + suggestion(word, names, "there are"));
}
template <class T>
requires FieldList<T>
void Config::parse(T& out) const {
  FieldReader reader(*this);
  T::fields(reader, out);
  reader.finish();
}
}  // namespace moesim::core
