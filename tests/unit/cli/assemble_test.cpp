// What moesim assemble says of two small checkpoints: one tensor that differs, one that does not.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "formats/json.h"
#include "support/program.h"
#include "support/safetensors.h"

namespace moesim::cli {
namespace {
/// Two tensors of four numbers; all are `first` in one and 1 in the other.
void write_checkpoint(const TemporaryFolder& folder, const std::string& name, float first) {
  std::filesystem::create_directories(folder.file(name));
  std::ofstream(folder.file(name) + "/config.json") << R"({"model_type": "mixtral", "hidden_size": 4})";
  std::map<std::string, formats::StoredTensor> tensors;
  std::array<std::vector<std::byte>, 2> bytes;
  for (int i = 0; i < 2; ++i) {
    const std::array<float, 4> values = {i == 0 ? first : 1, i == 0 ? first : 1, i == 0 ? first : 1,
                                         i == 0 ? first : 1};
    bytes[i].resize(sizeof values);
    std::memcpy(bytes[i].data(), values.data(), sizeof values);
    tensors[i == 0 ? "differs" : "same"] = {formats::StoredType::f32, {2, 2}, bytes[i]};
  }
  test::write_safetensors(folder.file(name) + "/model.safetensors", tensors);
}

class AssembleVerb : public testing::Test {
 protected:
  AssembleVerb() {
    write_checkpoint(folder_, "a", 1);
    write_checkpoint(folder_, "b", 3);
  }
  TemporaryFolder folder_;
};

TEST_F(AssembleVerb, SaysWhatWasMergedWhatWasNotAndTheLargestDifference) {
  const Printed p = moesim_prints("assemble --parent a --parent b --tensors all --threshold 0.5 -o merged", folder_);
  EXPECT_EQ(p.exit_code, 0) << p.err;
  // |3 - 1| of |1|, over four numbers each
  EXPECT_EQ(p.out,
            "merged: 2 tensors, 32 B in 1 file\n  1 merged, 1 as in a, 1 of them below the threshold\n"
            "  largest difference 2: differs\n");
}

TEST_F(AssembleVerb, SaysNothingOfDifferencesWhereThereAreNone) {
  const Printed p = moesim_prints("assemble --parent a --parent b --tensors nothing -o merged", folder_);
  EXPECT_EQ(p.out.find("below"), p.out.npos) << p.out << p.err;
  EXPECT_EQ(p.out.find("largest"), p.out.npos) << p.out;
}

TEST_F(AssembleVerb, PrintsTheSameAsJson) {
  const Printed p =
      moesim_prints("assemble --parent a --parent b --tensors all --threshold 0.5 -o merged --json", folder_);
  const formats::Json out = formats::Json::parse(p.out);
  EXPECT_EQ(out.at("tensors"), 2);
  EXPECT_EQ(out.at("merged"), 1);
  EXPECT_EQ(out.at("below_threshold"), 1);
  EXPECT_EQ(out.at("bytes"), 32);
  EXPECT_EQ(out.at("largest_difference"), 2);
  EXPECT_EQ(out.at("largest_difference_tensor"), "differs");
}
}  // namespace
}  // namespace moesim::cli
