// A release from its config.json, and the hf_quant_config.json beside it.
#pragma once
#include <string>

#include "spec/release/release.h"

namespace moesim::spec {

/// file: a config.json.  Throws ConfigError, with file and key, for values that are missing, of the wrong type or
/// contradict each other, and for keys of an unknown model_type, or of a quantisation, that are not understood.
Release read_release(const std::string& file);
/// The same from text; nothing lies beside it.
Release read_release_text(const std::string& text, const std::string& where);

/// Whether a family reads that model_type; others are read as plain decoders, or refused.
bool is_release_type(const std::string& model_type);
}  // namespace moesim::spec
