#include "numerics/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/config.h"
#include "core/files.h"

namespace moesim {
namespace {
using Json = nlohmann::json;
constexpr std::size_t kTold = 1 << 15;  // bytes of words from one report of progress to the next; visible bytes double

[[noreturn]] void fail(const std::string& file, const std::string& problem) {
  throw ConfigError(fmt::format("{}: {}", file, problem));
}
bool is_on(const Json& json, const char* key) { return json.contains(key) && json[key].is_boolean() && json[key]; }
bool is_given(const Json& json, const char* key) {
  return json.contains(key) && !json[key].is_null() && json[key] != "" && json[key] != 0.0;
}

/// "a b", or ["a", "b"] where tokens hold spaces.
std::pair<std::string, std::string> merge_of(const Json& json, std::size_t rank, const std::string& file) {
  if (json.is_array() && json.size() == 2 && json[0].is_string() && json[1].is_string()) return {json[0], json[1]};
  if (json.is_string()) {
    const std::string text = json;
    const std::size_t space = text.find(' ');
    if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos)
      return {text.substr(0, space), text.substr(space + 1)};
  }
  fail(file, fmt::format("merge {}: expected two tokens, got {}", rank, json.dump().substr(0, 60)));
}

std::unique_ptr<Bpe> bpe_of(const Json& model, const std::string& file) {
  const std::string type = model.is_object() ? model.value("type", "BPE") : "";
  if (type != "BPE") fail(file, fmt::format("model {} is not implemented; only BPE is", type));
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"})
    if (is_given(model, key)) fail(file, fmt::format("{} of a model is not implemented", key));
  std::unordered_map<std::string, int> vocabulary;
  if (!model.contains("vocab") || !model["vocab"].is_object()) fail(file, "has no vocabulary of tokens and ids");
  for (const auto& [token, id] : model["vocab"].items()) {
    if (!id.is_number_integer()) fail(file, fmt::format("the id of token \"{}\" is {}", token, id.dump()));
    vocabulary[token] = id;
  }
  std::vector<std::pair<std::string, std::string>> merges;
  if (model.contains("merges"))
    for (const Json& merge : model["merges"]) merges.push_back(merge_of(merge, merges.size(), file));
  BpeOptions options;
  if (is_given(model, "unk_token")) options.unknown = model["unk_token"].get<std::string>();
  options.fuse_unknown = is_on(model, "fuse_unk");
  options.byte_fallback = is_on(model, "byte_fallback");
  options.ignore_merges = is_on(model, "ignore_merges");
  return std::make_unique<Bpe>(std::move(vocabulary), merges, options, file);
}

/// What a post-processor puts before and after one text.
void read_template(const Json& json, const std::string& file, std::vector<int>& before, std::vector<int>& after) {
  if (json.is_null()) return;
  const std::string type = json.is_object() ? json.value("type", "") : "";
  if (type == "ByteLevel") return;  // moves offsets only
  if (type == "Sequence") {
    for (const Json& step : json.value("processors", Json::array())) read_template(step, file, before, after);
    return;
  }
  if (type != "TemplateProcessing") fail(file, fmt::format("post_processor {} is not implemented", type));
  bool text_seen = false;
  for (const Json& piece : json.at("single")) {
    if (piece.contains("Sequence")) {
      text_seen = true;
      continue;
    }
    const std::string name = piece.at("SpecialToken").at("id");
    for (const Json& id : json.at("special_tokens").at(name).at("ids")) (text_seen ? after : before).push_back(id);
  }
}
}  // namespace

Tokenizer::Tokenizer(const std::string& file) : file_(file) {
  Json json = Json::parse(read_file(file), nullptr, false);
  if (!json.is_object()) fail(file, "is not a JSON object");
  for (const char* key : {"truncation", "padding"})
    if (is_given(json, key)) fail(file, fmt::format("{} is not implemented", key));
  normalise_ = normaliser_of(json.value("normalizer", Json()).dump(), file);
  cut_ = cutter_of(json.value("pre_tokenizer", Json()).dump(), file);
  bpe_ = bpe_of(json.value("model", Json()), file);
  try {
    read_template(json.value("post_processor", Json()), file, before_, after_);
    for (const Json& token : json.value("added_tokens", Json::array())) {
      const std::string text = token.at("content");
      for (const char* key : {"single_word", "lstrip", "rstrip"})
        if (is_on(token, key)) fail(file, fmt::format("{} of added token \"{}\" is not implemented", key, text));
      if (text.empty()) continue;
      if (is_on(token, "normalized"))
        normalised_.push_back({normalise_(text), token.at("id")});
      else
        raw_.push_back({text, token.at("id")});
    }
  } catch (const Json::exception& e) {
    fail(file, fmt::format("an added token or the template is not as expected: {}", e.what()));
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
}  // namespace moesim
