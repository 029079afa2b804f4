#include "fuzz/support/tree.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>

#include "core/yaml_text.h"

namespace moesim::fuzz {
namespace {
constexpr int kMostValues = 5000;  // each mutation takes time for each

Tree tree_of(const YAML::Node& node, int& left) {
  Tree out;
  if (--left < 0) throw YAML::Exception(node.Mark(), "too large");
  if (node.IsMap()) {
    out.kind = Tree::Kind::map;
    for (const auto& entry : node) {
      out.items.push_back(tree_of(entry.second, left));
      out.items.back().key = entry.first.Scalar();
    }
  } else if (node.IsSequence()) {
    out.kind = Tree::Kind::list;
    for (const auto& item : node) out.items.push_back(tree_of(item, left));
  } else {
    out.text = node.IsNull() ? "null" : node.Scalar();
    out.quoted = node.Tag() == "!";
  }
  return out;
}

bool is_number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && !text.ends_with('.') && text.front() != 'i' &&
         text.front() != 'n';
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", unsigned(c));
    else
      out += c;
  }
  return out + "\"";
}

std::string scalar(const std::string& text, bool text_for_sure, Form form) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/+ ";
  if (form == Form::json)
    return !text_for_sure && (text == "true" || text == "false" || text == "null" || (!text.empty() && is_number(text)))
               ? text
               : quoted(text);
  const bool plain = !text.empty() && text.front() != ' ' && text.back() != ' ' && text.front() != '-' &&
                     text.find_first_not_of(kPlain) == std::string::npos;
  return !text_for_sure && (plain || is_number(text)) ? text : quoted(text);
}

void write(const Tree& tree, Form form, std::string& out) {
  if (tree.kind == Tree::Kind::scalar) return void(out += scalar(tree.text, tree.quoted, form));
  const bool map = tree.kind == Tree::Kind::map;
  out += map ? '{' : '[';
  for (const Tree& item : tree.items) {
    if (&item != tree.items.data()) out += ", ";
    if (map) out += scalar(item.key, form == Form::json, form) + ": ";
    write(item, form, out);
  }
  out += map ? '}' : ']';
}

void collect(Tree& tree, std::vector<Tree*>& out) {
  out.push_back(&tree);
  for (Tree& item : tree.items) collect(item, out);
}
}  // namespace

std::optional<Tree> tree_of(const std::string& text) {
  try {
    int left = kMostValues;
    return tree_of(core::load_yaml(text), left);
  } catch (const core::YamlFault&) {
    return std::nullopt;
  } catch (const YAML::Exception&) {
    return std::nullopt;
  }
}

std::string text_of(const Tree& tree, Form form) {
  std::string out;
  if (form == Form::json || tree.kind != Tree::Kind::map || tree.items.empty()) {
    write(tree, form, out);
    return out + "\n";
  }
  for (const Tree& item : tree.items) {
    out += scalar(item.key, false, form) + ": ";
    write(item, form, out);
    out += "\n";
  }
  return out;
}

std::vector<Tree*> values_of(Tree& tree) {
  std::vector<Tree*> out;
  collect(tree, out);
  return out;
}
}  // namespace moesim::fuzz
