// A model's shape from and to the config.json that Hugging Face repositories carry.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "formats/json_object.h"
#include "spec/model.h"

namespace moesim::spec {

/// file: a config.json of a family, or of any release whose layers can be run (spec/release).  Its folder gives the
/// name. Multi-modal models: their text part.  Throws ConfigError, with file and key, for values that are missing, of
/// the wrong type, or contradict each other.
Model read_hugging_face(const std::string& file);

/// The model of a config.json whose model_type is a family's own, as read from `where`; none for another.  Its name and
/// what a quantisation makes of its weights are not set.
std::optional<Model> read_family(const formats::JsonValue& document, const std::string& where);

/// Whether the file's model_type is a family's own, whose forward pass is computed here.  Others run as what they take.
bool has_forward_pass(const std::string& file);

/// The config.json that read_hugging_face() and others read `model` from; dtype: of the weights beside it, "float32".
/// What a publisher says of its release (title, licence) has no place there.
std::string hugging_face_json(const Model& model, std::string_view dtype);
}  // namespace moesim::spec
