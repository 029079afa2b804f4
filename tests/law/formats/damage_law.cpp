// Files damaged at random, bytes changed, cut, doubled or replaced by telling ones: read, or refused in one line.
#include <gtest/gtest.h>

#include "core/config_error.h"
#include "core/random.h"
#include "formats/gguf.h"
#include "formats/npy.h"
#include "formats/safetensors.h"
#include "formats/torch_file.h"
#include "support/byte_builders.h"
#include "support/damage.h"
#include "support/rounds.h"
#include "support/temporary_folder.h"

namespace moesim::formats {
namespace {
using namespace bytes;
constexpr int kRounds = test::rounds(500);  // the fuzzers (tests/fuzz) go through millions

/// Elements of the first rows, however they are to be read.
void use(const ArraySource& a) {
  if (a.shape.empty() || a.elements() == 0 || a.elements() > 1000) return;
  std::vector<double> reals;
  a.read_reals(0, a.shape[0], reals);
  std::vector<std::int64_t> integers;
  if (is_integer(a.type) && a.type != ElementType::u64) a.read_integers(0, a.shape[0], integers);
}

template <class Read>
void hold(const std::string& good, const char* name, Read&& read) {
  TemporaryFolder folder;
  Random random(11, name);
  int taken = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::string file = folder.write("f", test::damaged(good, random));
    try {
      read(file);
      ++taken;
    } catch (const ConfigError& e) {
      const std::string message = e.what();
      EXPECT_TRUE(message.starts_with(file) && message.find('\n') == std::string::npos) << message;
    }
  }
  read(folder.write("f", good));
  EXPECT_LT(taken, kRounds) << name;
}

TEST(DamageLaw, Npy) {
  hold(npy("<i4", "(2, 3)", raw<std::int32_t>({1, 2, 3, 4, 5, 6})), "npy",
       [](const std::string& f) { use(npy_array(f)); });
  hold(npy("<f2", "(2, 3)", raw<std::uint16_t>({1, 2, 3, 4, 5, 6}), true), "fortran",
       [](const std::string& f) { use(npy_array(f)); });
}

TEST(DamageLaw, TorchFiles) {
  const std::string root =
      dictionary({{"a", tensor("IntStorage", "0", 6, {2, 3}, {3, 1})},
                  {"b", tensor("HalfStorage", "1", 4, {2, 2}, {1, 2})},
                  {"c", list({integer(3), text("word"), tuple({1, 2}), std::string("N\x88\x89", 3)})}});
  for (const bool deflate : {false, true}) {
    const std::string file = zip({{"x/data.pkl", pickle(root)},
                                  {"x/data/0", raw<std::int32_t>({1, 2, 3, 4, 5, 6})},
                                  {"x/data/1", raw<std::uint16_t>({1, 2, 3, 4})}},
                                 deflate);
    hold(file, "torch", [](const std::string& f) {
      const TorchFile t(f);
      for (const char* key : {"a", "b"})
        if (t.root().find(key) != nullptr) use(t.array(t.root().find(key), key));
    });
  }
}

TEST(DamageLaw, Safetensors) {
  hold(safetensors({{"a", "F32", "[2,2]", raw<float>({1, 2, 3, 4})}, {"b", "I64", "[1]", raw<std::int64_t>({7})}}),
       "safetensors", [](const std::string& f) {
         const SafetensorsFile file(f);
         for (const auto& [name, t] : file.tensors())
           if (t.type != StoredType::boolean && t.type != StoredType::f8_e4m3 && t.type != StoredType::f8_e5m2)
             use(array_of(t, f));
       });
}

TEST(DamageLaw, Gguf) {
  hold(imatrix({{1, {1, 2, 3}}, {2, {4, 5, 6}}}, 3, 4), "gguf", [](const std::string& f) {
    for (const auto& [name, a] : read_gguf(f).tensors) use(a);
  });
}
}  // namespace
}  // namespace moesim::formats
