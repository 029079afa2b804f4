#include "formats/npy.h"

#include <gtest/gtest.h>

#include "core/config_error.h"
#include "support/byte_builders.h"

namespace moesim::formats {
namespace {
using namespace bytes;

ArraySource of(const std::string& file) { return npy_array(std::make_shared<const std::string>(file), "f"); }

TEST(Npy, IntegersOfSixtyFourBitsKeepThemAll) {
  const std::vector<std::int64_t> values = {(std::int64_t{1} << 62) + 1, -3, INT64_MIN, 0};
  std::vector<std::int64_t> out;
  of(npy("<i8", "(2, 2)", raw(values))).read_integers(0, 2, out);
  EXPECT_EQ(out, values);
  std::vector<std::int32_t> narrow;
  try {
    of(npy("<i8", "(2, 2)", raw(values))).read_integers(0, 2, narrow);
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_EQ(std::string(e.what()), "f: element 0 is 4611686018427387905, too large for an id");
  }
}

TEST(Npy, FortranOrderAndHalfPrecisionReadAsTheSameNumbers) {
  std::vector<double> c, fortran;
  of(npy("<f4", "(2, 3)", raw<float>({1, 2, 3, 4, 5, 6}))).read_reals(0, 2, c);
  of(npy("<f2", "(2, 3)", raw<std::uint16_t>({0x3c00, 0x4400, 0x4000, 0x4500, 0x4200, 0x4600}), true))
      .read_reals(0, 2, fortran);
  EXPECT_EQ(c, fortran);
}
}  // namespace
}  // namespace moesim::formats
