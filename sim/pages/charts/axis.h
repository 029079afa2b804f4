// Numbers along an axis, as many as there is room for, and values marked across the drawing.
#pragma once
#include <span>

#include "pages/charts/charts.h"
#include "pages/charts/markup.h"
#include "pages/charts/scale.h"

namespace moesim::pages {

/// The least width of a drawing, in px, and of two that are wider: reports/page/page.css shows .mid from a figure of
/// 358 px on, .wide from one of 505 px on.
constexpr double kNarrow = 212, kMiddle = 246, kWide = 392;
/// Across a drawing whose own coordinates stretch with its width.
constexpr double kStretch = 10'000;

/// Strokes and numbers below a line at y px.  The first and last have theirs; another that would touch the one before
/// it, or the last, is left out: where the drawing is not wide enough, or everywhere.  unit_behind: each has its unit.
Html ticks_html(const Scale& scale, const AxisUnit& unit, int y, int most, bool unit_behind = false);

/// How many lines of words guides_html() writes for values across: those that do not touch share one.
int guide_rows(std::span<const Guide> at_x, const Scale& across);
/// Lines at values of both axes over a drawing of `height` px below `top`, with their words above it.
Html guides_html(std::span<const Guide> at_x, std::span<const Guide> at_y, const Scale& across, const Scale& up,
                 int top, int height);
}  // namespace moesim::pages
