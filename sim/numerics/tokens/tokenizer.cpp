#include "numerics/tokens/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/config.h"
#include "formats/json.h"
#include "numerics/tokens/tokenizer_steps.h"

namespace moesim::numerics {
namespace {
constexpr std::size_t kTold = 1 << 15;  // bytes of words from one report of progress to the next; visible bytes double

[[noreturn]] void fail(const std::string& file, const std::string& problem) {
  throw ConfigError(fmt::format("{}: {}", file, problem));
}
bool is_given(const formats::JsonObject& json, const char* key) {
  return json.has(key) && json.at(key) != "" && json.at(key) != 0.0;
}

int id_of(const formats::JsonValue& json, const std::string& where) {
  return int(formats::integer_of(json, 0, INT32_MAX, where));
}

/// "a b", or ["a", "b"] where tokens hold spaces.
std::pair<std::string, std::string> merge_of(const formats::JsonValue& json, std::size_t rank,
                                             const std::string& file) {
  if (json.is_array() && json.size() == 2 && json[0].is_string() && json[1].is_string()) return {json[0], json[1]};
  if (json.is_string()) {
    const std::string text = json;
    const std::size_t space = text.find(' ');
    if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos)
      return {text.substr(0, space), text.substr(space + 1)};
  }
  fail(file, fmt::format("merge {}: expected two tokens, got {}", rank, formats::shown(json)));
}

std::unique_ptr<Bpe> bpe_of(const formats::JsonObject& model) {
  const std::string& file = model.where();
  const std::string type = model.text_or("type", "BPE");
  if (type != "BPE") fail(file, fmt::format("model {} is not implemented; only BPE is", type));
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"})
    if (is_given(model, key)) fail(file, fmt::format("{} of a model is not implemented", key));
  std::unordered_map<std::string, int> vocabulary;
  if (!model.has("vocab") || !model.at("vocab").is_object()) fail(file, "has no vocabulary of tokens and ids");
  for (const auto& [token, id] : model.at("vocab").items()) {
    if (!id.is_number_integer()) fail(file, fmt::format("the id of token \"{}\" is {}", token, formats::shown(id)));
    vocabulary[token] = id_of(id, fmt::format("{}: the id of token \"{}\"", file, token));
  }
  std::vector<std::pair<std::string, std::string>> merges;
  if (model.has("merges"))
    for (const formats::JsonValue& merge : model.list_at("merges"))
      merges.push_back(merge_of(merge, merges.size(), file));
  BpeOptions options;
  if (is_given(model, "unk_token")) options.unknown = model.text("unk_token");
  options.fuse_unknown = model.flag_or("fuse_unk", false);
  options.byte_fallback = model.flag_or("byte_fallback", false);
  options.ignore_merges = model.flag_or("ignore_merges", false);
  return std::make_unique<Bpe>(std::move(vocabulary), merges, options, file);
}

/// What a post-processor puts before and after one text.
void read_template(const formats::JsonObject& json, std::vector<int>& before, std::vector<int>& after) {
  const std::string& file = json.where();
  const std::string type = json.text("type");
  if (type == "ByteLevel") return;  // moves offsets only
  if (type == "Sequence") {
    for (const formats::JsonValue& step : json.list_at("processors")) read_template({step, file}, before, after);
    return;
  }
  if (type != "TemplateProcessing") fail(file, fmt::format("post_processor {} is not implemented", type));
  bool text_seen = false;
  for (const formats::JsonValue& element : json.list_at("single")) {
    const formats::JsonObject piece(element, file);
    if (piece.has("Sequence")) {
      text_seen = true;
      continue;
    }
    const std::string name = piece.part("SpecialToken").text("id");
    for (const formats::JsonValue& id : json.part("special_tokens").part(name.c_str()).list_at("ids"))
      (text_seen ? after : before).push_back(id_of(id, fmt::format("{}: special token \"{}\"", file, name)));
  }
}
}  // namespace

