// What a count may be: one way to say it, and to refuse what it may not be.
#pragma once
#include <fmt/format.h>

#include <concepts>
#include <cstdint>
#include <string_view>

#include "core/config.h"

namespace moesim::core {

/// Throws ConfigError at `key` ("kv.block") below `config` unless least <= value <= most.
template <std::integral T>
void within(const Config& config, std::string_view key, T value, std::int64_t least, std::int64_t most) {
  if (std::int64_t(value) < least || std::int64_t(value) > most)
    config.fail_below(key, fmt::format("expected {} to {}, got {}", least, most, value));
}
}  // namespace moesim::core
