// Reads NumPy's .npy files of whole numbers.
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
}  // namespace moesim
