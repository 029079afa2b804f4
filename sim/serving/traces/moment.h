// Moments of the calendar, exact to the picosecond.
#pragma once
#include <cstdint>
#include <string_view>

namespace moesim::serving {

/// A moment of the calendar: whole seconds since 1970 and the picoseconds after.
struct Moment {
  std::int64_t second = 0;
  std::int64_t picosecond = 0;
};
/// "2023-11-16 18:17:03.9799600", also with T, without a fraction, with a zone such as +00:00 or Z.
/// Returns false if the text is something else.
bool parse_moment(std::string_view text, Moment& out);
}  // namespace moesim::serving
