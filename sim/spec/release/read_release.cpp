#include "spec/release/read_release.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "formats/json.h"
#include "spec/release/described.h"
#include "spec/release/families.h"
#include "spec/release/python_json.h"
#include "spec/release/quantisation.h"
#include "spec/release/towers.h"

namespace moesim::spec {
namespace {
const ReleaseFamily* family_of(std::string_view type) {
  std::string_view plain = type;
  if (plain.ends_with("_text")) plain.remove_suffix(5);
  for (const auto families : {plain_families(), mixture_families(), mixture_variant_families(), latent_families(),
                              windowed_families(), recurrent_families(), state_space_families(), compressed_families()})
    for (const ReleaseFamily& one : families)
      if (one.type == type || one.type == plain) return &one;
  return nullptr;
}

/// What a release without model_type says by its class.
std::string type_of_class(const Keys& k) {
  constexpr auto table =
      std::to_array<std::pair<std::string_view, std::string_view>>({{"HYV3ForCausalLM", "hy_v3"},
                                                                    {"LongcatFlashForCausalLM", "longcat_flash"},
                                                                    {"BailingMoeV2ForCausalLM", "bailing_moe_v2"},
                                                                    {"Grok1ForCausalLM", "grok-1"}});
  if (!k.has("architectures")) return "";
  for (const std::string& one : k.words("architectures"))
    for (const auto& [name, type] : table)
      if (name == one) return std::string(type);
  return "";
}

/// The key of the part that describes the language model, or "".
const char* text_key(const Keys& root) {
  for (const char* key : {"text_config", "language_config", "llm_config"})
    if (root.has(key)) return key;
  return "";
}

WeightFormat plain_weights(const Keys& root, const Keys& text) {
  for (const Keys* k : {&root, &text})
    for (const char* key : {"torch_dtype", "dtype"})
      if (k->has(key)) {
        const std::string word = k->text_or(key, "");
        try {
          return plain_format(word);
        } catch (const ConfigError& e) {
          k->fail(key, e.problem());
        }
      }
  return {};
}

/// Keys that nobody read and that sound as if they were about shapes.
std::string doubtful(const Keys& text) {
  std::vector<std::string> out;
  for (const std::string& key : text.unread()) {
    const formats::JsonValue& value = text.object().at(key.c_str());
    if (key.find("bias") != std::string::npos && value.is_boolean() && !value.get<bool>()) continue;  // has none
    for (const std::string_view part : {"expert", "layer", "head", "dim", "size", "rank", "width", "mtp", "moe", "mlp",
                                        "bias", "norm", "mla", "gate"})
      if (key.find(part) != std::string::npos) {
        out.push_back(key);
        break;
      }
  }
  return fmt::format("{}", fmt::join(out, ", "));
}

Plan read_plan(const Keys& text, const std::string& type) {
  const ReleaseFamily* family = family_of(type);
  // Ling's second generation kept the first one's model_type.
  if (type == "bailing_moe" && type_of_class(text) == "bailing_moe_v2") family = family_of("bailing_moe_v2");
  if (family) {
    Plan plan = family->read(text, family->type);
    if (const std::string keys = doubtful(text); !keys.empty())
      plan.notes.push_back(fmt::format("keys of {} that were not read: {}", type, keys));
    return plan;
  }
  const Plan plan = [&] {
    try {
      return read_unknown(text, type);
    } catch (const ConfigError& e) {
      const std::vector<std::string> rest = text.unread();
      throw ConfigError::placed(fmt::format(
          "{} (model_type \"{}\" is not known, and its keys do not describe a plain decoder)", e.what(), type));
    }
  }();
  if (const std::vector<std::string> rest = text.unread(); !rest.empty())
    text.fail("model_type", fmt::format("\"{}\" is not known, and these keys of it mean something unknown: {}", type,
                                        fmt::join(rest, ", ")));
  Plan out = plan;
  out.notes.push_back(fmt::format(
      "assumed: model_type \"{}\" is not known; its keys are read as a plain decoder's: RMSNorms, no biases "
      "but those said, experts and dense networks of three matrices",
      type));
  return out;
}

Described read_document(std::shared_ptr<const formats::JsonValue> document, const std::string& file,
                        const std::string& beside) {
  const Keys root(formats::JsonObject(*document, file), *document);
  const std::string part = text_key(root);
  const Keys text = part.empty() ? root : root.part(part.c_str());
  std::string type = text.text_or("model_type", "");
  const std::string wrapper = root.text_or("model_type", type);
  if (type.empty()) type = wrapper;
  if (type.empty()) type = type_of_class(text);
  if (type.empty()) root.fail("missing key \"model_type\"");
  const Quantisation how = read_quantisation(root, part.empty() ? root : text, beside, type);
  Plan plan = read_plan(text, type);
  // A wrapper says it for its text part, where that does not.
  if (!part.empty() && root.has("tie_word_embeddings") && !text.has("tie_word_embeddings"))
    plan.tied = root.flag_or("tie_word_embeddings", plan.tied);
  if (!part.empty()) read_towers(root, wrapper, plan);
  Release out = carry_out(plan);
  out.file = file;
  out.model_type = type;
  out.quantisation = how.words;
  out.formats = formats_of(out.tensors, how, plain_weights(root, text));
  return {std::move(document), text, type, std::move(plan), std::move(out)};
}
}  // namespace

bool is_release_type(const std::string& model_type) { return family_of(model_type) != nullptr; }

Described describe(const std::string& file) {
  return describe(std::make_shared<const formats::JsonValue>(read_python_json(file)), file);
}

Described describe(std::shared_ptr<const formats::JsonValue> document, const std::string& file) {
  const std::filesystem::path path(file);
  Described out = read_document(std::move(document), file, (path.parent_path() / "hf_quant_config.json").string());
  const std::filesystem::path where = std::filesystem::absolute(path);
  out.release.name =
      where.filename() == "config.json" ? where.parent_path().filename().string() : where.stem().string();
  return out;
}

Described describe_text(const std::string& text, const std::string& where) {
  Described out = read_document(std::make_shared<const formats::JsonValue>(parse_python_json(text, where)), where, "");
  out.release.name = where;
  return out;
}

Release read_release(const std::string& file) { return describe(file).release; }
Release read_release_text(const std::string& text, const std::string& where) {
  return describe_text(text, where).release;
}
}  // namespace moesim::spec
