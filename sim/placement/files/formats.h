// Placement files: what serving systems load, and plain JSON and CSV.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "exchange/expert_map.h"

namespace moesim::placement {

/// The places of a model's experts.
struct ModelPlacement {
  std::vector<int> layers;                // the model's number of each MoE layer, ascending
  std::vector<exchange::ExpertMap> maps;  // one a layer, all of one shape
  int hidden_layers = 0;                  // of the model, dense ones included; 0 if unknown
  int nodes = 0;                          // 0 if unknown
  std::string strategy;                   // "" if unknown
};

enum class PlacementFormat {
  json,          ///< {"layers":{"3":{"slots":[...]}},"slots_per_gpu":9,...}
  csv,           ///< layer,gpu,slot,expert; slots counted from 0 in their layer
  sglang,        ///< {"physical_to_logical_map":[[...]]}, a row a hidden layer
  tensorrt_llm,  ///< YAML: num_slots, initial_global_assignments
  vllm_ascend    ///< {"moe_layer_count":...,"layer_list":[{"layer_id":...,"device_list":[...]}]}
};
constexpr auto enum_names(PlacementFormat) {
  return std::to_array<std::pair<std::string_view, PlacementFormat>>({{"json", PlacementFormat::json},
                                                                      {"csv", PlacementFormat::csv},
                                                                      {"sglang", PlacementFormat::sglang},
                                                                      {"tensorrt-llm", PlacementFormat::tensorrt_llm},
                                                                      {"vllm-ascend", PlacementFormat::vllm_ascend}});
}

/// The file's text.  SGLang and TensorRT-LLM have no word for an empty slot: then throws ConfigError.  In SGLang's,
/// dense layers get experts in order; in vLLM-Ascend's, layers are numbered from the first MoE layer.
std::string placement_text(const ModelPlacement& placement, PlacementFormat format);

/// What is known before a placement file is read; 0 and empty where nothing is.
struct PlacementExpectation {
  int gpus = 0;               // SGLang and TensorRT-LLM files do not say it and need it
  int experts = 0;            // unknown: the highest id found plus one
  std::vector<int> layers{};  // the model's MoE layers: each must be there, further ones are left out
};

/// Reads any of the formats, told apart by what they hold.  Throws ConfigError, naming file and layer, for text that is
/// none of them, slots that do not divide by the GPUs, ids beyond the experts, experts without a slot, layers missing
/// or of different shapes.
ModelPlacement load_placement(const std::string& file, const PlacementExpectation& expected = {});
/// The same from text; `name` stands for the file in messages.
ModelPlacement placement_from_text(const std::string& text, const std::string& name,
                                   const PlacementExpectation& expected = {});
}  // namespace moesim::placement
