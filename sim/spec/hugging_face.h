// Reads a model's shape from the config.json that Hugging Face repositories carry.
#pragma once
#include <string>

#include "spec/model.h"

namespace moesim {

/// file: a config.json of a model_type listed in the error for an unknown one.  The name is that of its folder.
/// Multi-modal models: their text part.  Throws ConfigError, with file and key, for values that are missing, of the
/// wrong type, or contradict each other.
Model read_hugging_face(const std::string& file);
}  // namespace moesim
