// Single values of a configuration: numbers, units, and the words closest to a misspelt one.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>

#include <yaml-cpp/yaml.h>

#include "core/config.h"
#include "core/key_help.h"

namespace moesim::core {
std::string Config::text() const {
  if (node_->IsNull()) return "~";
  if (!node_->IsScalar()) fail("expected a single value");
  return node_->Scalar();
}

namespace {
struct Unit {
  std::string_view name;
  double scale;
};
constexpr Unit kTime[] = {{"ps", 1},   {"ns", 1e3},    {"us", 1e6},    {"ms", 1e9},
                          {"s", 1e12}, {"min", 60e12}, {"h", 3600e12}, {"d", 86400e12}};
constexpr Unit kBytes[] = {{"B", 1},    {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40},
                           {"kB", 1e3}, {"MB", 1e6},     {"GB", 1e9},     {"TB", 1e12}};
constexpr Unit kBandwidth[] = {{"B/s", 1},        {"MB/s", 1e6},     {"GB/s", 1e9},     {"TB/s", 1e12},
                               {"GiB/s", 0x1p30}, {"Mbps", 1e6 / 8}, {"Gbps", 1e9 / 8}, {"Tbps", 1e12 / 8}};
constexpr Unit kFlopRate[] = {{"FLOP/s", 1}, {"GFLOP/s", 1e9}, {"TFLOP/s", 1e12}, {"PFLOP/s", 1e15}};
constexpr Unit kPower[] = {{"W", 1}, {"kW", 1e3}, {"MW", 1e6}};
constexpr Unit kPrice[] = {{"USD/h", 1}};

std::string unit_list(std::span<const Unit> units) {
  std::vector<std::string_view> names;
  for (const Unit& u : units) names.push_back(u.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

double with_unit(const Config& c, std::string_view what, std::span<const Unit> units, double most) {
  const std::string s = c.text();
  double x = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), x);
  std::string_view unit(end, std::size_t(s.data() + s.size() - end));
  unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
  const auto u = std::ranges::find(units, unit, &Unit::name);
  if (error != std::errc{} || !std::isfinite(x) || u == units.end())
    c.fail(fmt::format("expected {} with a unit ({}), got \"{}\"", what, unit_list(units), s));
  if (x < 0) c.fail(fmt::format("expected {} of 0 or more, got \"{}\"", what, s));
  if (x * u->scale > most) c.fail(fmt::format("{} is too large: \"{}\"", what, s));
  return x * u->scale;
}

template <class T>
T whole_number(const Config& c) {
  const std::string s = c.text();
  T out{};
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out);
  if (error == std::errc::result_out_of_range) c.fail(fmt::format("the integer \"{}\" is too large", s));
  if (error != std::errc{} || end != s.data() + s.size()) c.fail(fmt::format("expected an integer, got \"{}\"", s));
  return out;
}

std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0u);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j)
      diagonal = std::exchange(row[j + 1], std::min({row[j] + 1, row[j + 1] + 1, diagonal + (a[i] != b[j])}));
  }
  return row.back();
}

std::string with_largest_unit(double v, std::span<const Unit> units) {
  const Unit* best = &units.front();
  for (const Unit& u : units)
    if (u.scale <= v && u.scale > best->scale) best = &u;
  return fmt::format("{:.12g} {}", v / best->scale, best->name);
}
constexpr double kMostInt64 = 9.2e18;
constexpr double kMostDouble = 1e300;
}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  std::string best;
  std::size_t least = 1 + std::max<std::size_t>(1, word.size() / 3);
  for (std::string_view c : candidates) {
    const std::size_t longer = std::max(word.size(), c.size()) - std::min(word.size(), c.size());
    if (longer >= least) continue;  // as many edits at least, and no time lost on a word as long as a book
    if (const std::size_t d = edits(word, c); d < least) least = d, best = c;
  }
  return best;
}

