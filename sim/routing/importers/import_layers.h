// Settles which of the model's layers the rows of a file are; shared by token and count importers.
#pragma once
#include "routing/importers/import.h"

namespace moesim::routing {

/// Where each row of a file's layer axis goes.
struct LayerPlan {
  std::vector<int> ordinal;  // (axis): index into `layers`, -1 for a row without routing
  std::vector<int> layers;   // model layer numbers, ascending
  int hidden_layers = 0;     // 0 if unknown
  std::vector<std::string> notes;
};
/// used: (axis), whether the row holds any routing.  Throws ConfigError if the axis does not fit the model or what was
/// said of it, or nothing is left.
LayerPlan plan_layers(const ImportContext& context, const std::string& file, LayerAxis axis,
                      const std::vector<int>& numbers, const std::vector<bool>& used);
/// A header with what both kinds of file tell: where it comes from, notes, layers.
TraceHeader begin_header(const std::string& source, const std::vector<std::string>& notes, const LayerPlan& plan);
/// The model's router limit and name, with checks of experts and top-k against the model.
void describe_model(const ImportContext& context, const std::string& file, TraceHeader& header);
}  // namespace moesim::routing
