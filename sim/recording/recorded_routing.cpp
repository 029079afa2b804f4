#include "recording/recorded_routing.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "numerics/compressed/tensors.h"
#include "numerics/weights/checkpoint.h"
#include "recording/record.h"
#include "spec/catalogue.h"

namespace moesim::recording {
namespace {
constexpr Bytes kCheckpointMemory = 8_GiB;  // converted weights kept at once; larger models page theirs

/// Without "." and "..", since texts are named by their folders.
std::string plain(const DataFile& file) { return std::filesystem::path(file.path).lexically_normal().string(); }

/// By DeepSeek-V4's pass: the checkpoint in `folder`, or weights drawn from `seed` where that is empty.  False if the
/// user interrupted it.
bool record_entries(const spec::Model& model, const std::string& folder, std::uint64_t seed,
                    const std::vector<RecordRequest>& requests, RecordOptions options) {
  const numerics::CompressedShape shape =
      folder.empty() ? numerics::compressed_shape(model) : numerics::read_compressed(folder + "/config.json");
  if (folder.empty()) options.notes.push_back("weights are drawn: no load of experts is aimed at");
  const auto tensors =
      folder.empty() ? numerics::CompressedTensors(shape, seed) : numerics::CompressedTensors(shape, folder);
  return record_compressed(model, shape, tensors, requests, options).complete;
}
}  // namespace

bool asks_for_recording(const Config& scenario) {
  return scenario.has("routing") && scenario.at("routing").is_map() && scenario.at("routing").has("record");
}

Recorded record_for(const Config& scenario, const std::string& trace_file) {
  const Config config = scenario.at("routing").at("record");
  const auto section = read<RecordSection>(config);
  if (section.text.empty()) config.at("text").fail("expected at least one file or folder");
  if (section.limit < 0) config.fail_below("limit", fmt::format("must not be negative, got {}", section.limit));
  if (section.decode < 0) config.fail_below("decode", fmt::format("must not be negative, got {}", section.decode));
  spec::Model model = spec::read_model(scenario.at("model"));
  if (!model.moe) config.fail(fmt::format("{} is a dense model: it has no routing to record", model.name));
  const std::string folder = section.weights.name.empty() ? "" : plain(section.weights);
  const std::unique_ptr<numerics::Tokenizer> tokenizer = folder.empty() ? nullptr : tokenizer_of(folder);
  std::vector<std::string> texts;
  for (const DataFile& text : section.text) texts.push_back(plain(text));
  const std::vector<RecordRequest> requests = read_texts(texts, section.limit, tokenizer.get());

  const numerics::UseProducts products(section.products);
  RecordOptions options;
  options.output = trace_file;
  options.decode = section.decode;
  const std::string name = model.name, stem = std::filesystem::path(scenario.file()).stem().string();
  const bool synthetic = section.weights.name.empty();
  if (synthetic) {
    model = spec::scaled(model, section.scale ? *section.scale : spec::laptop_scale(model));
    model.name = name;
    options.source = fmt::format("scenario {}, synthetic weights, seed {}", stem, section.synthetic.seed);
  } else {
    options.source = fmt::format("scenario {}, weights of {}", stem, section.weights.name);
  }
  if (model.attention.compressed) {
    // Its weights are drawn from the seed alone: what aims at loads has no place there.
    if (config.has("synthetic")) config.at("synthetic").only({"seed"});
    return {record_entries(model, folder, section.synthetic.seed, requests, options), numerics::products_made()};
  }
  std::unique_ptr<numerics::Weights> weights;
  if (synthetic)
    weights = std::make_unique<numerics::SyntheticWeights>(model, section.synthetic);
  else
    weights = std::make_unique<numerics::Checkpoint>(model, folder, kCheckpointMemory);
  numerics::Forward forward(model, *weights);
  return {record_routing(forward, requests, options).complete, numerics::products_made()};
}

Config::Override replay_of(const Config& scenario, const std::string& trace_file) {
  const Config routing = scenario.at("routing");
  routing.only({"record", "domain", "assign"});
  std::string yaml = fmt::format("{{trace: \"{}\"", trace_file);
  for (const char* key : {"domain", "assign"})
    if (routing.has(key)) yaml += fmt::format(", {}: \"{}\"", key, routing.at(key).text());
  return {"routing", yaml + "}", routing.at("record").place()};
}
}  // namespace moesim::recording
