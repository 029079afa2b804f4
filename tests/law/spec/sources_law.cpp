// Every number of the catalogues names its source on its own line.
#include <gtest/gtest.h>

#include <cctype>
#include <sstream>
#include <string>

#include "core/files.h"
#include "core/paths.h"
#include "spec/catalogue.h"
#include "support/places.h"

namespace moesim::spec {
namespace {
/// The value of a "key: value" line, or a continued list; "" if there is none.
std::string value_of(const std::string& line) {
  const std::size_t start = line.find_first_not_of(" -");
  if (start == std::string::npos || line[start] == '#') return "";
  if (std::isdigit(static_cast<unsigned char>(line[start]))) return line.substr(start);
  const std::size_t colon = line.find(": ");
  return colon == std::string::npos ? "" : line.substr(line.find_first_not_of(' ', colon + 1));
}
bool is_number(const std::string& value) {
  return !value.empty() && (std::isdigit(static_cast<unsigned char>(value.front())) || value.front() == '[' ||
                            value.starts_with("true") || value.starts_with("false"));
}
int numbers_without_source(const std::string& catalogue, const std::string& name) {
  int numbers = 0;
  std::istringstream text(read_file(test::source_dir() + "/" + catalogue + "/" + name + ".yaml"));
  for (std::string line; std::getline(text, line);) {
    if (!is_number(value_of(line)) || line.starts_with("title:")) continue;
    ++numbers;
    EXPECT_NE(line.find(" # "), std::string::npos) << catalogue << "/" << name << ".yaml: " << line;
  }
  return numbers;
}

TEST(Sources, StandBesideEveryNumberOfEveryModel) {
  int numbers = 0;
  for (const std::string& name : catalogue_names("models")) numbers += numbers_without_source("models", name);
  EXPECT_GT(numbers, 450);
}

TEST(Sources, StandBesideEveryNumberOfEveryPieceOfHardware) {
  int numbers = 0;
  for (const std::string& name : catalogue_names("hardware")) {
    const std::string type = hardware_type(test::source_dir() + "/hardware/" + name + ".yaml");
    if (type == "gpu" || type == "node" || type == "fabric" || type == "cluster")
      numbers += numbers_without_source("hardware", name);
  }
  EXPECT_GT(numbers, 120);
}
}  // namespace
}  // namespace moesim::spec
