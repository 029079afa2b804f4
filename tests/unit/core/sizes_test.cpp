// No file over 300 lines, no function of sim/ over 60: a room is taken in at a glance, a function at a screen.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "support/places.h"

namespace {
namespace fs = std::filesystem;

constexpr std::size_t kMostFileLines = 300, kMostFunctionLines = 60;

using Lines = std::vector<std::string>;

Lines lines_of(std::istream& in) {
  Lines out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

std::size_t indent_of(std::string_view line) { return std::min(line.find_first_not_of(' '), line.size()); }

/// The line without its indent and without a comment behind it.
std::string_view code_of(std::string_view line) {
  line.remove_prefix(indent_of(line));
  if (line.starts_with("//")) return {};
  if (const std::size_t comment = line.find("  //"); comment != line.npos) line = line.substr(0, comment);
  return line;
}

/// Where the statement ends that a line `{` opens: the line that closes at the indent of the statement's first.
std::size_t end_of(const Lines& lines, std::size_t opened, std::size_t indent) {
  std::size_t i = opened + 1;
  while (i < lines.size() && !(indent_of(lines[i]) == indent && lines[i].substr(indent).starts_with("}"))) ++i;
  return std::min(i, lines.size() - 1);
}

enum class Opens { scope, initialiser, function };

/// What a statement that ends in "{" opens, at namespace or class level.
Opens opened_by(std::string_view statement) {
  if (statement.starts_with("template")) {
    int depth = 0;
    std::size_t at = statement.find('<');
    for (; at < statement.size(); ++at) {
      if (statement[at] == '<') ++depth;
      if (statement[at] == '>' && --depth == 0) break;
    }
    statement.remove_prefix(std::min(statement.size(), statement.find_first_not_of(' ', at + 1)));
  }
  for (const std::string_view scope : {"namespace", "struct ", "class ", "union ", "extern "})
    if (statement.starts_with(scope) && statement.find('(') == statement.npos) return Opens::scope;
  const std::size_t call = statement.find('('), assigned = statement.find(" = ");
  if (call == statement.npos || statement.starts_with("enum ")) return Opens::initialiser;
  if (assigned < call && statement.find("= [", assigned) == statement.npos) return Opens::initialiser;
  return Opens::function;
}

struct Function {
  std::size_t line = 0;   // its first, from 1
  std::size_t lines = 0;  // from the signature's first to the closing brace
};

/// Functions of a text as clang-format writes it.  Of nested functions (lambdas, members of local classes) only the
/// outermost is listed: its lines are what a reader has to take in.
std::vector<Function> functions_of(const Lines& lines) {
  std::vector<Function> out;
  std::string statement;
  std::size_t first = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string_view code = code_of(lines[i]);
    if (code.empty() || code.starts_with("#")) continue;
    if (statement.empty()) first = i;
    statement += statement.empty() ? "" : " ";
    statement += code;
    if (code.ends_with("{")) {
      const Opens opens = opened_by(statement);
      if (opens != Opens::scope) {
        const std::size_t end = end_of(lines, i, indent_of(lines[first]));
        if (opens == Opens::function) out.push_back({first + 1, end - first + 1});
        i = end;
      }
      statement.clear();
    } else if (code.ends_with(";") || code.ends_with("}") || code == "public:" || code == "protected:" ||
               code == "private:") {
      statement.clear();
    }
  }
  return out;
}

std::vector<Function> functions_in(const std::string& text) {
  std::istringstream in(text);
  return functions_of(lines_of(in));
}

TEST(Sizes, TheCounterSeesFunctionsFromSignatureToBrace) {
  const auto found = functions_in(
      "namespace moesim::core {\n"
      "int one(int a,\n"
      "        int b) {\n"
      "  return a + b;\n"
      "}\n"
      "\n"
      "int two() { return 2; }\n"
      "class Box {\n"
      " protected:\n"
      "  explicit Box(int n)\n"
      "      : n_(n) {  // why\n"
      "    if (n > 0) {\n"
      "      n_ = 1;\n"
      "    }\n"
      "  }\n"
      "};\n"
      "template <class T>\n"
      "void three() {\n"
      "}\n"
      "}  // namespace moesim::core\n");
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].line, 2U);
  EXPECT_EQ(found[0].lines, 4U);
  EXPECT_EQ(found[1].line, 10U);
  EXPECT_EQ(found[1].lines, 6U);
  EXPECT_EQ(found[2].line, 17U);
  EXPECT_EQ(found[2].lines, 3U);
}

TEST(Sizes, TheCounterTakesNoTypeOrTableForAFunction) {
  const auto found = functions_in(
      "struct Row {\n"
      "  std::vector<int> cells = {\n"
      "      1,\n"
      "  };\n"
      "};\n"
      "template <class T, class U = std::vector<T>>\n"
      "class Table {\n"
      "};\n"
      "enum class Kind {\n"
      "  a,\n"
      "};\n"
      "const std::map<int, Row> kRows = {\n"
      "    {1, Row{}},\n"
      "    {2, make_row({\n"
      "            3,\n"
      "        })},\n"
      "};\n"
      "const Row kRow = make({\n"
      "    1,\n"
      "});\n"
      "const auto twice = [](int n) {\n"
      "  return 2 * n;\n"
      "};\n");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].line, 21U);
  EXPECT_EQ(found[0].lines, 3U);
}

TEST(Sizes, TheCounterHoldsTheLimitOnBothSides) {
  const auto lines_of_body = [](std::size_t body) {
    std::string text = "void f() {\n";
    for (std::size_t i = 0; i < body; ++i) text += "  g();\n";
    return functions_in(text + "}\n").at(0).lines;
  };
  EXPECT_EQ(lines_of_body(kMostFunctionLines - 2), kMostFunctionLines);
  EXPECT_GT(lines_of_body(kMostFunctionLines - 1), kMostFunctionLines);
}

/// Of the sources below a folder of the repository.
std::map<fs::path, Lines> files_of(const char* folder) {
  std::map<fs::path, Lines> out;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(moesim::test::source_dir()) / folder)) {
    if (entry.path().extension() != ".h" && entry.path().extension() != ".cpp") continue;
    std::ifstream file(entry.path());
    out[entry.path()] = lines_of(file);
  }
  return out;
}

TEST(Sizes, FilesAndFunctionsStayWithinTheirLimits) {
  std::size_t functions = 0;
  for (const auto& [path, lines] : files_of("sim")) {
    EXPECT_LE(lines.size(), kMostFileLines) << path;
    for (const Function& f : functions_of(lines)) {
      ++functions;
      EXPECT_LE(f.lines, kMostFunctionLines) << path.string() << ":" << f.line << " " << lines[f.line - 1];
    }
  }
  EXPECT_GT(functions, 1000U) << "the counter has gone blind";
}

TEST(Sizes, FilesOfTestsAndBenchStayWithinTheirLimit) {
  for (const char* folder : {"tests", "bench"}) {
    const auto files = files_of(folder);
    EXPECT_GT(files.size(), 1U) << folder;
    for (const auto& [path, lines] : files) EXPECT_LE(lines.size(), kMostFileLines) << path;
  }
}
}  // namespace
