// A model's shape from and to the config.json that Hugging Face repositories carry.
#pragma once
#include <string>
#include <string_view>

#include "spec/model.h"

namespace moesim::spec {

/// file: a config.json of a model_type listed in the error for an unknown one.  The name is that of its folder.
/// Multi-modal models: their text part.  Throws ConfigError, with file and key, for values that are missing, of the
/// wrong type, or contradict each other.
Model read_hugging_face(const std::string& file);

/// The config.json that read_hugging_face() and others read `model` from; dtype: of the weights beside it, "float32".
/// What a publisher says of its release (title, licence) has no place there.
std::string hugging_face_json(const Model& model, std::string_view dtype);
}  // namespace moesim::spec
