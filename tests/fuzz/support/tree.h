// YAML and JSON as trees that can be changed anywhere and written again.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moesim::fuzz {

struct Tree {
  enum class Kind { scalar, list, map };
  Kind kind = Kind::scalar;
  std::string key{};    // of an element of a map
  std::string text{};   // of a scalar
  bool quoted = false;  // a scalar that is text whatever it looks like
  std::vector<Tree> items{};
};

enum class Form { yaml, json };
/// None for what is neither, or has more than some thousand values.
std::optional<Tree> tree_of(const std::string& text);
/// YAML: the top level a line a key, in braces below it.
std::string text_of(const Tree& tree, Form form);
/// All values, the root first; none is valid once another has been changed.
std::vector<Tree*> values_of(Tree& tree);
}  // namespace moesim::fuzz
