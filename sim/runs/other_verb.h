// Tells scenarios, sweeps and plans apart, where one is given to a verb that takes another.
#pragma once
#include <string_view>

#include "core/config.h"

namespace moesim::runs {

/// Throws ConfigError that names the right verb if `file`, the whole of one, is for another than `verb` ("run",
/// "sweep", "size", or "place", which takes none of these files).
void refuse_other_verb(const Config& file, std::string_view verb);
}  // namespace moesim::runs
