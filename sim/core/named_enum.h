// Enums whose values have names in YAML.  The compiler refuses one that lacks a name.
#pragma once
#include <array>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

namespace moesim::core {

/// Beside the enum stands
///   constexpr auto enum_names(E) { return std::to_array<std::pair<std::string_view, E>>({{"name", E::value}, ...}); }
template <class E>
concept NamedEnum = std::is_enum_v<E> && requires {
  enum_names(E{});
};

/// Whether an enumerator stands for the value: the compiler writes `E::name` for it, and `(E)3` for one without.
template <auto value>
consteval bool is_enumerator() {
  const std::string_view text = __PRETTY_FUNCTION__;
  return text[text.rfind('=') + 2] != '(';
}

template <NamedEnum E>
consteval bool has_name(E value) {
  for (const auto& [name, v] : enum_names(E{}))
    if (v == value) return true;
  return false;
}

/// Every value from E(first) up to the first that no enumerator stands for has a name.
template <NamedEnum E, int first = 0>
consteval bool all_are_named() {
  if constexpr (!is_enumerator<E(first)>())
    return true;
  else
    return has_name(E(first)) && all_are_named<E, first + 1>();
}

template <NamedEnum E>
std::string_view name_of(E value) {
  static_assert(all_are_named<E>(), "a value of this enum lacks its name in enum_names()");
  for (const auto& [name, v] : enum_names(E{}))
    if (v == value) return name;
  throw std::logic_error("an enum value has no name");
}
}  // namespace moesim::core