Tokenizer::Tokenizer(const std::string& file) : file_(file) {
  const formats::JsonValue document = formats::read_json(file, kMostWritten);
  const formats::JsonObject json(document, file);
  for (const char* key : {"truncation", "padding"})
    if (is_given(json, key)) fail(file, fmt::format("{} is not implemented", key));
  normalise_ = normaliser_of(json.has("normalizer") ? json.at("normalizer") : formats::JsonValue(), file);
  cut_ = cutter_of(json.has("pre_tokenizer") ? json.at("pre_tokenizer") : formats::JsonValue(), file);
  bpe_ = bpe_of(json.part("model"));
  if (json.has("post_processor")) read_template(json.part("post_processor"), before_, after_);
  if (json.has("added_tokens"))
    for (const formats::JsonValue& element : json.list_at("added_tokens")) {
      const formats::JsonObject token(element, file + ": added_tokens");
      const std::string text = token.text("content");
      for (const char* key : {"single_word", "lstrip", "rstrip"})
        if (token.flag_or(key, false))
          fail(file, fmt::format("{} of added token \"{}\" is not implemented", key, text));
      if (text.empty()) continue;
      const int id = int(token.integer("id", 0, INT32_MAX));
      std::string matched = token.flag_or("normalized", false) ? normalise_(text) : text;
      if (matched.empty()) continue;  // an empty token would be found everywhere
      (token.flag_or("normalized", false) ? normalised_ : raw_).push_back({std::move(matched), id});
    }
  for (std::vector<Added>* tokens : {&raw_, &normalised_})
    std::ranges::stable_sort(*tokens, std::greater{}, [](const Added& t) { return t.text.size(); });
}

/// The first place from `from` on where a token stands, and the longest there; text.size() if there is none.
std::size_t Tokenizer::find(std::string_view text, std::size_t from, const std::vector<Added>& tokens,
                            const Added*& found) {
  bool begins[256] = {};
  for (const Added& t : tokens) begins[static_cast<unsigned char>(t.text[0])] = true;
  for (std::size_t at = from; at < text.size(); ++at) {
    if (!begins[static_cast<unsigned char>(text[at])]) continue;
    for (const Added& t : tokens)
      if (text.substr(at).starts_with(t.text)) {
        found = &t;
        return at;
      }
  }
  return text.size();
}

std::vector<int> Tokenizer::encode(std::string_view text, const std::string& name,
                                   const std::function<void(std::size_t)>& progress) {
  if (const std::size_t at = not_utf8(text); at != std::string_view::npos)
    fail(name, fmt::format("byte {} is not UTF-8, which {} needs", at, file_));
  std::vector<int> ids = before_;
  for (std::size_t at = 0; at < text.size();) {
    const Added* found = nullptr;
    const std::size_t stop = find(text, at, raw_, found);
    if (stop > at)
      encode_plain(text.substr(at, stop - at), at == 0, ids, [&](double share) {
        if (progress) progress(at + std::size_t(share * double(stop - at)));
      });
    at = stop;
    if (found != nullptr) {
      ids.push_back(found->id);
      at += found->text.size();
    }
    if (progress) progress(at);
  }
  ids.insert(ids.end(), after_.begin(), after_.end());
  return ids;
}

void Tokenizer::encode_plain(std::string_view text, bool first, std::vector<int>& ids, const Share& share) {
  const std::string normal = normalise_(std::string(text));
  for (std::size_t at = 0; at < normal.size();) {
    const Added* found = nullptr;
    const std::size_t stop = find(normal, at, normalised_, found);
    if (stop > at)
      encode_normalised(normal.substr(at, stop - at), first && at == 0, ids,
                        [&](double part) { share((double(at) + part * double(stop - at)) / double(normal.size())); });
    at = stop;
    if (found != nullptr) {
      ids.push_back(found->id);
      at += found->text.size();
    }
  }
}

void Tokenizer::encode_normalised(const std::string& text, bool first, std::vector<int>& ids, const Share& share) {
  const std::vector<TextPiece> words = cut_({{text, first}});
  std::size_t all = 0, before = 0, told = 0;
  for (const TextPiece& word : words) all += word.text.size();
  for (const TextPiece& word : words) {
    if (word.text.empty()) continue;
    const auto tell = [&](std::size_t within) {
      if (before + within < told + kTold) return;
      told = before + within;
      share(double(told) / double(all));
    };
    bpe_->encode(word.text, ids, tell);
    tell(word.text.size());
    before += word.text.size();
  }
}
}  // namespace moesim::numerics
