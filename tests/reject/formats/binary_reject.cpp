// Files whose numbers claim more than the file holds: one line each, before memory is taken for it.
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <filesystem>

#include "formats/gguf.h"
#include "formats/npy.h"
#include "formats/safetensors.h"
#include "formats/torch_file.h"
#include "support/byte_builders.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::formats {
namespace {
using namespace bytes;

class BinaryReject : public ::testing::Test {
 protected:
  TemporaryFolder folder;
  /// The message without the folder.
  template <class Read>
  std::string refused(const std::string& content, Read&& read) const {
    const std::string file = folder.write("f", content), message = test::refusal_of([&] { read(file); });
    return message.starts_with(file) ? message.substr(folder.path().string().size() + 1) : message;
  }
  std::string torch(const std::string& file) const {
    return refused(file, [](const std::string& f) {
      const TorchFile t(f);
      std::vector<double> all;
      t.array(t.root().find("a"), "a").read_reals(0, 1, all);
    });
  }
};

/// Of 64 bits, as Python's pickler writes large integers.
std::string long_integer(std::int64_t v) { return "\x8a\x08" + le(v); }

TEST_F(BinaryReject, OnlyRegularFilesAreRead) {
  const std::string pipe = folder.file("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(test::refusal_of([&] { ByteFile f(pipe); }),
            pipe + ": is not a regular file; save what it gives to one first");
  EXPECT_EQ(test::refusal_of([&] { SafetensorsFile f(pipe); }),
            pipe + ": is not a regular file; save what it gives to one first");
  EXPECT_EQ(test::refusal_of([] { ByteFile f("/dev/zero"); }),
            "/dev/zero: is not a regular file; save what it gives to one first");
}

TEST_F(BinaryReject, NpySizes) {
  const auto read = [](const std::string& f) { (void)npy_array(f); };
  EXPECT_EQ(refused(npy("<i4", "(0, 4611686018427387904, 4)", ""), read),
            "f: byte 0: the sizes [0, 4611686018427387904, 4] are too large");
  EXPECT_EQ(
      refused("\x93NUMPY\x02" + std::string(1, '\0') + le(std::uint32_t(70'000)) + std::string(70'000, ' '), read),
      "f: byte 8: the header claims 70000 bytes, expected at most 65536");
  EXPECT_EQ(refused(npy("<i4", "(0, 3)", ""), read), "accepted");
}

TEST_F(BinaryReject, PackedEntriesStandForNoMoreThanFilesHold) {
  const std::string zeros(70'000'000, '\0');
  const std::string file = zip({{"x/data.pkl", zeros}}, true);
  EXPECT_EQ(torch(file), "f: byte 40: ZIP entry \"x/data.pkl\" of 70000000 bytes is too much for a file of " +
                             std::to_string(file.size()) + "; store its entries without packing them");
  std::string shared = zip({{"a", "1234"}, {"b", "1234"}});
  const std::size_t second = shared.rfind("PK\x01\x02");
  shared.replace(second + 42, 4, le(std::uint32_t(0)));  // the second entry lies where the first does
  EXPECT_EQ(torch(shared), "f: byte 31: two entries of the ZIP file share their bytes");
}

TEST_F(BinaryReject, APickleMakesNoMoreThanItsFile) {
  const std::string lists(1'000'000, ']');
  EXPECT_EQ(torch(zip({{"x/data.pkl", "\x80\x02" + lists + "."}}, true)).substr(0, 9), "f: byte 6");
  EXPECT_NE(torch(zip({{"x/data.pkl", "\x80\x02" + lists + "."}}, true))
                .find("the pickle makes more values than its file has bytes"),
            std::string::npos);
  const std::string marks(1'000'000, '(');
  EXPECT_NE(torch(zip({{"x/data.pkl", "\x80\x02" + marks + "."}}, true))
                .find("the pickle makes more values than its file has bytes"),
            std::string::npos);
  // A text recalled as often as one likes is the same text.
  std::string copies = "\x80\x02" + text(std::string(1'000'000, 'x')) + std::string("q\0", 2);
  for (int i = 0; i < 100'000; ++i) copies += std::string("h\0", 2);
  EXPECT_EQ(torch(zip({{"x/data.pkl", copies + "."}})), "f: a: expected a tensor");
  // What it remembers takes memory by how much it is, not by its number.
  std::string memo = "\x80\x02N";
  for (std::uint32_t i = 0; i < 1000; ++i) memo += "r" + le(i * 1'000'000);
  EXPECT_EQ(torch(zip({{"x/data.pkl", memo + "."}})), "f: byte 53: the pickle remembers value 2000000 after 2");
}

TEST_F(BinaryReject, StridesDoNotWrap) {
  const auto make = [](std::int64_t elements, const std::string& shape, const std::string& strides) {
    return "}" + text("a") + "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\nLongStorage\n" +
           text("0") + text("cpu") + long_integer(elements) + "tQK" + std::string(1, '\0') + shape + strides +
           "\x89"
           "ccollections\nOrderedDict\n)RtRs";
  };
  const auto one = [](std::int64_t v) { return "(" + long_integer(v) + "t"; };
  const std::string eight(8, '\0');
  for (const bool deflate : {false, true}) {
    const auto file = [&](const std::string& root) {
      return zip({{"x/data.pkl", pickle(root)}, {"x/data/0", eight}}, deflate);
    };
    // 3 elements 2^60 apart, in a storage that claims 2^62 of 8 bytes
    EXPECT_NE(torch(file(make(std::int64_t{1} << 62, one(3), one(std::int64_t{1} << 60)))).find("its storage has 8"),
              std::string::npos);
    EXPECT_NE(torch(file(make(1, one(3), one(INT64_MAX)))).find("reaches past the 1 elements of its storage"),
              std::string::npos);
    EXPECT_NE(torch(file(make(1, "(" + long_integer(0) + long_integer(INT64_MAX) + long_integer(4) + "t",
                              "(" + long_integer(1) + long_integer(1) + long_integer(1) + "t")))
                  .find("a tensor's sizes are too large"),
              std::string::npos);
  }
  // strides of 1 in every dimension: 4^8 elements of a storage of 25
  const std::string storage(25 * 8, '\1');
  std::string fours = "(", ones = "(";
  for (int d = 0; d < 8; ++d) fours += integer(4), ones += integer(1);
  EXPECT_NE(torch(zip({{"x/data.pkl", pickle(make(25, fours + "t", ones + "t"))}, {"x/data/0", storage}}))
                .find("a tensor repeats its elements"),
            std::string::npos);
}

TEST_F(BinaryReject, SafetensorsSizes) {
  const auto read = [](const std::string& f) { SafetensorsFile file(f); };
  EXPECT_EQ(refused(safetensors({{"t", "F64", "[2305843009213693952]", ""}}), read),
            "f: tensor t: shape [2305843009213693952] needs more than the 0 bytes its data_offsets give");
  EXPECT_EQ(refused(safetensors({{"t", "F64", "[0,4611686018427387904,4]", ""}}), read),
            "f: tensor t: shape [0,4611686018427387904,4] needs more than the 0 bytes its data_offsets give");
  const std::string file = folder.write("s", safetensors({{"t", "F64", "[2]", std::string(16, '\0')}}));
  const SafetensorsFile open(file);
  EXPECT_EQ(test::refusal_of([&] { open.check_whole(); }), "accepted");
  const auto size = std::filesystem::file_size(file);
  std::filesystem::resize_file(file, size - 8);
  EXPECT_EQ(test::refusal_of([&] { open.check_whole(); }),
            file + ": became shorter than its " + std::to_string(size) + " bytes while it was read");
}

TEST_F(BinaryReject, GgufTensorsLieApart) {
  const auto read = [](const std::string& f) { (void)read_gguf(f); };
  const std::vector<float> counts(200, 1);
  std::string file = imatrix({{1, counts}, {2, counts}, {3, counts}}, 1, 1);
  EXPECT_EQ(refused(file, read), "accepted");
  // All at the first one's place, and the file ends after it.
  for (int layer = 2; layer <= 3; ++layer) {
    const std::size_t name = file.find("blk." + std::to_string(layer));
    file.replace(file.find("counts", name) + 6 + 4 + 16 + 4, 8, le(std::uint64_t(0)));
  }
  const std::string cut = file.substr(0, file.size() - 2 * 800);
  EXPECT_NE(refused(cut, read).find("shares its bytes with others"), std::string::npos) << refused(cut, read);
  std::string twice = imatrix({{1, counts}, {2, counts}}, 1, 1);
  twice[twice.find("blk.2") + 4] = '1';
  EXPECT_NE(refused(twice, read).find("tensor \"blk.1.ffn_gate_exps.weight.counts\" appears twice"), std::string::npos);
}

TEST_F(BinaryReject, ReadingPastBytesInMemory) {
  ArraySource a = npy_array(std::make_shared<const std::string>(npy("<i4", "(2,)", "12345678")), "m");
  char out[8];
  EXPECT_EQ(test::refusal_of([&] { a.read(4, out, 4); }), "accepted");
  EXPECT_NE(test::refusal_of([&] { a.read(UINT64_MAX - 2, out, 8); }).find("end before byte"), std::string::npos);
}
}  // namespace
}  // namespace moesim::formats
