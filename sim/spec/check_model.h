// The rules that a model's values must keep among themselves, wherever they come from.
#pragma once
#include <functional>
#include <string_view>

#include "spec/model.h"

namespace moesim {

/// Calls `fail` with the field's path ("moe.top_k") and the problem for the first rule broken; `fail` must throw.
void check_model(const Model& model, const std::function<void(std::string_view, std::string_view)>& fail);
}  // namespace moesim
