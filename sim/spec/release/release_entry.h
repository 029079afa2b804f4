// Catalogue entries that hold a release's config.json as `config:`, in place of a shape of their own.
#pragma once
#include <optional>
#include <string>

#include "core/config.h"
#include "spec/model.h"
#include "spec/release/release.h"

namespace moesim::spec {

/// file: of a catalogue's model.  None if neither it nor what it extends has `config`.  A variant's keys replace those
/// of the entry it extends; null takes one out.  Throws ConfigError as read_release() does.
std::optional<Release> release_of_entry(const std::string& file);

/// Fills `out` from the whole of such a file; false for one of another kind.  A release whose layers cannot be run gets
/// `unsupported`.
bool model_of_entry(const Config& file, Model& out);
}  // namespace moesim::spec
