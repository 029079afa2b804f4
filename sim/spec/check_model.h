// The rules that a model's values must keep among themselves, wherever they come from.
#pragma once
#include "spec/field_checks.h"
#include "spec/model.h"

namespace moesim::spec {

/// Calls `refuse` for the first rule broken.
void check_model(const Model& model, const Refuse& refuse);
}  // namespace moesim::spec
