#include "results/blob.h"

#include <fmt/format.h>
#include <zstd.h>

#include "core/check.h"
#include "core/config.h"

namespace moesim::results {

std::vector<std::byte> compress(std::span<const std::byte> bytes, int level) {
  std::vector<std::byte> out(ZSTD_compressBound(bytes.size()));
  const std::size_t size = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), level);
  check(ZSTD_isError(size) == 0, "zstd cannot compress: {}", ZSTD_getErrorName(size));
  out.resize(size);
  return out;
}

std::vector<std::byte> decompress(std::span<const std::byte> blob, std::size_t most) {
  const unsigned long long size = ZSTD_getFrameContentSize(blob.data(), blob.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN)
    throw ConfigError("a compressed block is damaged");
  if (size > most)
    throw ConfigError(fmt::format("a compressed block claims {} bytes, expected at most {}", size, most));
  std::vector<std::byte> out(size);
  const std::size_t got = ZSTD_decompress(out.data(), out.size(), blob.data(), blob.size());
  if (ZSTD_isError(got) != 0 || got != size) throw ConfigError("a compressed block is damaged");
  return out;
}
}  // namespace moesim::results
