// Every metric is held to a value that was worked out: by a call pin(results, "name", ...) in some test.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "results/metrics.h"
#include "support/places.h"

namespace moesim::results {
namespace {
namespace fs = std::filesystem;

/// The source without comments; what stands in quotes stays as it is.
std::string without_comments(const std::string& text) {
  std::string out;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = std::string_view(text).substr(i);
    if (quoted && text[i] == '\\') {
      out += rest.substr(0, 2);
      ++i;
      continue;
    }
    if (text[i] == '"') quoted = !quoted;
    if (!quoted && rest.starts_with("//")) i = std::min(text.find('\n', i), text.size() - 1);
    if (!quoted && rest.starts_with("/*")) i = std::min(text.find("*/", i), text.size() - 2) + 2;
    out += text[i];
  }
  return out;
}

/// What stands between the parenthesis that opens at `open` and the one that closes it, parted at commas.
std::vector<std::string> arguments(const std::string& text, std::size_t open) {
  std::vector<std::string> out(1);
  bool quoted = false;
  int depth = 0;
  for (std::size_t i = open + 1; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' && text[i - 1] != '\\') quoted = !quoted;
    if (!quoted) {
      if (c == ')' && depth == 0) break;
      depth += (c == '(' || c == '{') - (c == ')' || c == '}');
      if (c == ',' && depth == 0) {
        out.emplace_back();
        continue;
      }
    }
    if (quoted || !std::isspace(static_cast<unsigned char>(c))) out.back() += c;
  }
  return out;
}

struct Pin {
  std::string name, expected;
};
/// The calls of `function` whose second argument is a literal; `expected` is the argument with that number.
void find_calls(const std::string& text, const std::string& function, std::size_t expected, std::vector<Pin>& out) {
  for (std::size_t at = text.find(function); at != text.npos; at = text.find(function, at + 1)) {
    const char before = at > 0 ? text[at - 1] : ' ';
    if (std::isalnum(static_cast<unsigned char>(before)) || before == '_') continue;
    const std::vector<std::string> all = arguments(text, at + function.size() - 1);
    if (all.size() <= expected || all[1].size() < 2 || all[1].front() != '"' || all[1].back() != '"') continue;
    out.push_back({all[1].substr(1, all[1].size() - 2), all[expected]});
  }
}
std::vector<Pin> pins_of(const std::string& source) {
  const std::string text = without_comments(source);
  std::vector<Pin> out;
  find_calls(text, "pin(", 3, out);
  find_calls(text, "pin_at(", 4, out);
  return out;
}

bool zero(const std::string& text) { return text.find_first_not_of("0.") == text.npos; }

TEST(Pinned, ACallPinsAndAMentionDoesNot) {
  const std::vector<Pin> pins = pins_of(
      "// pin(r, \"a\", \"run\", 1);\n/* pin(r, \"b\", \"run\", 1); */ unpin(r, \"c\", \"run\", 1);\n"
      "pin(*r.results, \"d\", at(\"x, y\"),\n    2.0 / f(3, 4), 1e-3);  // of \"e\"\npin_at(r, \"f\", \"run\", 5, 0);\n"
      "for (const char* name : names) pin(r, name, \"run\", 1);");
  ASSERT_EQ(pins.size(), 2u);
  EXPECT_EQ(pins[0].name, "d");
  EXPECT_EQ(pins[0].expected, "2.0/f(3,4)");
  EXPECT_EQ(pins[1].name, "f");
  EXPECT_TRUE(zero(pins[1].expected));
}

TEST(Pinned, EveryMetricIsHeldToAValueThatWasWorkedOut) {
  std::set<std::string> pinned;
  for (const char* layer : {"unit", "law", "formula", "numeric"})
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(test::source_dir()) / "tests" / layer)) {
      if (!entry.is_regular_file() || entry.path().filename() == "pinned_test.cpp") continue;
      std::ifstream in(entry.path());
      const std::string text(std::istreambuf_iterator<char>(in), {});
      for (const char* own : {" pin(std::string_view", " pin(const", "define pin"})
        EXPECT_EQ(text.find(own), text.npos) << entry.path() << ": support/pin.h alone says what pinning is";
      for (const Pin& p : pins_of(text)) {
        const MetricDefinition* metric = find_metric(p.name);
        if (metric == nullptr) {
          ADD_FAILURE() << entry.path() << " pins " << p.name << ", which is no metric";
          continue;
        }
        // A figure that is nothing in a case where nothing happens says little of how it is counted.
        if (!zero(p.expected) || metric->meaning.ends_with("always 0")) pinned.insert(p.name);
      }
    }
  std::size_t metrics = 0;
  for (const MetricSection& section : metric_sections())
    for (const MetricDefinition& m : section.metrics)
      for (const std::string& name : full_names(m)) {
        ++metrics;
        EXPECT_TRUE(pinned.contains(name)) << "nothing pins " << name << ": " << m.meaning;
      }
  EXPECT_EQ(pinned.size(), metrics);
}
}  // namespace
}  // namespace moesim::results
