// The law of load that a model's gate gets where a scenario says nothing of its routing, by how the gate is balanced.
#pragma once
#include <span>
#include <string_view>

#include "core/config.h"
#include "spec/model.h"

namespace moesim::routing {

/// A kind of gate, and what is published of the loads of such.
struct DefaultLaw {
  std::string_view gate;     // what gates of this kind are
  std::string_view models;   // some that have one
  std::string_view section;  // `routing` as a scenario would say it
  std::string_view source;   // of its parameters
  bool (*covers)(const spec::Model& model);
};
/// The first that covers a model is its; every model with experts has one.
std::span<const DefaultLaw> default_laws();
/// model: with experts.
const DefaultLaw& default_law(const spec::Model& model);

/// The section `routing` of a scenario, or where it has none, the model's default; empty for a dense model without.
/// For routing in serving: in training a loss or a bias holds the loads even.
Config routing_or_default(const Config& scenario, const spec::Model& model);
}  // namespace moesim::routing
