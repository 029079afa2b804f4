// What request traces with one JSON object a line share.
#pragma once
#include <fmt/format.h>

#include "core/ceil_div.h"
#include "formats/json.h"
#include "serving/traces/recorded.h"

namespace moesim::serving {

class JsonLines : public Recorded {
 public:
  JsonLines(const Recording& recording, const WorkloadContext& context)
      : Recorded(recording, context), rows_(recording.file.path) {
    if (rows_.empty()) throw ConfigError::placed(fmt::format("{}: is empty", rows_.name()));
  }

 protected:
  [[noreturn]] void fail(std::string_view problem) const final { rows_.fail(problem); }
  /// The next line's object, valid until the next call; nothing at the end.
  std::optional<formats::JsonObject> advance() {
    if (!rows_.next()) return std::nullopt;
    line_ = formats::parse_json(rows_);
    return formats::JsonObject(line_, rows_.where());
  }
  std::int64_t line() const { return std::int64_t(rows_.number()); }
  Row row(int input, int output, Moment when) const { return row_of(line(), input, output, when); }
  /// hash_ids stand for ceil(input / block) blocks; the last, if partial, is not shared as a whole and is left out.
  static std::vector<std::uint64_t> hashes_of(const formats::JsonObject& json, int input, int block) {
    std::vector<std::uint64_t> out = json.ids("hash_ids");
    const std::size_t full = std::size_t(input / block), all = std::size_t(ceil_div(input, block));
    if (out.size() > all)
      json.fail("hash_ids", fmt::format("expected at most {} ids for {} tokens in blocks of {}, got {}", all, input,
                                        block, out.size()));
    if (out.size() > full) out.resize(full);
    return out;
  }
  /// A time between two turns, which `key` has in units of so many seconds.
  static Time pause_of(const formats::JsonObject& json, const char* key, double unit) {
    constexpr double kLongest = 4.6e6;  // seconds: two of them, one after the other, are within the clock's reach
    const double pause = json.not_negative(key) * unit;
    if (pause > kLongest) json.fail(key, "is longer than 53 days");
    return from_seconds(pause);
  }

 private:
  formats::LineFile rows_;
  formats::JsonValue line_;
};

/// Whether a line of the file holds one of these keys, in whatever object.
inline bool mentions(const std::string& file, std::initializer_list<std::string_view> keys) {
  formats::LineFile lines(file);
  while (lines.next())
    for (const std::string_view key : keys)
      if (lines.line().find(key) != std::string_view::npos) return true;
  return false;
}
}  // namespace moesim::serving
