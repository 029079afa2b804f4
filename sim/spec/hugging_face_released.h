// What the config.json of families has that are read as releases; part of hugging_face_json().
#pragma once
#include <string_view>

#include "formats/json.h"
#include "spec/model.h"

namespace moesim::spec {

/// Adds the keys by which the release's reader finds what other families' keys do not say.
void add_released(const Model& m, formats::Json& out);

/// The model_type of families whose windowed layers have heads of their own, or whose experts stand beside a dense
/// network; "" for others.
std::string_view type_with_windows(const Model& m);
/// Adds their keys.
void add_with_windows(const Model& m, formats::Json& out);
}  // namespace moesim::spec
