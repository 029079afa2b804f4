#include "formats/torch_file.h"

#include <gtest/gtest.h>

#include "support/byte_builders.h"
#include "support/temporary_folder.h"

namespace moesim::formats {
namespace {
using namespace bytes;

// Two by two of a storage of six, from its second element on; packed or not, the same numbers.
TEST(TorchFile, ATensorIsReadFromItsPlaceInItsStorage) {
  const TemporaryFolder folder;
  const std::string root = pickle(dictionary({{"m", tensor("IntStorage", "0", 6, {2, 2}, {2, 1}, 1)}}));
  const std::string storage = raw<std::int32_t>({9, 1, 2, 3, 4, 9});
  for (const bool packed : {false, true}) {
    const TorchFile file(
        folder.write(packed ? "packed.pt" : "plain.pt", zip({{"x/data.pkl", root}, {"x/data/0", storage}}, packed)));
    std::vector<std::int32_t> out;
    file.array(file.root().find("m"), "m").read_integers(0, 2, out);
    EXPECT_EQ(out, (std::vector<std::int32_t>{1, 2, 3, 4})) << packed;
    EXPECT_EQ(file.bytes(), 24U) << packed;
  }
}

// 24 bytes and 8; what is no storage does not count.
TEST(TorchFile, ItsBytesAreThoseOfAllStorages) {
  const TemporaryFolder folder;
  const std::string text =
      torch_file(list({}), {{"0", raw<std::int32_t>({1, 2, 3, 4, 5, 6})}, {"1", raw<std::int64_t>({7})}});
  EXPECT_EQ(TorchFile(folder.write("a.pt", text)).bytes(), 32U);
}
}  // namespace
}  // namespace moesim::formats
