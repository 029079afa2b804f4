// What studies and recordings take together.
#include <algorithm>
#include <filesystem>

#include "recording/recorded_routing.h"
#include "runs/affordable.h"
#include "runs/scenario.h"
#include "spec/catalogue.h"
#include "spec/count.h"

namespace moesim::runs {
namespace {
// Measured: quickstart's recording (weights as FP32, once; a pool of experts where there are many), x86-64.
constexpr double kProgram = 40e6, kWeight = 4, kTokenLayer = 64, kPassTokens = 2048;
constexpr double kPoolFloats = 1 << 24;
constexpr double kFlops = 10e9;              // assumed: FP32 operations a second of one core, small matrices
constexpr double kCheckpointMemory = 8.6e9;  // recording/recorded_routing.cpp: converted weights kept at once

double text_bytes(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    const auto size = std::filesystem::file_size(path, error);
    return error ? 0 : double(size);
  }
  double sum = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path, error))
    if (entry.is_regular_file(error)) sum += double(entry.file_size(error));
  return sum;
}

Estimate recording_of(const Config& scenario) {
  const auto section = read<recording::RecordSection>(scenario.at("routing").at("record"));
  spec::Model model = spec::read_model(scenario.at("model"));
  const bool synthetic = section.weights.name.empty();
  if (synthetic) model = spec::scaled(model, section.scale ? *section.scale : spec::laptop_scale(model));
  double tokens = 0;
  for (const DataFile& text : section.text) {
    const double all = text_bytes(text.path);
    std::error_code error;
    const bool folder = std::filesystem::is_directory(text.path, error);
    tokens += section.limit > 0 && !folder ? std::min(all, double(section.limit)) : all;
  }
  return recording_estimate(model, synthetic, tokens, double(section.text.size()), section.decode);
}
}  // namespace

Estimate recording_estimate(const spec::Model& model, bool synthetic, double tokens, double texts, double decode) {
  Estimate out;
  const spec::Parameters counted = spec::count_parameters(model);
  // Synthetic experts share a pool of weights (numerics/synthetic/synthetic.cpp: kPoolFloats).
  const double routed = double(counted.routed),
               pool = std::max(kPoolFloats, 16.0 * double(spec::expert_parameters(model)));
  const double parameters = double(counted.total()) - (synthetic ? std::max(0.0, routed - pool) : 0);
  const double all = tokens + texts * decode, passes = decode + tokens / kPassTokens;
  out.hold("model", "the program", kProgram);
  out.hold("model", "weights in FP32",
           synthetic ? parameters * kWeight : std::min(parameters * kWeight, kCheckpointMemory));
  const double cache = double(spec::cache_bytes_per_token(model, spec::CacheFormat::bf16).v) * 2;  // in FP32
  out.hold("routing.record", rounded_count(all) + " tokens' keys and values", all * (cache + kTokenLayer));
  out.hold("routing.record", "hidden states and logits of a pass",
           std::min(tokens, kPassTokens) * 4 * (double(model.vocabulary) + 16.0 * model.hidden));
  out.events_key = "routing.record";
  out.seconds = 2 * double(counted.active) * all / kFlops + passes * 0.05;
  return out;
}

Estimate estimate_of(const Scenario& scenario, bool spans) {
  const Config section = scenario.config.at(scenario.study->section);
  Estimate out = section.placed([&] { return scenario.study->estimate(scenario.config, spans); });
  if (!recording::asks_for_recording(scenario.config)) return out;
  const Estimate recording = recording_of(scenario.config);
  // The recording is over, its memory free, when the study begins: the larger of both counts.
  if (recording.bytes() > out.bytes()) out.parts = recording.parts;
  out.seconds += recording.seconds;
  return out;
}
}  // namespace moesim::runs
