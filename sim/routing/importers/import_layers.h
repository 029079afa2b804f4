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
/// Throws ConfigError for more than kMostLayers layers, or more layers times experts or top-k than a trace may have.
void check_sizes(const std::string& file, std::int64_t layers, std::int64_t experts, std::int64_t top_k = 1);
/// Throws ConfigError if only `there` of the `places` of a trace, which has one for every token and layer, are filled:
/// where records name tokens and layers singly, few of them could stand for any number of both.
void check_filled(const std::string& where, std::int64_t there, std::int64_t places);
/// A header with what both kinds of file tell: where it comes from, notes, layers.
TraceHeader begin_header(const std::string& source, const std::vector<std::string>& notes, const LayerPlan& plan);
/// The model's router limit and name, with checks of experts and top-k against the model.
void describe_model(const ImportContext& context, const std::string& file, TraceHeader& header);
}  // namespace moesim::routing
