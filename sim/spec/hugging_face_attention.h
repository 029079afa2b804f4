// Attention and positions as a Hugging Face config.json says; part of read_hugging_face().
#pragma once
#include "formats/json_object.h"
#include "spec/model.h"

namespace moesim::spec {

/// Both need the model's architecture, width and number of layers; attention also its rope.
/// They throw ConfigError "FILE: key: problem".
void read_rope(const formats::JsonObject& v, Model& m);
void read_attention(const formats::JsonObject& v, Model& m);
/// DSA's indexer; needs the number of layers.
void read_indexer(const formats::JsonObject& v, Model& m);
/// Holds mlp_layer_types, where it is there, against the mixture that other keys say.
void check_mixture_list(const formats::JsonObject& v, const Model& m);
}  // namespace moesim::spec
