#include "routing/importers/reply_tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/named_enum.h"
#include "formats/base64.h"
#include "formats/json.h"
#include "routing/trace_limits.h"

namespace moesim::routing {
namespace {
template <class Integer>
void append(const std::string& bytes, const std::string& where, std::vector<std::int32_t>& out) {
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(Integer)) {
    Integer value{};
    std::memcpy(&value, &bytes[at], sizeof(Integer));
    // Both ends before it is made narrower: half of what is far below 0 would become an expert.
    if (!std::in_range<std::int16_t>(value))
      throw ConfigError(fmt::format("{}: data: an expert id of {} is none", where, value));
    out.push_back(std::int32_t(value));
  }
}
struct Type {
  std::string_view name;
  int bytes;
  void (*append)(const std::string& bytes, const std::string& where, std::vector<std::int32_t>& out);
};
constexpr std::array kTypes{Type{"uint8", 1, append<std::uint8_t>},   Type{"int8", 1, append<std::int8_t>},
                            Type{"uint16", 2, append<std::uint16_t>}, Type{"int16", 2, append<std::int16_t>},
                            Type{"uint32", 4, append<std::uint32_t>}, Type{"int32", 4, append<std::int32_t>},
                            Type{"int64", 8, append<std::int64_t>}};
}  // namespace

ReplyTensor reply_tensor(const formats::JsonValue& value, const std::string& where) {
  const formats::JsonObject object(value, where);
  const std::vector<int> shape = object.list("shape");
  if (shape.size() != 3 || shape[0] < 0 || shape[1] < 1 || shape[2] < 1)
    object.fail("shape", fmt::format("expected [tokens, layers, top-k], got {}", formats::shown(object.at("shape"))));
  if (shape[1] > kMostLayers || shape[2] > 64)
    object.fail("shape", fmt::format("expected up to {} layers and top-64, got {}", kMostLayers,
                                     formats::shown(object.at("shape"))));
  const std::string name = object.text("dtype");
  const auto type = std::ranges::find(kTypes, name, &Type::name);
  if (type == kTypes.end()) {
    std::vector<std::string_view> names;
    for (const Type& t : kTypes) names.push_back(t.name);
    object.fail("dtype", fmt::format("no integers are called \"{}\"{}", name, suggestion(name, names, "there are")));
  }
  const std::string bytes = formats::base64(object.text("data"), where + ": data");
  const std::int64_t ids = std::int64_t{shape[0]} * shape[1] * shape[2];
  if (std::int64_t(bytes.size()) != ids * type->bytes)
    object.fail("data", fmt::format("{} ids of {} need {} bytes, got {}", ids, name, ids * type->bytes, bytes.size()));
  ReplyTensor out{
      shape[1], shape[2], object.has("start") ? object.integer("start", 0, 1 << 24) : 0, type->bytes * 8, {}};
  type->append(bytes, where, out.ids);
  return out;
}
}  // namespace moesim::routing
