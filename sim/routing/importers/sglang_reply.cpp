// SGLang replies with routed experts: the plain tensor in meta_info, and the self-describing form.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "formats/base64.h"
#include "formats/json.h"
#include "routing/importers/reply_blocks.h"
#include "routing/importers/reply_documents.h"
#include "routing/importers/reply_tensor.h"

namespace moesim::routing {
namespace {
constexpr std::int64_t kMost = 1 << 24;

/// One request's rows: row p is the forward at position first + p.
struct Request {
  std::string where;
  std::int64_t prompt = 0, first = 0;
  std::vector<std::int32_t> ids;  // (rows, axis, top_k)
  std::vector<std::int32_t> prompt_ids, output_ids;
};
struct Replies {
  std::vector<Request> requests;
  std::vector<int> layers;  // the rows' model layer numbers, or empty: all hidden layers
  std::int64_t axis = 0, top_k = 0;
  bool described = false, shaped = false;  // their shape is said: by a schema, or beside the numbers
  int without = 0;                         // replies that hold no routing
  std::vector<std::string> notes;
};

std::vector<std::int32_t> int32s(const formats::JsonValue& text, const std::string& where) {
  if (!text.is_string()) throw ConfigError(fmt::format("{}: expected base64 text", where));
  const std::string bytes = formats::base64(text.get_ref<const std::string&>(), where);
  if (bytes.size() % 4 != 0)
    throw ConfigError(fmt::format("{}: {} bytes are not whole 32-bit integers", where, bytes.size()));
  std::vector<std::int32_t> out(bytes.size() / 4);
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

/// The innermost object that holds `key`, looked for in the whole reply; nullptr if none does.
const formats::JsonValue* holder(const formats::JsonValue& json, const char* key) {
  if (json.is_object() && json.contains(key) && !json[key].is_null()) return &json;
  if (json.is_structured())
    for (const formats::JsonValue& part : json)
      if (const formats::JsonValue* found = holder(part, key)) return found;
  return nullptr;
}

void read_described(const formats::JsonObject& object, Replies& out, Request& r) {
  const std::string& where = object.where();
  const formats::JsonObject schema = object.part("expert_ids_schema");
  if (schema.text("dtype") != "int32" || schema.text("layout") != "row_major" ||
      schema.text("id_space") != "logical_global")
    object.fail("expert_ids_schema", "expected row-major int32 with logical_global ids");
  const std::int64_t axis = schema.integer("num_layers", 1, kMostLayers), k = schema.integer("top_k", 1, 64);
  std::vector<std::int32_t> layers;
  if (schema.has("moe_layer_ids"))
    formats::append_integers(schema.at("moe_layer_ids"), 0, kMostLayers, where + ": moe_layer_ids", layers);
  if (out.axis != 0 && (!out.described || out.axis != axis || out.top_k != k))
    throw ConfigError(fmt::format("{}: has another shape than the replies before", where));
  out.axis = axis;
  out.top_k = k;
  out.described = true;
  if (std::adjacent_find(layers.begin(), layers.end(), std::greater_equal<>()) != layers.end())
    schema.fail("moe_layer_ids", "expected ascending layer numbers");
  if (std::int64_t(layers.size()) == axis) out.layers.assign(layers.begin(), layers.end());
  r.first =
      std::min(schema.integer("input_start_position", 0, kMost), schema.integer("output_start_position", 0, kMost));
  r.prompt = schema.integer("output_start_position", 0, kMost) + 1;
  std::int64_t rows = 0;
  for (const char* part : {"input", "output"}) {
    const std::string key = fmt::format("{}_expert_ids", part);
    if (!object.has(key.c_str())) {
      if (std::string_view(part) == "input") r.first = r.prompt - 1;
      continue;
    }
    const std::int64_t n = schema.integer(fmt::format("{}_num_rows", part).c_str(), 0, kMost);
    const std::vector<std::int32_t> ids = int32s(object.at(key.c_str()), where + ": " + key);
    if (std::int64_t(ids.size()) != n * axis * k)
      throw ConfigError(fmt::format("{}: {}: {} rows of {} layers and top-{} need {} ids, got {}", where, key, n, axis,
                                    k, n * axis * k, ids.size()));
    r.ids.insert(r.ids.end(), ids.begin(), ids.end());
    rows += n;
  }
  if (rows == 0) throw ConfigError(fmt::format("{}: holds no rows", where));
}

/// A tensor that says its shape.
void read_shaped(const formats::JsonObject& meta, Replies& out, Request& r) {
  ReplyTensor t = reply_tensor(meta.at("routed_experts"), meta.where() + ": routed_experts");
  if (out.axis != 0 && (!out.shaped || out.axis != t.axis || out.top_k != t.top_k))
    throw ConfigError(fmt::format("{}: has another shape than the replies before", meta.where()));
  r.first = t.start;
  const std::int64_t rows = std::int64_t(t.ids.size()) / (t.axis * t.top_k),
                     tokens = r.prompt + meta.integer("completion_tokens", 0, kMost);
  if (rows < 1 || r.first + rows > tokens)
    throw ConfigError(
        fmt::format("{}: {} rows from position {} are not those of {} tokens", meta.where(), rows, r.first, tokens));
  out.axis = t.axis;
  out.top_k = t.top_k;
  out.shaped = true;
  r.ids = std::move(t.ids);
}

/// The plain tensor: rows whose layers and top-k are not told apart.
void read_plain(const formats::JsonObject& meta, Replies& out, Request& r) {
  const std::string& where = meta.where();
  r.prompt = meta.integer("prompt_tokens", 1, kMost);
  if (meta.has("routed_experts_start_len")) r.first = meta.integer("routed_experts_start_len", 0, r.prompt);
  if (meta.at("routed_experts").is_object()) return read_shaped(meta, out, r);
  const std::int64_t rows = r.prompt + meta.integer("completion_tokens", 0, kMost) - 1 - r.first;
  r.ids = int32s(meta.at("routed_experts"), where + ": routed_experts");
  if (rows < 1 || r.ids.size() % std::size_t(rows) != 0)
    throw ConfigError(fmt::format("{}: {} ids do not make {} rows of equal length", where, r.ids.size(), rows));
  const std::int64_t row = std::int64_t(r.ids.size()) / rows;
  if (out.axis != 0 && (out.described || out.shaped || row != out.axis))
    throw ConfigError(fmt::format("{}: has rows of {} ids, the replies before {}", where, row, out.axis));
  if (row > std::int64_t{kMostLayers} * 64)
    throw ConfigError(fmt::format("{}: a row has {} ids, too many for the choices of a token", where, row));
  out.axis = row;
}

void read_token_ids(const formats::JsonValue& reply, const char* key, const std::string& where,
                    std::vector<std::int32_t>& out) {
  if (reply.is_object() && reply.contains(key))
    formats::append_integers(reply[key], 0, INT32_MAX, fmt::format("{}: {}", where, key), out);
}

Replies read_replies(const ImportContext& context) {
  Replies out;
  for (const std::string& file : context.files) {
    int index = 0;
    for (const formats::JsonValue& reply : reply_documents(file)) {
      Request r;
      r.where = fmt::format("{}: reply {}", file, index++);
      if (const formats::JsonValue* object = holder(reply, "expert_ids_schema"))
        read_described({*object, r.where}, out, r);
      else if (const formats::JsonValue* meta = holder(reply, "routed_experts"))
        read_plain({*meta, r.where}, out, r);
      else {
        if (reply.is_object() && reply.contains("meta_info")) ++out.without;
        continue;
      }
      read_token_ids(reply, "output_ids", r.where, r.output_ids);
      read_token_ids(reply, "input_ids", r.where, r.prompt_ids);
      out.requests.push_back(std::move(r));
    }
  }
  if (out.requests.empty()) throw ConfigError(fmt::format("{}: no reply holds routed experts", context.files[0]));
  if (out.without > 0)
    out.notes.push_back(fmt::format("{} of {} replies hold no routing and were left out", out.without,
                                    out.without + int(out.requests.size())));
  return out;
}

/// True if rows of `k` can be: each choice names k different experts, or is a dense layer's zeros, the same layers
/// always.
bool fits(const Replies& replies, std::int64_t k) {
  const std::int64_t axis = replies.axis / k;
  std::vector<int> dense(std::size_t(axis), -1);
  for (const Request& r : replies.requests)
    for (std::size_t i = 0; i < r.ids.size(); i += std::size_t(k)) {
      const auto first = r.ids.begin() + std::ptrdiff_t(i), end = first + std::ptrdiff_t(k);
      const bool zeros = k > 1 && std::all_of(first, end, [](std::int32_t e) { return e == 0; });
      int& d = dense[i / std::size_t(k) % std::size_t(axis)];
      if (d >= 0 && d != int(zeros)) return false;
      d = int(zeros);
      if (!zeros && std::set<std::int32_t>(first, end).size() != std::size_t(k)) return false;
    }
  return true;
}

/// The plain tensor does not say its shape: the model does, or --top-k; without them it is the reading in which no
/// token has an expert twice, if there is but one.
void settle_shape(const ImportContext& c, Replies& replies) {
  if (replies.described || replies.shaped) return;
  const std::int64_t row = replies.axis;
  std::int64_t k = c.options.top_k > 0 ? c.options.top_k : c.model ? c.model->moe->top_k : 0;
  if (k > 0 && (row % k != 0 || (c.model && row / k != c.model->layers)))
    throw ConfigError(fmt::format(
        "{}: a row has {} ids, which is not {} with top-{}", replies.requests[0].where, row,
        c.model ? fmt::format("the {} layers of {}", c.model->layers, c.model->name) : "a number of layers", k));
  if (k == 0) {
    std::vector<std::int64_t> readings;
    for (std::int64_t candidate = 2; candidate <= std::min<std::int64_t>(row, 64); ++candidate)
      if (row % candidate == 0 && fits(replies, candidate)) readings.push_back(candidate);
    if (readings.empty())
      throw ConfigError(fmt::format("{}: the layers and top-k cannot be told apart; give --model or --top-k",
                                    replies.requests[0].where));
    if (readings.size() > 1) {
      std::string all;
      for (const std::int64_t reading : readings)
        all += fmt::format("{}{} layer{} with top-{}", all.empty() ? "" : " or ", row / reading,
                           row == reading ? "" : "s", reading);
      throw ConfigError(
          fmt::format("{}: a row of {} ids may be {}, which the reply does not say; give --model or --top-k",
                      replies.requests[0].where, row, all));
    }
    k = readings[0];
    replies.notes.push_back(fmt::format(
        "{} ids a row were read as {} layers with top-{}, for no other has a token's experts differ", row, row / k, k));
  }
  replies.axis = row / k;
  replies.top_k = k;
}

void read(const ImportContext& context) {
  Replies replies = read_replies(context);
  settle_shape(context, replies);
  RoutedSource s;
  s.name = replies.described ? "SGLang replies with expert_ids_schema" : "SGLang replies with routed_experts";
  s.file = context.files[0];
  s.axis = replies.layers.empty() ? LayerAxis::hidden : LayerAxis::numbered;
  s.axis_size = int(replies.axis);
  s.layers = replies.layers;
  s.top_k = int(replies.top_k);
  s.requests = s.phases = s.zero_is_empty = true;
  s.notes = replies.notes;
  set_reply_blocks(s, replies.requests, [](const Request& r, std::int64_t position) {
    const bool generated = position >= r.prompt;
    const auto& list = generated ? r.output_ids : r.prompt_ids;
    const auto at = std::size_t(generated ? position - r.prompt : position);
    return at < list.size() ? list[at] : -1;
  });
  bool some = false, all = true;
  for (const Request& r : replies.requests) {
    some = some || !r.output_ids.empty() || !r.prompt_ids.empty();
    all = all && !r.prompt_ids.empty();
  }
  s.token_ids = some;
  if (some && !all) s.notes.push_back("the replies do not hold the prompts' token ids");
  import_routing(context, s);
}

bool recognise(const std::string&, std::string_view head) {
  const auto has = [&](std::string_view word) { return head.find(word) != std::string_view::npos; };
  return has("\"expert_ids_schema\"") || (has("\"meta_info\"") && has("\"routed_experts\""));
}
}  // namespace

Importer sglang_reply_importer() {
  return {"sglang-reply", "SGLang replies with routed_experts or expert_ids_schema (JSON, JSON lines, streams)",
          recognise, read};
}
}  // namespace moesim::routing
