// What a field list says of its keys, as a table: for `moesim list`, its reference and starts.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/config.h"

namespace moesim::core {

/// One key of a section.
struct KeyHelp {
  std::string name;
  std::string type;                // "time", "list of texts", "section"; "any": another reader says what it may be
  std::string units;               // that its values are written with: "ps, ns, us, ms"; "" for none
  std::vector<std::string> words;  // all that it may be, where that is one of a few
  std::string fallback;            // the default as text; "" for sections and what must be given
  bool required = false;
  std::string help;
  std::vector<KeyHelp> keys;  // of a section, or of each of a list of sections
};

/// How a value of some type is called, one and several.
struct ValueType {
  std::string_view one, many;
  std::string units{};
  std::vector<std::string> words{};
};
inline ValueType value_type(const std::string&) { return {"text", "texts"}; }
inline ValueType value_type(const DataFile&) { return {"file", "files"}; }
inline ValueType value_type(const Config&) { return {"any", "any"}; }
inline ValueType value_type(bool) { return {"true or false", "true or false"}; }
inline ValueType value_type(int) { return {"whole number", "whole numbers"}; }
inline ValueType value_type(std::int64_t) { return {"whole number", "whole numbers"}; }
inline ValueType value_type(std::uint64_t) { return {"whole number", "whole numbers"}; }
inline ValueType value_type(double) { return {"number", "numbers"}; }
ValueType value_type(Time);
ValueType value_type(Bytes);
ValueType value_type(Bandwidth);
ValueType value_type(FlopRate);
ValueType value_type(Power);
ValueType value_type(Price);
template <NamedEnum E>
ValueType value_type(E) {
  ValueType out{"word", "words"};
  for (const auto& [name, value] : enum_names(E{})) out.words.emplace_back(name);
  return out;
}

template <class T>
constexpr bool kIsList = false;
template <class T>
constexpr bool kIsList<std::vector<T>> = true;
template <class T>
constexpr bool kIsOptional = false;
template <class T>
constexpr bool kIsOptional<std::optional<T>> = true;

/// Visits a struct's fields and notes what they say.
class KeyLister {
 public:
  template <class T>
  void operator()(std::string_view key, const T& value, std::string_view help) {
    add(key, value, help, false);
  }
  template <class T>
  void required(std::string_view key, const T& value, std::string_view help) {
    add(key, value, help, true);
  }
  /// A key whose reader says what it may be, and its help.
  void skip(std::string_view key) {
    KeyHelp& k = keys_.emplace_back();
    k.name = key;
    k.type = "any";
  }
  std::vector<KeyHelp> take() { return std::move(keys_); }

 private:
  template <class T>
  void add(std::string_view key, const T& value, std::string_view help, bool required) {
    KeyHelp& k = keys_.emplace_back();
    k.name = key;
    k.help = help;
    k.required = required;
    if constexpr (!FieldList<T>)
      if (!required) k.fallback = to_text(value);
    describe(k, value);
    if (k.type == "any") k.fallback.clear();  // nothing is written, and the help says what that means
  }
  template <class T>
  static void describe(KeyHelp& k, const T& value) {
    if constexpr (FieldList<T>) {
      KeyLister inner;
      T::fields(inner, value);
      k.type = "section";
      k.keys = inner.take();
    } else if constexpr (kIsOptional<T>) {
      describe(k, typename T::value_type{});
    } else if constexpr (kIsList<T>) {
      using Element = typename T::value_type;
      describe(k, Element{});
      if constexpr (FieldList<Element>)
        k.type = "list of sections";
      else
        k.type = "list of " + std::string(value_type(Element{}).many);
    } else {
      ValueType type = value_type(value);
      k.type = type.one;
      k.units = std::move(type.units);
      k.words = std::move(type.words);
    }
  }
  std::vector<KeyHelp> keys_;
};

/// The names alone, as Config::only() takes them.
inline std::vector<std::string_view> names_of(const std::vector<KeyHelp>& keys) {
  std::vector<std::string_view> out;
  for (const KeyHelp& k : keys) out.push_back(k.name);
  return out;
}

/// What T's field list says, in its order, with the defaults of T{}.
template <class T>
std::vector<KeyHelp> keys_of() {
  KeyLister lister;
  const T defaults{};
  T::fields(lister, defaults);
  return lister.take();
}
}  // namespace moesim::core
