// How much memory this program may take, and a net under it.
#pragma once
#include <cstdint>
#include <string>

#include "core/names.h"

namespace moesim::core {

/// The most bytes, and whose limit that is, as the end of "the limit is 8 GiB (...)".
struct MemoryBound {
  std::int64_t bytes = INT64_MAX;
  std::string whose;
};
/// The least of: the memory that is free on this machine, what is left below the limits of its control groups, and of
/// `ulimit -v` and `ulimit -d`.  Read anew at every call.
MemoryBound memory_bound();

/// Bytes that may still be mapped; INT64_MAX without a limit on them.
std::int64_t address_space_left();

/// Beyond so many more bytes of data an allocation fails with std::bad_alloc, before the machine runs out of memory and
/// ends some process.  Never raises a limit that is there.
void limit_data(std::int64_t bytes);
}  // namespace moesim::core
