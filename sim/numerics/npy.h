// Reads NumPy's .npy files of numbers.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace moesim {

struct IntegerArray {
  std::vector<std::int64_t> shape;  // 1 or 2 sizes
  std::vector<std::int64_t> values;
};
/// Integers of any width, signed or not, C order, one or two dimensions.
/// Throws ConfigError naming the file and what was found for anything else, a truncated file included.
/// Source: NumPy's format description, versions 1.0 to 3.0.
IntegerArray read_npy_integers(const std::string& file);

struct NumberArray {
  std::vector<std::int64_t> shape;
  std::vector<double> values;  // row-major
};
/// Integers of any width or floats of 4 or 8 bytes, any rank, C order.  Throws as above.
NumberArray read_npy_numbers(const std::string& file);
}  // namespace moesim
