// moesim record: real text through a real forward pass, its routing into a trace.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "cli/command.h"
#include "core/files.h"
#include "numerics/checkpoint.h"
#include "numerics/gates.h"
#include "spec/catalogue.h"
#include "study/record.h"

namespace moesim {
namespace {
struct Given {
  std::string model, weights, tokens;
  std::vector<std::string> texts;
  bool synthetic = false, no_weights = false;
  double scale = 0;
  SyntheticOptions options;
  std::int64_t limit = 0;
  std::string memory = "8 GiB", gate = "published";
  RecordOptions record;
};

Bytes read_bytes(const std::string& text) {
  Bytes out;
  Config::from_text(fmt::format("memory: \"{}\"", text), "--memory").at("memory").parse(out);
  return out;
}

/// The model in the size that is computed: as it is with a checkpoint, scaled down for synthetic weights.
Model computed_model(const Given& given) {
  Model model = load_model(given.model);
  if (!given.synthetic) return model;
  Scale scale;
  if (given.scale > 0)
    scale.factor = given.scale;
  else
    scale = laptop_scale(model);
  if (!given.tokens.empty()) scale.vocabulary = model.vocabulary;
  const std::string name = model.name;
  model = scaled(model, scale);
  model.name = name;
  return model;
}

void record(Given given) {
  check_new_file(given.record.output);
  const std::vector<RecordRequest> requests =
      given.tokens.empty() ? read_texts(given.texts, given.limit) : read_token_file(given.tokens, given.limit);
  const Model model = computed_model(given);
  std::unique_ptr<Weights> weights;
  if (given.synthetic)
    weights = std::make_unique<SyntheticWeights>(model, given.options);
  else
    weights = std::make_unique<Checkpoint>(model, given.weights, read_bytes(given.memory));
  given.record.source = given.synthetic ? fmt::format("moesim record, synthetic weights, seed {}", given.options.seed)
                                        : fmt::format("moesim record, weights of {}", given.weights);
  if (given.gate != "published") given.record.source += ", gate " + given.gate;
  given.record.gate_weights = !given.no_weights;
  const std::unique_ptr<Gate> gate = gates().make(Config::from_text("gate: " + given.gate, "--gate").at("gate"));
  Forward forward(model, *weights, {.gate = gate.get()});
  const RecordResult r = record_routing(forward, requests, given.record);
  fmt::print("{}: {} tokens of {} requests ({} prefill, {} decode), {} MoE layers, {} passes{}\n", given.record.output,
             r.prefill_tokens + r.decode_tokens, r.requests, r.prefill_tokens, r.decode_tokens, r.moe_layers, r.passes,
             r.complete ? "" : "; interrupted");
}
}  // namespace

void add_record(CLI::App& app, int&) {
  auto given = std::make_shared<Given>();
  CLI::App* verb = app.add_subcommand("record", "run text through a model and record which experts each token chose");
  verb->add_option("--model", given->model, "catalogue name, YAML file, config.json, or a folder that holds one")
      ->required();
  CLI::Option* weights = verb->add_option("--weights", given->weights, "Hugging Face folder of safetensors");
  CLI::Option* synthetic =
      verb->add_flag("--synthetic", given->synthetic, "weights made up from --seed, scaled down to fit a laptop");
  weights->excludes(synthetic);
  CLI::Option* text =
      verb->add_option("--text", given->texts, "text files or folders, taken by bytes; each file is a request");
  CLI::Option* tokens =
      verb->add_option("--tokens", given->tokens, "token ids instead: a .npy file, [tokens] or [sequences, tokens]");
  text->excludes(tokens);
  verb->add_option("--limit", given->limit, "at most so many tokens of each text or sequence")
      ->check(CLI::PositiveNumber);
  verb->add_option("--decode", given->record.decode, "continue each request greedily by so many tokens")
      ->check(CLI::NonNegativeNumber);
  verb->add_option("-o,--output", given->record.output, "trace to create")->required();
  verb->add_flag("--mtp", given->record.mtp, "run and record the multi-token-prediction modules too");
  verb->add_flag("--no-gate-weights", given->no_weights, "store the choices without their weights");
  verb->add_option("--gate", given->gate,
                   "how experts are chosen: a kind of `moesim list gate`, or {kind: ..., parameter: ...}");
  verb->add_option("--memory", given->memory, "converted weights of a checkpoint to keep in memory (default: 8 GiB)");
  verb->add_option("--seed", given->options.seed, "names the synthetic weights (default: 1)")->needs(synthetic);
  verb->add_option("--scale", given->scale, "divide the synthetic model's widths by this (default: a size for laptops)")
      ->needs(synthetic)
      ->check(CLI::PositiveNumber);
  verb->callback([given, weights, synthetic, text, tokens] {
    if (weights->empty() && !given->synthetic) throw ConfigError("record: give --weights DIR or --synthetic");
    if (text->empty() && tokens->empty()) throw ConfigError("record: give --text PATH... or --tokens FILE.npy");
    record(*given);
  });
}
}  // namespace moesim
