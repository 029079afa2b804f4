// What the config.json of families has that are read as releases; part of hugging_face_json().
#pragma once
#include "formats/json.h"
#include "spec/model.h"

namespace moesim::spec {

/// Adds the keys by which the release's reader finds what other families' keys do not say.
void add_released(const Model& m, formats::Json& out);
}  // namespace moesim::spec
