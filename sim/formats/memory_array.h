// Numbers of an array that lie in memory.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "formats/array.h"

namespace moesim::formats {

/// Reads pieces of bytes in memory from byte `begin` on, and throws ConfigError "WHERE: ..." for what is not there.
/// owner: keeps the bytes alive; null if somebody else does.
std::function<void(std::uint64_t, void*, std::uint64_t)> read_memory(std::string_view bytes, std::uint64_t begin,
                                                                     std::string where,
                                                                     std::shared_ptr<const void> owner);
}  // namespace moesim::formats
