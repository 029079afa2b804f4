// Worked examples of the verbs, which their --help ends with.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace moesim::cli {

struct Example {
  std::string_view command;  // as typed after `moesim`; its first word is the verb
  std::string_view what;
  bool quick = false;  // seconds, and needs nothing but what quick ones before it wrote
};
/// In an order in which the quick ones can be run in one folder.
std::span<const Example> examples();

/// "Examples:" and those of a verb, each with what it does; "" if it has none.
std::string examples_of(std::string_view verb);
}  // namespace moesim::cli
