// Attention and positions as a Hugging Face config.json says; part of read_hugging_face().
#pragma once
#include "formats/json_object.h"
#include "spec/model.h"

namespace moesim::spec {

/// Both need the model's architecture, width and number of layers; attention also its rope.
/// They throw ConfigError "FILE: key: problem".
void read_rope(const formats::JsonObject& v, Model& m);
void read_attention(const formats::JsonObject& v, Model& m);
}  // namespace moesim::spec
