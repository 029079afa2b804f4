// Compressed blobs (zstd) for columns that hold arrays.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace moesim::results {

/// level 1 (fast) to 19 (small).
std::vector<std::byte> compress(std::span<const std::byte> bytes, int level = 3);
/// Throws ConfigError if the blob is damaged or holds more than `most` bytes: memory never follows a number in the
/// file.
std::vector<std::byte> decompress(std::span<const std::byte> blob, std::size_t most);
}  // namespace moesim::results
