// Collects a release's tensors; used where a plan is carried out.
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/config_error.h"
#include "spec/check_model.h"
#include "spec/release/release.h"

namespace moesim::spec {

/// Adds tensors of one owner under one prefix: "layers.3.".
struct Emitter {
  std::vector<Tensor>& out;
  Owner owner{};
  std::string prefix;

  void matrix(TensorKind kind, std::string_view name, std::int64_t rows, std::int64_t columns,
              Takes takes = Takes::linear) {
    put({prefix + std::string(name), kind, owner, rows, columns, 1, 1, takes});
  }
  void vector(TensorKind kind, std::string_view name, std::int64_t width, bool fp32 = false) {
    put({prefix + std::string(name), kind, owner, 1, width, 1, 1, Takes::nothing, fp32});
  }
  void uncounted(TensorKind kind, std::string_view name, std::int64_t width) {
    put({prefix + std::string(name), kind, owner == Owner::backbone ? Owner::uncounted : owner, 1, width});
  }
  void put(Tensor t) {
    if (double(t.rows) * double(t.columns) * double(t.copies) > kMostParameters)
      throw ConfigError::placed(
          fmt::format("{}: {} x {} x {} parameters are more than any model has", t.name, t.rows, t.columns, t.copies));
    if (t.all() > 0) out.push_back(std::move(t));
  }
};
}  // namespace moesim::spec
