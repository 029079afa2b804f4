#include "serving/step/speculation.h"

#include <charconv>

namespace moesim::serving {

std::vector<double> measured_acceptance(const routing::TraceHeader& trace) {
  constexpr std::string_view kBefore = "speculation acceptance [";  // as `moesim record` writes it
  std::vector<double> out;
  for (const std::string& note : trace.notes) {
    const std::size_t found = note.find(kBefore);
    if (found == std::string::npos) continue;
    const char *at = note.data() + found + kBefore.size(), *end = note.data() + note.size();
    double value = 0;
    for (auto r = std::from_chars(at, end, value); r.ec == std::errc(); r = std::from_chars(at, end, value)) {
      out.push_back(value);
      at = r.ptr;
      while (at != end && (*at == ',' || *at == ' ')) ++at;
    }
    return out;
  }
  return out;
}
}  // namespace moesim::serving
