#include "cli/model_input.h"

#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "numerics/checkpoint.h"
#include "spec/catalogue.h"

namespace moesim {
namespace {
/// Needs the Python package "tokenizers".
constexpr std::string_view kTokenize =
    "python3 -c 'import json,sys; from tokenizers import Tokenizer; t=Tokenizer.from_file(sys.argv[1]); "
    "[print(json.dumps({\"tokens\": t.encode(open(f).read()).ids})) for f in sys.argv[2:]]'";

Bytes read_bytes(const std::string& text) {
  Bytes out;
  Config::from_text(fmt::format("memory: \"{}\"", text), "--memory").at("memory").parse(out);
  return out;
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
                      "text files or folders, each byte a token; each file is a request.  For a model's own ids run "
                      "its tokenizer first and give them with --tokens");
  CLI::Option* tokens =
      verb.add_option("--tokens", in.tokens,
                      "token ids instead: .npy or .safetensors, [tokens] or [sequences, tokens]; .json, lists "
                      "of ids; .jsonl, {\"tokens\": [...]} a line");
  text->excludes(tokens);
  verb.add_option("--tokenizer", in.tokenizer, "not read here: prints the command that makes ids of a text");
  verb.add_option("--limit", in.limit, "at most so many tokens of each text or sequence")->check(CLI::PositiveNumber);
  verb.add_option("--memory", in.memory, "converted weights of a checkpoint to keep in memory (default: 8 GiB)");
  verb.add_option("--seed", in.options.seed, "names the synthetic weights (default: 1)")->needs(synthetic);
  verb.add_option("--scale", in.scale, "divide the synthetic model's widths by this (default: a size for laptops)")
      ->needs(synthetic)
      ->check(CLI::PositiveNumber);
  verb.add_option("--precision", in.precision,
                  "of the matrix products: fp32, bf16, fp8 (E4M3 in tiles, FP32 sums) or fp8_limited (sums as on "
                  "Hopper) (default: fp32)");
}

void check_model_input(const ModelInput& in, std::string_view verb) {
  if (!in.tokenizer.empty())
    throw ConfigError(
        fmt::format("{0}: text is read by bytes; for the ids of {1} run first: {2} {1} TEXT... > ids.jsonl, "
                    "then {0} --tokens ids.jsonl",
                    verb, in.tokenizer, kTokenize));
  if (in.weights.empty() && !in.synthetic)
    throw ConfigError(fmt::format("{}: give --weights DIR or --synthetic", verb));
  if (in.texts.empty() && in.tokens.empty())
    throw ConfigError(fmt::format("{}: give --text PATH... or --tokens FILE", verb));
}

std::vector<RecordRequest> requests_of(const ModelInput& in) {
  return in.tokens.empty() ? read_texts(in.texts, in.limit) : read_token_file(in.tokens, in.limit);
}

Model model_of(const ModelInput& in) {
  Model model = load_model(in.model);
  if (!in.synthetic) return model;
  Scale scale;
  if (in.scale > 0)
    scale.factor = in.scale;
  else
    scale = laptop_scale(model);
  if (!in.tokens.empty()) scale.vocabulary = model.vocabulary;
  const std::string name = model.name;
  model = scaled(model, scale);
  model.name = name;
  return model;
}

std::unique_ptr<Weights> weights_of(const ModelInput& in, const Model& model) {
  if (in.synthetic) return std::make_unique<SyntheticWeights>(model, in.options);
  return std::make_unique<Checkpoint>(model, in.weights, read_bytes(in.memory));
}

std::string source_of(const ModelInput& in) {
  return (in.synthetic ? fmt::format("synthetic weights, seed {}", in.options.seed)
                       : fmt::format("weights of {}", in.weights)) +
         (in.precision == "fp32" ? "" : fmt::format(", {} products", in.precision));
}

Precision parse_precision(const std::string& word, std::string_view option) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : EnumNames<Precision>::table) {
    if (name == word) return value;
    names.push_back(name);
  }
  throw ConfigError(
      fmt::format("{}: no precision is called \"{}\"{}", option, word, suggestion(word, names, "there are")));
}
}  // namespace moesim
