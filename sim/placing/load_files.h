// Loads counted elsewhere, by the name that this room's tables know their reader by.
#pragma once
#include "placement/files/load_files.h"

namespace moesim::placing {
using placement::read_loads;
}  // namespace moesim::placing
