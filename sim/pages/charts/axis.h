// Numbers along an axis, as many as there is room for.
#pragma once
#include "pages/charts/markup.h"
#include "pages/charts/scale.h"

namespace moesim::pages {

/// The least width of a drawing, in px, and of one that is not narrow: reports/page/page.css shows .wide from a figure
/// of 560 px on, and .narrow below.
constexpr double kNarrow = 212, kWide = 440;

/// Strokes and numbers below a line at y px.  A number that would touch the one before it is left out: where the
/// drawing is narrow, or everywhere.  unit_behind: each has its unit.
Html ticks_html(const Scale& scale, const AxisUnit& unit, int y, int most, bool unit_behind = false);
}  // namespace moesim::pages
