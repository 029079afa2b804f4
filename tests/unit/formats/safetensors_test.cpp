#include "formats/safetensors_writer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "support/safetensors.h"
#include "support/temporary_folder.h"

namespace moesim::formats {
namespace {

class Safetensors : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_.file(name); }
  /// A file of this header, followed by `data` zero bytes.
  std::string file_of(const std::string& header, std::size_t data, std::uint64_t length = 0) {
    const std::string file = path("x.safetensors");
    std::ofstream out(file, std::ios::binary);
    const std::uint64_t n = length == 0 ? header.size() : length;
    out.write(reinterpret_cast<const char*>(&n), 8);
    out << header << std::string(data, '\0');
    return file;
  }
  /// The message after "FILE: ".
  std::string error_of(const std::string& file) {
    try {
      const SafetensorsFile read(file);
    } catch (const ConfigError& e) {
      const std::string what = e.what();
      EXPECT_TRUE(what.starts_with(file + ": ")) << what;
      return what.substr(file.size() + 2);
    }
    return "no error";
  }
  TemporaryFolder folder_;
};

TEST_F(Safetensors, ReadsBackWhatItWrites) {
  const std::vector<float> a{1, 2, 3, 4, 5, 6};
  const std::vector<std::uint16_t> b{0x3F80};
  std::map<std::string, StoredTensor> tensors;
  tensors["b"] = {StoredType::bf16, {1}, std::as_bytes(std::span(b))};
  tensors["a"] = {StoredType::f32, {2, 3}, std::as_bytes(std::span(a))};
  test::write_safetensors(path("y.safetensors"), tensors, {{"format", "pt"}});
  const SafetensorsFile file(path("y.safetensors"));
  EXPECT_EQ(file.metadata().at("format"), "pt");
  ASSERT_EQ(file.tensors().size(), 2U);
  const StoredTensor& read = file.tensors().at("a");
  EXPECT_EQ(read.shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(std::memcmp(read.bytes.data(), a.data(), 24), 0);
  EXPECT_EQ(read.elements(), 6);
  EXPECT_EQ(file.tensors().at("b").type, StoredType::bf16);
}

TEST_F(Safetensors, RefusesHeadersThatLie) {
  const auto one = [](const std::string& shape, const std::string& offsets, const std::string& dtype = "F32") {
    return R"({"t":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  EXPECT_EQ(error_of(file_of(one("[2]", "[0,8]"), 8)), "no error");
  EXPECT_EQ(error_of(file_of("{}", 0, std::uint64_t{1} << 60)),
            "the header claims 1152921504606846976 bytes, but only 2 follow (truncated, or not a safetensors file)");
  EXPECT_EQ(error_of(file_of("[1]", 0)), "the header is not a JSON object");
  EXPECT_EQ(error_of(file_of("{\"t\":", 0)), "the header: is not JSON: byte 6");
  EXPECT_EQ(error_of(file_of(one("[2]", "[0,8]"), 4)),
            "tensor t: data_offsets end at byte 8, but the file holds 4 bytes of data (truncated?)");
  EXPECT_EQ(error_of(file_of(one("[2]", "[0,8]"), 12)), "the tensors end at byte 8 of 12 bytes of data");
  EXPECT_EQ(error_of(file_of(one("[2]", "[8,0]"), 8)), "tensor t: expected two ascending data_offsets, got [8,0]");
  EXPECT_EQ(error_of(file_of(one("[3]", "[0,8]"), 8)),
            "tensor t: shape [3] of F32 takes 12 bytes, but its data_offsets give 8");
  EXPECT_EQ(error_of(file_of(one("[4294967296,4294967296]", "[0,8]"), 8)),
            "tensor t: shape [4294967296,4294967296] needs more than the 8 bytes its data_offsets give");
  EXPECT_EQ(error_of(file_of(one("[-2]", "[0,8]"), 8)), "tensor t: shape [-2] holds something that is not a size");
  EXPECT_EQ(error_of(file_of(one("[2]", "[0,8]", "Q7"), 8)), "tensor t: unknown dtype \"Q7\"");
  EXPECT_EQ(error_of(file_of("{\"t\":5}", 0)), "tensor t: expected dtype, shape and data_offsets in the header");
}

TEST_F(Safetensors, RefusesTensorsThatOverlapOrLeaveGaps) {
  const auto two = [](int begin) {
    return R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[)" +
           std::to_string(begin) + "," + std::to_string(begin + 8) + "]}}";
  };
  EXPECT_EQ(error_of(file_of(two(8), 16)), "no error");
  EXPECT_EQ(error_of(file_of(two(4), 12)), "tensor b: starts at byte 4 inside another that ends at 8");
  EXPECT_EQ(error_of(file_of(two(12), 20)), "tensor b: starts at byte 12, but the one before ends at 8");
}

TEST_F(Safetensors, RefusesFilesThatAreNone) {
  EXPECT_EQ(error_of(path("nowhere")), "no such file");
  std::ofstream(path("short")) << "abc";
  EXPECT_EQ(error_of(path("short")), "not a safetensors file: expected at least 8 bytes, got 3");
  EXPECT_EQ(error_of(folder_.path().string()), "is a folder, expected a file");
}

TEST_F(Safetensors, AFolderIsOneFileOrTheShardsOfItsIndex) {
  const auto error = [&] {
    try {
      const SafetensorsFolder read(folder_.path().string());
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(error(), folder_.path().string() + ": holds neither model.safetensors nor model.safetensors.index.json");
  const std::vector<float> a{1, 2};
  const StoredTensor tensor{StoredType::f32, {2}, std::as_bytes(std::span(a))};
  test::write_safetensors(path("m-1.safetensors"), {{"a", tensor}});
  test::write_safetensors(path("m-2.safetensors"), {{"b", tensor}});
  const std::string index = path("model.safetensors.index.json");
  put_file(index, R"({"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}})");
  EXPECT_EQ(error(), "no error");
  EXPECT_EQ(SafetensorsFolder(folder_.path().string()).find("b").file->file(), path("m-2.safetensors"));
  EXPECT_EQ(SafetensorsFolder(folder_.path().string()).find("c").tensor, nullptr);
  put_file(index, R"({"weight_map":{"a":"m-1.safetensors","c":"m-2.safetensors"}})");
  EXPECT_EQ(error(), path("m-2.safetensors") + ": tensor c should be here by " + index + ", but is not");
  put_file(index, R"({"weight_map":{"a":"../m-1.safetensors"}})");
  EXPECT_EQ(error(), index + ": weight_map.a: expected a file name in the same folder, got \"../m-1.safetensors\"");
  put_file(index, R"({"weight_map":{"a":"m-1.safetensors","b":"m-3.safetensors"}})");
  EXPECT_EQ(error(), path("m-3.safetensors") + ": no such file");
  test::write_safetensors(path("m-3.safetensors"), {{"a", tensor}, {"b", tensor}});
  EXPECT_EQ(error(), path("m-3.safetensors") + ": tensor a is also in " + path("m-1.safetensors"));
}
}  // namespace
}  // namespace moesim::formats
