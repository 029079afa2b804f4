#include "placement/files/load_files.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "core/config.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::placement {
namespace {

class LoadFiles : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_.file(name), std::ios::binary) << bytes;
    return folder_.file(name);
  }
  std::string error(const std::string& name, const std::string& bytes) {
    const std::string file = write(name, bytes), what = test::refusal_of([&] { read_loads(file); });
    return what.starts_with(file) ? what.substr(file.size()) : what;  // the folder's name may hold any letter
  }
  static std::string npy(const std::string& type, const std::string& shape, const std::string& data) {
    std::string header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + shape + "), }\n";
    return std::string("\x93NUMPY\x01\x00", 8) + char(header.size()) + '\0' + header + data;
  }
  TemporaryFolder folder_;
};

void expect_example(const Loads& loads) {
  EXPECT_EQ(loads.experts, 2);
  EXPECT_EQ(loads.hidden_layers, 3);
  EXPECT_EQ(loads.layers, (std::vector{1, 2}));
  EXPECT_EQ(loads.skipped, std::vector{0});  // dense
  EXPECT_EQ(loads.counts, (std::vector<double>{1, 2, 3, 4}));
}

TEST_F(LoadFiles, ReadEveryForm) {
  expect_example(read_loads(write("a.json", R"({"logical_count": [[0, 0], [1, 2], [3.0, 4]]})")));
  expect_example(read_loads(write("b.json", "[[0,0],[1,2],[3,4]]")));
  std::optional<std::int64_t> rank;
  expect_example(read_loads(write("r.json", R"({"rank": 3, "logical_count": [[0, 0], [1, 2], [3.0, 4]]})"), &rank));
  EXPECT_EQ(rank, 3);
  expect_example(read_loads(write("steps.json", R"({"logical_count": [[[0,0],[1,0],[1,2]], [[0,0],[0,2],[2,2]]]})")));
  expect_example(read_loads(write("c.csv", "0,0\r\n1,2\r\n3,4\r\n")));
  expect_example(read_loads(write("named.csv", "e0,e1\n0,0\n1,2\n3,4\n")));
  expect_example(read_loads(write("pandas.csv", ",e0,e1\n0,0,0\n1,1,2\n2,3,4\n")));
  expect_example(read_loads(write("numbered.csv", "layer,e0,e1\n1,1,2\n2,3,4\n")));
  const std::int32_t integers[] = {0, 0, 1, 2, 3, 4};
  expect_example(read_loads(
      write("d.npy", npy("<i4", "3, 2", std::string(reinterpret_cast<const char*>(integers), sizeof integers)))));
  const float floats[] = {0, 0, 1, 0, 1, 2, 0, 0, 0, 2, 2, 2};
  expect_example(read_loads(
      write("e.npy", npy("<f4", "2, 3, 2", std::string(reinterpret_cast<const char*>(floats), sizeof floats)))));
  EXPECT_EQ(read_loads(write("named-so.csv", "1,2\n")).name, "named-so");
}

TEST_F(LoadFiles, RefuseWhatDoesNotFit) {
  EXPECT_EQ(error("x", " \n"), ": is empty");
  EXPECT_EQ(error("x", "[[1,2],[3]]"), ": layer 1 has 1 experts, but layer 0 has 2");
  EXPECT_EQ(error("x", "[[1,\"2\"]]"), ": layer 0, expert 1: expected a number, got \"2\"");
  EXPECT_EQ(error("x", "[[1,-2]]"), ": layer 0, expert 1: a count must be a number of at least 0, got -2");
  EXPECT_EQ(error("x", "[1,2]"), ": expected a matrix [layers][experts] or [steps][layers][experts]");
  EXPECT_EQ(error("x", "[[[]],[[1,2]]]"), ": layer 0: expected a list of counts");
  EXPECT_EQ(error("x", "{\"counts\":[[1]]}"), ": missing key \"logical_count\"");
  EXPECT_EQ(error("x", "[[1,2"), ": is not JSON: byte 6");
  EXPECT_EQ(error("x", "[[[1,2]],[[1,2],[3,4]]]"), ": a step has 2 layers, but the first has 1");
  EXPECT_EQ(error("x", "1,2\n3\n"), ":2: 1 experts, but the first layer has 2");
  EXPECT_EQ(error("x", "1,2\n3,many\n"), ":2: expected a number, got \"many\"");
  EXPECT_EQ(error("x", "layer,expert,count\n0,0,5\n"),
            ":1: has a line for each count; expected one a layer, with all its experts");
  EXPECT_EQ(error("x", "1,nan\n"), ":1: expected a number, got \"nan\"");
  EXPECT_EQ(error("x", "[[1,1e23]]"), ": layer 0, expert 1: a count must be at most 2^53, got 1e+23");
  EXPECT_EQ(error("x", "[[1,1e400]]"), ": is not JSON: a number is too large");
  EXPECT_EQ(error("x", "[[1,NaN]]"), ": is not JSON: byte 5");
  EXPECT_EQ(error("x", "[[1,null]]"), ": layer 0, expert 1: expected a number, got null");
  EXPECT_EQ(error("x", "[[[1,5]],[[1,-2]]]"), ": layer 0, expert 1: a count must be a number of at least 0, got -2")
      << "though the steps' sum is positive";
  EXPECT_EQ(error("x", "[[[9007199254740992]],[[2]]]"),
            ": layer 0, expert 0: a count must be at most 2^53, got 9007199254740994");
  EXPECT_EQ(error("x", "1,1e23\n"), ": layer 0, expert 1: a count must be at most 2^53, got 1e+23");
  EXPECT_EQ(error("x", "1,inf\n"), ":1: expected a number, got \"inf\"");
  const double wrong[] = {1, -3};
  const auto of = [](const auto& values) { return std::string(reinterpret_cast<const char*>(values), sizeof values); };
  EXPECT_EQ(error("x", npy("<f8", "1, 2", of(wrong))),
            ": layer 0, expert 1: a count must be a number of at least 0, got -3");
  const std::uint64_t many[] = {1, ~std::uint64_t{0}};
  EXPECT_EQ(error("x", npy("<u8", "1, 2", of(many))),
            ": layer 0, expert 1: a count must be at most 2^53, got 1.8446744073709552e+19");
  EXPECT_EQ(error("x", "0,0\n"), ": every count is 0");
  EXPECT_EQ(error("x", npy("<i4", "3, 2", "1234")),
            ": byte 70: an array [3, 2] of int32 needs more bytes, but 4 follow");
  EXPECT_EQ(error("x", npy("<i4", "1", "1234")),
            ": expected [layers, experts] or [steps, layers, experts], got 1 dimensions");
  EXPECT_EQ(error("x", npy("<c8", "1, 1", "12345678")),
            ": byte 0: expected little-endian integers or floats, got dtype \"<c8\"");
}
}  // namespace
}  // namespace moesim::placement
