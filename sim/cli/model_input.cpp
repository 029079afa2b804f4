#include "cli/model_input.h"

#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <filesystem>

#include "cli/numbers.h"
#include "cli/options.h"
#include "numerics/pass/gates.h"
#include "numerics/weights/checkpoint.h"
#include "spec/catalogue.h"
#include "spec/hugging_face.h"

namespace moesim::cli {
namespace {
/// The tokenizer asked for, else that of the weights; none: bytes.
std::unique_ptr<numerics::Tokenizer> tokenizer_for(const ModelInput& in) {
  if (in.tokenizer == "bytes") return nullptr;
  if (in.tokenizer.empty()) return in.weights.empty() ? nullptr : recording::tokenizer_of(in.weights);
  if (!std::filesystem::is_directory(in.tokenizer)) return std::make_unique<numerics::Tokenizer>(in.tokenizer);
  auto found = recording::tokenizer_of(in.tokenizer);
  if (!found) throw ConfigError::placed(fmt::format("--tokenizer: {} holds no tokenizer.json", in.tokenizer));
  return found;
}

Bytes read_bytes(const std::string& text) {
  Bytes out;
  Config::from_option("--memory", in_quotes(text)).parse(out);
  return out;
}
/// kind: "precision", for the message.
template <class Enum>
Enum parse_word(const std::string& word, std::string_view option, std::string_view kind) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : enum_names(Enum{})) {
    if (name == word) return value;
    names.push_back(name);
  }
  throw ConfigError(
      fmt::format("{}: no {} is called \"{}\"{}", option, kind, word, suggestion(word, names, "there are")));
}
numerics::Precision parse_precision(const std::string& word, std::string_view option) {
  return parse_word<numerics::Precision>(word, option, "precision");
}
}  // namespace

void add_model_input(CLI::App& verb, ModelInput& in) {
  verb.add_option("--model", in.model, "catalogue name, YAML file, config.json, or a folder that holds one")
      ->required();
  CLI::Option* weights = verb.add_option("--weights", in.weights, "Hugging Face folder of safetensors");
  CLI::Option* synthetic =
      verb.add_flag("--synthetic", in.synthetic, "weights made up from --seed, scaled down to fit a laptop");
  weights->excludes(synthetic);
  CLI::Option* text =
      verb.add_option("--text", in.texts,
                      "text files or folders, each file a request; in tokens of the weights' tokenizer.json if it "
                      "is there, else each byte a token");
  CLI::Option* tokens =
      verb.add_option("--tokens", in.tokens,
                      "token ids instead: .npy or .safetensors, [tokens] or [sequences, tokens]; .json, lists "
                      "of ids; .jsonl, {\"tokens\": [...]} a line");
  text->excludes(tokens);
  verb.add_option("--tokenizer", in.tokenizer,
                  "tokenizer.json (byte-pair encoding) or a folder that holds one, for --text; or the word bytes")
      ->excludes(tokens);
  verb.add_option("--limit", in.limit, "at most so many tokens of each text or sequence")
      ->check(whole_number(1, INT64_MAX));
  verb.add_option("--memory", in.memory, "converted weights of a checkpoint to keep in memory (default: 8 GiB)");
  verb.add_option("--seed", in.options.seed, "names the synthetic weights (default: 1)")
      ->needs(synthetic)
      ->check(any_seed());
  verb.add_option("--scale", in.scale, "divide the synthetic model's widths by this (default: a size for laptops)")
      ->needs(synthetic)
      ->check(number_above_zero());
  verb.add_option("--precision", in.precision,
                  "of the matrix products: fp32, bf16, fp8 (E4M3 in tiles, FP32 sums) or fp8_limited (sums as on "
                  "Hopper) (default: fp32)");
  verb.add_option("--products", in.products,
                  "who adds up matrix products: ordered, the same digits on every x86-64, or openblas, whose last "
                  "digits depend on the processor (default: ordered)");
}

void check_model_input(const ModelInput& in, std::string_view verb) {
  if (in.weights.empty() && !in.synthetic)
    throw ConfigError(fmt::format("{}: give --weights DIR or --synthetic", verb));
  if (in.texts.empty() && in.tokens.empty())
    throw ConfigError(fmt::format("{}: give --text PATH... or --tokens FILE", verb));
}

