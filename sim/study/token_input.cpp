// Token ids from files, for recording.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/lines.h"
#include "numerics/npy.h"
#include "numerics/safetensors.h"
#include "study/record.h"

namespace moesim {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::json;
using Ids = std::vector<std::int64_t>;

[[noreturn]] void fail(const std::string& where, const std::string& problem) {
  throw ConfigError(fmt::format("{}: {}", where, problem));
}

/// Rows of an array [tokens] or [sequences, tokens].
std::vector<Ids> rows_of(const std::vector<std::int64_t>& shape, const Ids& values) {
  if (values.empty()) return {};
  const std::int64_t length = shape.back();
  std::vector<Ids> out;
  for (auto at = values.begin(); at != values.end(); at += length) out.emplace_back(at, at + length);
  return out;
}

template <class T>
Ids integers(std::span<const std::byte> bytes) {
  Ids out(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = std::int64_t(value);
  }
  return out;
}

std::vector<Ids> read_tensor(const std::string& file) {
  const SafetensorsFile stored(file);
  if (stored.tensors().size() != 1)
    fail(file, fmt::format("expected one tensor of token ids, got {}", stored.tensors().size()));
  const auto& [name, tensor] = *stored.tensors().begin();
  if (tensor.shape.empty() || tensor.shape.size() > 2)
    fail(file,
         fmt::format("tensor {}: expected [tokens] or [sequences, tokens], got {}", name, shape_text(tensor.shape)));
  switch (tensor.type) {
    case StoredType::i64:
      return rows_of(tensor.shape, integers<std::int64_t>(tensor.bytes));
    case StoredType::i32:
      return rows_of(tensor.shape, integers<std::int32_t>(tensor.bytes));
    case StoredType::i16:
      return rows_of(tensor.shape, integers<std::int16_t>(tensor.bytes));
    case StoredType::i8:
      return rows_of(tensor.shape, integers<std::int8_t>(tensor.bytes));
    case StoredType::u8:
      return rows_of(tensor.shape, integers<std::uint8_t>(tensor.bytes));
    default:
      fail(file, fmt::format("tensor {}: expected integers, got {}", name, name_of(tensor.type)));
  }
}

Ids ids_of(const std::string& where, const Json& list) {
  Ids out;
  for (const Json& id : list) {
    if (!id.is_number_integer()) fail(where, fmt::format("expected a token id, got {}", id.dump().substr(0, 40)));
    out.push_back(id.is_number_unsigned() && id.get<std::uint64_t>() > std::uint64_t(INT64_MAX)
                      ? INT64_MAX
                      : id.get<std::int64_t>());
  }
  return out;
}

std::vector<Ids> read_json(const std::string& file) {
  const Json json = Json::parse(read_file(file), nullptr, false);
  if (json.is_discarded()) fail(file, "is not JSON");
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
  const std::string text = read_file(file);
  std::vector<Ids> out;
  for_each_line(text, [&](int number, std::string_view line) {
    const std::string where = fmt::format("{}:{}", file, number);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
    Json json = Json::parse(line, nullptr, false);
    if (json.is_discarded()) fail(where, "is not JSON");
    if (json.is_object() && json.contains("tokens")) json = Json(json["tokens"]);
    if (!json.is_array()) fail(where, "expected {\"tokens\": [...]} or a list of token ids");
    out.push_back(ids_of(where, json));
  });
  return out;
}

std::vector<Ids> read_sequences(const std::string& file) {
  const std::string ending = fs::path(file).extension().string();
  if (ending == ".safetensors") return read_tensor(file);
  if (ending == ".json") return read_json(file);
  if (ending == ".jsonl") return read_json_lines(file);
  if (ending == ".npy") {
    const IntegerArray array = read_npy_integers(file);
    return rows_of(array.shape, array.values);
  }
  fail(file, "expected token ids in a .npy, .safetensors, .json or .jsonl file");
}
}  // namespace

std::vector<RecordRequest> read_token_file(const std::string& file, std::int64_t limit) {
  const std::vector<Ids> sequences = read_sequences(file);
  std::vector<RecordRequest> out;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const Ids& ids = sequences[s];
    RecordRequest r{
        sequences.size() > 1 ? fmt::format("{} sequence {}", file, s) : file, fs::path(file).stem().string(), {}};
    if (ids.empty()) fail(r.source, "holds no tokens");
    const std::size_t count = limit > 0 ? std::min(ids.size(), std::size_t(limit)) : ids.size();
    for (std::size_t i = 0; i < count; ++i)
      r.tokens.push_back(int(std::clamp<std::int64_t>(ids[i], -1, INT32_MAX)));  // refused by name later
    out.push_back(std::move(r));
  }
  if (out.empty()) fail(file, "holds no tokens");
  return out;
}
}  // namespace moesim
