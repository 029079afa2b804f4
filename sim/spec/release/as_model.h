// A model to run from the config.json of a family that has no row in spec/architecture.cpp.
#pragma once
#include <functional>
#include <string_view>

#include "spec/model.h"
#include "spec/release/described.h"

namespace moesim::spec {

/// The model whose layers take the time and the memory of this release's.  Throws ConfigError that says what is missing
/// where its layers or its number formats cannot be run.
Model model_of_release(const Described& described);
/// The heads of layers that keep keys and values, their windows, and the windowed layers' own heads where those differ.
void set_heads(const Described& d, Model& m, const std::function<void(std::string_view)>& refuse);
/// Whether each layer is two, attention and a dense network each, with experts that run beside the second (LongCat).
bool joins_later(const Release& release);
/// Such layers as two each, the experts in the first.
Plan layers_apart(Plan plan);
/// Layers of KDA, what the halves of layers attend to beside them, and positions.
void set_kimi(const Described& d, Model& m);
/// The blocks that layers of heads pick, if any do.
void set_blocks(const Described& d, Model& m, const std::function<void(std::string_view)>& refuse);
/// The attention, the streams and the clamp of DeepSeek-V4.  refuse: told why it cannot be run; throws.
void set_compressed(const Described& d, Model& m, const std::function<void(std::string_view)>& refuse);
}  // namespace moesim::spec
