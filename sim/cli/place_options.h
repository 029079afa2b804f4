// What the user gave `moesim place`.
#pragma once
#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace moesim::cli {

struct PlaceGiven {
  std::vector<std::string> files, traces, loads, evals, strategies, sets;
  std::vector<std::string> windows, eval_windows;
  std::vector<std::string> slot_words, gpu_slot_words, gpu_speed_words;  // as typed; their numbers are below
  std::string model, cluster, sharing, replica_choice, from, output, database, format;
  std::vector<int> slots, gpu_slots;
  std::vector<double> gpu_speed;
  int gpus = 0, nodes = 0, groups = 0, top_k = 0, windows_a_plan = 1;
  double window_minutes = 0;
  std::int64_t prefill_tokens = 4096, decode_tokens = 128, context = 4096, sample = 4096;
  bool together = false, keep_groups = false, keep_places = false, by_layer = false, json = false;
};
void add_place_options(CLI::App& verb, PlaceGiven& given);
}  // namespace moesim::cli
