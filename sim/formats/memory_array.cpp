#include "formats/memory_array.h"

#include <fmt/format.h>

#include <cstring>

#include "core/config_error.h"
#include "formats/checked.h"

namespace moesim::formats {

std::function<void(std::uint64_t, void*, std::uint64_t)> read_memory(std::string_view bytes, std::uint64_t begin,
                                                                     std::string where,
                                                                     std::shared_ptr<const void> owner) {
  return [bytes, begin, where = std::move(where), owner = std::move(owner)](std::uint64_t offset, void* out,
                                                                            std::uint64_t count) {
    const std::uint64_t from = sum_of(begin, offset);
    if (from > bytes.size() || count > bytes.size() - from)
      throw ConfigError::placed(
          fmt::format("{}: its {} bytes end before byte {}", where, bytes.size(), sum_of(from, count)));
    if (count > 0) std::memcpy(out, bytes.data() + from, count);
  };
}
}  // namespace moesim::formats
