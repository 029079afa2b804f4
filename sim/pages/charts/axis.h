// Numbers along an axis, as many as there is room for, and values marked across the drawing.
#pragma once
#include <span>

#include "pages/charts/charts.h"
#include "pages/charts/markup.h"
#include "pages/charts/scale.h"

namespace moesim::pages {

/// The least width of a drawing, in px, and of one that is not narrow: reports/page/page.css shows .wide from a figure
/// of 560 px on, and .narrow below.
constexpr double kNarrow = 212, kWide = 440;

/// Strokes and numbers below a line at y px.  A number that would touch the one before it is left out: where the
/// drawing is narrow, or everywhere.  unit_behind: each has its unit.
Html ticks_html(const Scale& scale, const AxisUnit& unit, int y, int most, bool unit_behind = false);

/// Lines at values of both axes over a drawing of `height` px below `top`, with their words above it, a line each.
Html guides_html(std::span<const Guide> at_x, std::span<const Guide> at_y, const Scale& across, const Scale& up,
                 int top, int height);
}  // namespace moesim::pages
