// Writes a trace in a plain form that other programs read.
#pragma once
#include <functional>
#include <string_view>
#include <vector>

#include "routing/trace.h"

namespace moesim::routing {

/// Takes the output piece by piece.
using Sink = std::function<void(std::string_view)>;

struct Exporter {
  std::string_view name, summary;
  void (*write)(const Trace& trace, const Sink& sink);
};
/// jsonl, csv, npy, loads.
const std::vector<Exporter>& exporters();
/// Throws ConfigError naming the nearest format if there is none of that name.
const Exporter& exporter(std::string_view name);

void export_jsonl(const Trace& trace, const Sink& sink);
void export_csv(const Trace& trace, const Sink& sink);
void export_npy(const Trace& trace, const Sink& sink);
void export_loads(const Trace& trace, const Sink& sink);

/// A piece of a trace with all its layers.
struct TracePiece {
  std::vector<TraceToken> tokens;
  std::vector<std::vector<std::int16_t>> experts;  // by layer: (tokens, top_k)
  std::vector<std::vector<float>> weights;         // by layer: the same, or empty
};
/// Calls `use` for one piece after the other; throws ConfigError if the user interrupts.
void for_each_piece(const Trace& trace, const std::function<void(const TracePiece&)>& use);
}  // namespace moesim::routing
