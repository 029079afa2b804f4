#include "cli/numbers.h"

#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace moesim::cli {
namespace {
template <class T>
bool reads(const std::string& text, T& out) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, out);
  return error == std::errc{} && at == end;
}
}  // namespace

std::string whole_number_problem(const std::string& text, std::int64_t least, std::int64_t most) {
  std::int64_t value = 0;
  if (reads(text, value) && value >= least && value <= most) return "";
  return fmt::format("expected a whole number from {} to {}, got \"{}\"", least, most, text);
}

std::string seed_problem(const std::string& text) {
  std::uint64_t value = 0;
  if (reads(text, value)) return "";
  return fmt::format("expected a whole number from 0 to {}, got \"{}\"", UINT64_MAX, text);
}

std::string number_problem(const std::string& text, bool zero_too) {
  double value = 0;
  if (reads(text, value) && std::isfinite(value) && (value > 0 || (zero_too && value == 0))) return "";
  return fmt::format("expected a number {}, got \"{}\"", zero_too ? "of at least 0" : "above 0", text);
}

CLI::Validator whole_number(std::int64_t least, std::int64_t most) {
  return {[least, most](std::string& text) { return whole_number_problem(text, least, most); }, ""};
}
CLI::Validator any_seed() {
  return {[](std::string& text) { return seed_problem(text); }, ""};
}
CLI::Validator number_above_zero() {
  return {[](std::string& text) { return number_problem(text, false); }, ""};
}
CLI::Validator number_from_zero() {
  return {[](std::string& text) { return number_problem(text, true); }, ""};
}
}  // namespace moesim::cli