std::string suggestion(std::string_view word, const std::vector<std::string_view>& candidates, std::string_view what) {
  const std::string guess = nearest(word, candidates);
  if (!guess.empty()) return fmt::format("; did you mean \"{}\"?", guess);
  return candidates.empty() ? "" : fmt::format("; {}: {}", what, fmt::join(candidates, ", "));
}

void Config::parse(int& out) const { out = whole_number<int>(*this); }
void Config::parse(std::int64_t& out) const { out = whole_number<std::int64_t>(*this); }
void Config::parse(std::uint64_t& out) const { out = whole_number<std::uint64_t>(*this); }
void Config::parse(double& out) const {
  const std::string s = text();
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out);
  if (error != std::errc{} || end != s.data() + s.size() || !std::isfinite(out))
    fail(fmt::format("expected a number, got \"{}\"", s));
}
void Config::parse(bool& out) const {
  const std::string s = text();
  if (s != "true" && s != "false") fail(fmt::format("expected true or false, got \"{}\"", s));
  out = s == "true";
}
void Config::parse(DataFile& out) const {
  out = {text(), ""};
  if (!out.name.empty()) out.path = placed([&] { return find_path(out.name, named_by()); });
}
void Config::parse(Time& out) const { out = {std::llround(with_unit(*this, "a time", kTime, kMostInt64))}; }
void Config::parse(Bytes& out) const { out = {std::llround(with_unit(*this, "a size", kBytes, kMostInt64))}; }
void Config::parse(Bandwidth& out) const { out = {with_unit(*this, "a bandwidth", kBandwidth, kMostDouble)}; }
void Config::parse(FlopRate& out) const { out = {with_unit(*this, "a compute rate", kFlopRate, kMostDouble)}; }
void Config::parse(Power& out) const { out = {with_unit(*this, "a power", kPower, kMostDouble)}; }
void Config::parse(Price& out) const { out = {with_unit(*this, "a price", kPrice, kMostDouble)}; }

std::string to_text(const std::string& v) { return v; }
std::string to_text(bool v) { return v ? "true" : "false"; }
std::string to_text(int v) { return fmt::to_string(v); }
std::string to_text(std::int64_t v) { return fmt::to_string(v); }
std::string to_text(std::uint64_t v) { return fmt::to_string(v); }
std::string to_text(double v) { return fmt::format("{}", v); }
std::string to_text(Time v) { return with_largest_unit(double(v.v), std::span(kTime).first(5)); }
std::string to_text(Bytes v) {
  // 80 GB and 80 GiB are both round numbers to someone: the shorter text is the one that was meant.
  const std::string binary = with_largest_unit(double(v.v), std::span(kBytes).first(5));
  const std::string decimal = with_largest_unit(double(v.v), std::span(kBytes).subspan(5));
  return v.v < 1000 || binary.size() < decimal.size() ? binary : decimal;
}
std::string to_text(Bandwidth v) { return with_largest_unit(v.v, std::span(kBandwidth).first(4)); }
std::string to_text(FlopRate v) { return with_largest_unit(v.v, kFlopRate); }
std::string to_text(Power v) { return with_largest_unit(v.v, std::span(kPower).first(1)); }
std::string to_text(Price v) { return with_largest_unit(v.v, kPrice); }

ValueType value_type(Time) { return {"time", "times", unit_list(kTime)}; }
ValueType value_type(Bytes) { return {"size", "sizes", unit_list(kBytes)}; }
ValueType value_type(Bandwidth) { return {"bandwidth", "bandwidths", unit_list(kBandwidth)}; }
ValueType value_type(FlopRate) { return {"compute rate", "compute rates", unit_list(kFlopRate)}; }
ValueType value_type(Power) { return {"power", "powers", unit_list(kPower)}; }
ValueType value_type(Price) { return {"price", "prices", unit_list(kPrice)}; }

void FieldPrinter::line(std::string_view key, std::string_view value, std::string_view help) {
  text_ += fmt::format("{:{}}{:<{}} {:<24} {}\n", "", indent_, key, std::max(1, 26 - indent_), value, help);
}
}  // namespace moesim::core
