// vLLM replies with routed experts, in three generations: nested lists, base64 of a .npy, plain 32-bit tensors as .npy.
#include <fmt/format.h>

#include <algorithm>

#include "formats/base64.h"
#include "formats/json.h"
#include "formats/npy.h"
#include "routing/importers/reply_blocks.h"
#include "routing/importers/reply_documents.h"
#include "routing/importers/reply_tensor.h"

namespace moesim::routing {
namespace {
constexpr std::int64_t kMost = 1 << 24;

/// Rows of choices: (rows, axis, top_k).
struct Rows {
  std::int64_t axis = 0, top_k = 0;
  int bits = 32;
  std::vector<std::int32_t> ids;
  std::int64_t start = 0;  // position of the first one, where the rows say it
  std::int64_t count() const { return axis * top_k > 0 ? std::int64_t(ids.size()) / (axis * top_k) : 0; }
};

Rows from_lists(const formats::JsonValue& rows, const std::string& where) {
  Rows out;
  out.bits = 16;
  for (const formats::JsonValue& row : rows) {
    if (!row.is_array() || row.empty()) throw ConfigError(fmt::format("{}: expected [tokens][layers][top-k]", where));
    if (out.axis == 0) out.axis = std::int64_t(row.size());
    if (std::int64_t(row.size()) != out.axis)
      throw ConfigError(
          fmt::format("{}: row {} has {} layers, the rows before {}", where, out.count(), row.size(), out.axis));
    for (const formats::JsonValue& choice : row) {
      const std::size_t before = out.ids.size();
      formats::append_integers(choice, -1, INT16_MAX, where, out.ids);
      const auto k = std::int64_t(out.ids.size() - before);
      if (out.top_k == 0) out.top_k = k;
      if (k != out.top_k || k == 0)
        throw ConfigError(fmt::format("{}: a choice has {} experts, those before {}", where, k, out.top_k));
    }
  }
  return out;
}

Rows rows_of(const formats::JsonValue& value, const std::string& where) {
  if (value.is_array()) return from_lists(value, where);
  if (value.is_object()) {
    ReplyTensor t = reply_tensor(value, where);
    return {t.axis, t.top_k, t.bits, std::move(t.ids), t.start};
  }
  if (!value.is_string())
    throw ConfigError(fmt::format("{}: expected lists, base64 text or an object with data and shape", where));
  const std::string& text = value.get_ref<const std::string&>();
  if (text.starts_with("nrlre1:"))
    throw ConfigError(fmt::format("{}: the nrlre1 envelope is not read; ask the server for vLLM's own form", where));
  const formats::ArraySource a =
      formats::npy_array(std::make_shared<const std::string>(formats::base64(text, where)), where);
  if (a.shape.size() != 3 || a.shape[1] < 1 || a.shape[2] < 1)
    throw ConfigError(fmt::format("{}: expected [tokens, layers, top-k], got {}", where, a.shape_text()));
  if (a.shape[1] > kMostLayers || a.shape[2] > 64)
    throw ConfigError(
        fmt::format("{}: expected up to {} layers and top-64, got {}", where, kMostLayers, a.shape_text()));
  Rows out{a.shape[1], a.shape[2], formats::element_bytes(a.type) * 8, {}, 0};
  a.read_integers(0, a.shape[0], out.ids);
  return out;
}

struct Request {
  std::string where;
  std::int64_t prompt = -1;                    // its tokens; -1 unknown
  std::int64_t first = 0;                      // position of the first row
  std::int64_t generated_from = 0;             // position of the first id in `generated`
  std::vector<std::int32_t> ids;               // (rows, axis, top_k)
  std::vector<std::int32_t> given, generated;  // ids of the prompt's tokens and of what came of it; empty if unknown
};
struct Replies {
  std::vector<Request> requests;
  Rows shape;
  bool any_tokens = false, phases = true;
  int without = 0;  // choices that hold no routing
};

std::vector<std::int32_t> tokens_at(const formats::JsonObject& object, const char* key) {
  std::vector<std::int32_t> out;
  if (object.has(key) && object.at(key).is_array())
    formats::append_integers(object.at(key), 0, INT32_MAX, fmt::format("{}: {}", object.where(), key), out);
  return out;
}

void add(const Rows& rows, Request& r, Replies& out) {
  if (rows.count() == 0) return;
  if (out.shape.axis == 0) out.shape.axis = rows.axis, out.shape.top_k = rows.top_k, out.shape.bits = rows.bits;
  if (rows.axis != out.shape.axis || rows.top_k != out.shape.top_k)
    throw ConfigError(fmt::format("{}: has {} layers with top-{}, those before {} with top-{}", r.where, rows.axis,
                                  rows.top_k, out.shape.axis, out.shape.top_k));
  out.shape.bits = std::min(out.shape.bits, rows.bits);
  r.ids.insert(r.ids.end(), rows.ids.begin(), rows.ids.end());
}

/// alone: the reply's counts of tokens are this choice's.
void read_choice(const formats::JsonObject& reply, const formats::JsonObject& choice, bool alone, Replies& out) {
  const std::string& where = choice.where();
  Request r;
  r.where = where;
  std::vector<std::int32_t> prompt = tokens_at(choice, "prompt_token_ids");
  if (prompt.empty()) prompt = tokens_at(reply, "prompt_token_ids");
  const std::vector<std::int32_t> generated = tokens_at(choice, "token_ids");
  if (reply.has("prompt_routed_experts")) {  // oldest form: the prompt's rows apart
    const Rows rows = rows_of(reply.at("prompt_routed_experts"), where + ": prompt_routed_experts");
    r.prompt = rows.count();
    add(rows, r, out);
  }
  if (choice.has("routed_experts_prompt_start")) r.first = choice.integer("routed_experts_prompt_start", 0, kMost);
  if (choice.has("routed_experts")) {
    const Rows rows = rows_of(choice.at("routed_experts"), where + ": routed_experts");
    if (rows.start > 0 && r.first > 0 && rows.start != r.first)
      choice.fail("routed_experts_prompt_start", fmt::format("is {}, but the rows begin at {}", r.first, rows.start));
    if (rows.start > 0) r.first = rows.start;
    add(rows, r, out);
  }
  if (r.ids.empty()) return void(++out.without);
  const std::int64_t rows = std::int64_t(r.ids.size()) / (out.shape.axis * out.shape.top_k);
  if (r.prompt < 0 && !prompt.empty()) r.prompt = std::int64_t(prompt.size());
  if (r.prompt < 0 && !generated.empty()) r.prompt = r.first + rows + 1 - std::int64_t(generated.size());
  if (r.prompt < 0 && alone && reply.has("usage") && reply.part("usage").has("prompt_tokens"))
    r.prompt = reply.part("usage").integer("prompt_tokens", 1, kMost);
  if (!prompt.empty() && !generated.empty() && r.first + rows > std::int64_t(prompt.size() + generated.size()))
    throw ConfigError(fmt::format("{}: {} rows from position {} are more than its {} tokens", where, rows, r.first,
                                  prompt.size() + generated.size()));
  out.phases = out.phases && r.prompt >= 0;
  r.generated_from = prompt.empty() ? std::max<std::int64_t>(r.prompt, 0) : std::int64_t(prompt.size());
  out.any_tokens = out.any_tokens || !prompt.empty() || !generated.empty();
  r.given = std::move(prompt);
  r.generated = generated;
  out.requests.push_back(std::move(r));
}

Replies read_replies(const ImportContext& context) {
  Replies out;
  for (const std::string& file : context.files) {
    int index = 0;
    for (const formats::JsonValue& reply : reply_documents(file)) {
      const std::string where = fmt::format("{}: reply {}", file, index++);
      const formats::JsonObject object(reply, where);
      if (!object.has("choices")) {  // the offline form: one object a request
        read_choice(object, object, true, out);
        continue;
      }
      const formats::JsonValue& choices = object.list_at("choices");
      for (std::size_t i = 0; i < choices.size(); ++i) {
        const std::string place = choices.size() > 1 ? fmt::format("{}: choice {}", where, i) : where;
        read_choice(object, {choices[i], place}, choices.size() == 1, out);
      }
    }
  }
  if (out.requests.empty()) throw ConfigError(fmt::format("{}: no reply holds routed_experts", context.files[0]));
  return out;
}

void read(const ImportContext& context) {
  const Replies replies = read_replies(context);
  RoutedSource s;
  s.name = "vLLM replies with routed_experts";
  s.file = context.files[0];
  s.axis_size = int(replies.shape.axis);
  s.top_k = int(replies.shape.top_k);
  s.id_bits = replies.shape.bits;
  s.requests = s.zero_is_empty = true;
  s.phases = replies.phases;
  s.token_ids = replies.any_tokens;
  if (replies.without > 0)
    s.notes.push_back(fmt::format("{} of {} choices hold no routing and were left out", replies.without,
                                  replies.without + int(replies.requests.size())));
  if (!replies.phases) s.notes.push_back("where the prompt ends is not known: all tokens count as prefill");
  set_reply_blocks(s, replies.requests, [](const Request& r, std::int64_t position) {
    const bool generated = position >= r.generated_from;
    const std::vector<std::int32_t>& list = generated ? r.generated : r.given;
    const auto i = std::size_t(generated ? position - r.generated_from : position);
    return i < list.size() ? list[i] : -1;
  });
  import_routing(context, s);
}

bool recognise(const std::string&, std::string_view head) {
  const auto has = [&](std::string_view word) { return head.find(word) != std::string_view::npos; };
  return has("\"prompt_routed_experts\"") || (has("\"routed_experts\"") && !has("\"meta_info\""));
}
}  // namespace

Importer vllm_reply_importer() {
  return {"vllm-reply",
          "vLLM replies with routed_experts: nested lists, base64 of a .npy, or an object with data and shape",
          recognise, read};
}
}  // namespace moesim::routing
