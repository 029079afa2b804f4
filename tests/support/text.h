// What tests ask of printed text.
#pragma once
#include <string>

namespace moesim::test {
inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
}  // namespace moesim::test
