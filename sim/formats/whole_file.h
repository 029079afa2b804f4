// A file read whole; a regular one only, since devices and pipes have no size that what is read is held against.
#pragma once
#include <cstdint>
#include <string>

namespace moesim::formats {

/// The most bytes of a text that is read whole.  assumed: far beyond any tokenizer, prompt or reply.
inline constexpr std::uint64_t kMostWhole = std::uint64_t{1} << 30;
/// Its bytes.  Throws ConfigError if it is absent, no regular file, or larger than `most`.
std::string read_whole(const std::string& file, std::uint64_t most = kMostWhole);
}  // namespace moesim::formats
