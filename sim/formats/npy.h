// Reads NumPy's .npy arrays of numbers, from a file or from memory, on demand.
#pragma once
#include <memory>
#include <string>

#include "formats/array.h"
#include "formats/byte_file.h"

namespace moesim::formats {

/// Whether a file that begins so is a .npy array.
bool is_npy(std::string_view head);
/// The array of a .npy file, C or Fortran order, little-endian numbers.  `offset`, `size`: where it lies in the file
/// (an .npz entry), else to the end.  Throws ConfigError naming file and byte: not .npy, a header that is cut off or
/// not understood, other types, more or fewer bytes than the shape needs.
/// Source: NumPy's format description, versions 1.0 to 3.0.
ArraySource npy_array(std::shared_ptr<const ByteFile> file, std::uint64_t offset = 0, std::uint64_t size = UINT64_MAX);
ArraySource npy_array(const std::string& file);
/// The same from bytes in memory; `where` stands for the file in messages.
ArraySource npy_array(std::shared_ptr<const std::string> bytes, const std::string& where);
}  // namespace moesim::formats