numerics::Products products_of(const ModelInput& in) {
  return parse_word<numerics::Products>(in.products, "--products", "way of products");
}

std::vector<recording::RecordRequest> requests_of(const ModelInput& in) {
  if (!in.tokens.empty()) return recording::read_token_file(in.tokens, in.limit);
  const std::unique_ptr<numerics::Tokenizer> tokenizer = tokenizer_for(in);
  return recording::read_texts(in.texts, in.limit, tokenizer.get());
}

spec::Model model_of(const ModelInput& in) {
  spec::Model model = spec::load_model(in.model);
  if (!in.synthetic) return model;
  spec::Scale scale;
  if (in.scale > 0)
    scale.factor = in.scale;
  else
    scale = spec::laptop_scale(model);
  const bool own_ids = !in.tokens.empty() || (!in.tokenizer.empty() && in.tokenizer != "bytes");
  if (own_ids) scale.vocabulary = model.vocabulary;
  const std::string name = model.name;
  model = spec::scaled(model, scale);
  model.name = name;
  return model;
}

std::unique_ptr<numerics::Weights> weights_of(const ModelInput& in, const spec::Model& model) {
  if (in.synthetic) return std::make_unique<numerics::SyntheticWeights>(model, in.options);
  if (model.source.ends_with(".json") && !spec::has_forward_pass(model.source))
    throw ConfigError(fmt::format("{}: the forward pass of this model_type is not computed here", model.source));
  return std::make_unique<numerics::Checkpoint>(model, in.weights, read_bytes(in.memory));
}

std::string source_of(const ModelInput& in) {
  return (in.synthetic ? fmt::format("synthetic weights, seed {}", in.options.seed)
                       : fmt::format("weights of {}", in.weights)) +
         (in.precision == "fp32" ? "" : fmt::format(", {} products", in.precision));
}

void add_judgement(CLI::App& verb, Judgement& j) {
  verb.add_option("--gate", j.gate,
                  "how experts are chosen: a kind of `moesim list gate`, or {kind: ..., parameter: ...} (default: "
                  "published)");
  verb.add_option("--compare", j.compare, "precision to hold --precision against: choices, logits and losses");
  verb.add_option("--compare-gate", j.compare_gate, "gate to hold --gate against, likewise");
  verb.add_option("--mtp-weight", j.mtp_weight, "weight of multi-token prediction in the total loss (default: 0.3)")
      ->check(number_from_zero());
}

recording::EvaluateOptions evaluate_options(const Judgement& j, const ModelInput& in) {
  recording::EvaluateOptions out;
  out.precision = parse_precision(in.precision, "--precision");
  if (!j.compare.empty()) out.compare = parse_precision(j.compare, "--compare");
  out.gate = j.gate;
  numerics::gate_from(j.gate, "--gate");  // refused before anything is computed
  if (!j.compare_gate.empty()) {
    out.compare_gate = j.compare_gate;
    numerics::gate_from(j.compare_gate, "--compare-gate");
  }
  out.mtp_weight = j.mtp_weight;
  return out;
}

CompressedWeights compressed_weights_of(const ModelInput& input, const spec::Model& model) {
  CompressedWeights out;
  out.shape = std::make_unique<numerics::CompressedShape>(
      input.synthetic ? numerics::compressed_shape(model) : numerics::read_compressed(input.weights + "/config.json"));
  out.tensors = input.synthetic ? std::make_unique<numerics::CompressedTensors>(*out.shape, input.options.seed)
                                : std::make_unique<numerics::CompressedTensors>(*out.shape, input.weights);
  return out;
}

void check_compressed(std::initializer_list<std::pair<const char*, bool>> asked, const spec::Model& model) {
  for (const auto& [key, is_asked] : asked)
    if (is_asked)
      throw ConfigError(key, fmt::format("{} attends over entries of several tokens; its pass has none", model.name));
}

void check_compressed(const Judgement& judgement, const ModelInput& input, const spec::Model& model) {
  check_compressed({{"--compare", !judgement.compare.empty()},
                    {"--compare-gate", !judgement.compare_gate.empty()},
                    {"--gate", judgement.gate != "published"},
                    {"--precision", input.precision != "fp32"}},
                   model);
}
}  // namespace moesim::cli
