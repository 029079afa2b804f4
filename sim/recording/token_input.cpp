// Token ids from files, for recording.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/utf8.h"
#include "formats/json.h"
#include "formats/npy.h"
#include "formats/safetensors.h"
#include "recording/record.h"

namespace moesim::recording {
namespace {
namespace fs = std::filesystem;
using Ids = std::vector<std::int64_t>;

[[noreturn]] void fail(const std::string& where, const std::string& problem) {
  throw ConfigError(fmt::format("{}: {}", where, problem));
}

/// Rows of an array [tokens] or [sequences, tokens].
std::vector<Ids> rows_of(const formats::ArraySource& array) {
  const std::size_t rank = array.shape.size();
  if (rank < 1 || rank > 2)
    fail(array.where, fmt::format("expected [tokens] or [sequences, tokens], got {}", array.shape_text()));
  Ids values;
  array.read_integers(0, array.shape[0], values);
  if (values.empty()) return {};
  const std::int64_t length = array.shape.back();
  std::vector<Ids> out;
  for (auto at = values.begin(); at != values.end(); at += length) out.emplace_back(at, at + length);
  return out;
}

std::vector<Ids> read_tensor(const std::string& file) {
  const formats::SafetensorsFile stored(file);
  if (stored.tensors().size() != 1)
    fail(file, fmt::format("expected one tensor of token ids, got {}", stored.tensors().size()));
  stored.check_whole();
  const auto& [name, tensor] = *stored.tensors().begin();
  return rows_of(formats::array_of(tensor, fmt::format("{}: tensor {}", file, name)));
}

/// Ids beyond 64 bits count as the largest: no vocabulary has them.
Ids ids_of(const std::string& where, const formats::JsonValue& list) {
  Ids out;
  for (const formats::JsonValue& id : list) out.push_back(formats::integer_of(id, INT64_MIN, INT64_MAX, where));
  return out;
}

std::vector<Ids> read_lists(const std::string& file) {
  const formats::JsonValue json = formats::read_json(file);
  if (!json.is_array()) fail(file, "expected a list of token ids, or a list of such lists");
  if (json.empty() || !json.front().is_array()) return {ids_of(file, json)};
  std::vector<Ids> out;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const std::string where = fmt::format("{} sequence {}", file, i);
    if (!json[i].is_array()) fail(where, "expected a list of token ids");
    out.push_back(ids_of(where, json[i]));
  }
  return out;
}

std::vector<Ids> read_json_lines(const std::string& file) {
  std::vector<Ids> out;
  for (formats::LineFile lines(file); lines.next();) {
    const formats::JsonValue json = formats::parse_json(lines);
    const bool keyed = json.is_object() && json.contains("tokens");
    const formats::JsonValue& ids = keyed ? json["tokens"] : json;
    if (!ids.is_array()) lines.fail("expected {\"tokens\": [...]} or a list of token ids");
    out.push_back(ids_of(lines.where(), ids));
  }
  return out;
}

std::vector<Ids> read_sequences(const std::string& file) {
  const std::string ending = fs::path(file).extension().string();
  if (ending == ".safetensors") return read_tensor(file);
  if (ending == ".json") return read_lists(file);
  if (ending == ".jsonl") return read_json_lines(file);
  if (ending == ".npy") return rows_of(formats::npy_array(file));
  fail(file, "expected token ids in a .npy, .safetensors, .json or .jsonl file");
}
}  // namespace

std::vector<RecordRequest> read_token_file(const std::string& file, std::int64_t limit) {
  const std::vector<Ids> sequences = read_sequences(file);
  std::vector<RecordRequest> out;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const Ids& ids = sequences[s];
    RecordRequest r{sequences.size() > 1 ? fmt::format("{} sequence {}", file, s) : file,
                    as_utf8(fs::path(file).stem().string()),
                    {}};
    if (ids.empty()) fail(r.source, "holds no tokens");
    const std::size_t count = limit > 0 ? std::min(ids.size(), std::size_t(limit)) : ids.size();
    for (std::size_t i = 0; i < count; ++i)
      r.tokens.push_back(int(std::clamp<std::int64_t>(ids[i], -1, INT32_MAX)));  // refused by name later
    out.push_back(std::move(r));
  }
  if (out.empty()) fail(file, "holds no tokens");
  return out;
}
}  // namespace moesim::recording
