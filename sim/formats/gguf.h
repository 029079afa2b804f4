// Reads GGUF files (llama.cpp): the values and tensors of their headers.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "formats/array.h"

namespace moesim::formats {

struct GgufFile {
  std::map<std::string, std::string> values;   // numbers and texts, as text; arrays are left out
  std::map<std::string, ArraySource> tensors;  // F32 only; the first dimension is the slowest one
};
/// Throws ConfigError naming the byte: truncated, another version than 2 or 3, tensors outside the file.
/// Source: ggml's GGUF description, version 3.
GgufFile read_gguf(const std::string& file);
}  // namespace moesim::formats
