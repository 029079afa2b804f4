// Whether a catalogue has an entry, without reading the names of all.
#pragma once
#include <string>
#include <string_view>

namespace moesim::core {

/// As if catalogue_names() held it.
bool in_catalogue(std::string_view catalogue, const std::string& name);
}  // namespace moesim::core
