// Members and nodes of a group are counted in int, vectors in std::size_t.
#pragma once
#include <cstddef>

namespace moesim::network {

inline std::size_t at(int i) { return std::size_t(i); }
}  // namespace moesim::network
