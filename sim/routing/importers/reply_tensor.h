// Routed experts as an object that says its shape, as routers between server and user hand them on.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "formats/json_object.h"

namespace moesim::routing {

struct ReplyTensor {
  std::int64_t axis = 0, top_k = 0;
  std::int64_t start = 0;         // position of the first row
  int bits = 32;                  // of an id
  std::vector<std::int32_t> ids;  // (rows, axis, top_k)
};
/// {"data": BASE64, "shape": [rows, layers, top-k], "dtype": "int16", "start": 0}: integers, row-major, low byte first.
/// Throws ConfigError if one is missing, or the data are not as many as the shape says.
ReplyTensor reply_tensor(const formats::JsonValue& object, const std::string& where);
}  // namespace moesim::routing
